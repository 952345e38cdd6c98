"""Models: of transformers, in a folder or on the Hugging Face hub at a pinned commit; of a package.

Of transformers, only weights in the safetensors format are taken: the older format runs whatever it
holds. Code that comes with a model is never run. Packages are those listed in `PACKAGES`, which hold
weights and code and were installed by the user.
"""

import hashlib
import importlib.util
import json
import re
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from catalogs.files import sha256
from schemas.errors import SourceError, UsageError

COMMIT = re.compile(r"[0-9a-f]{40}")
HUB = re.compile(r"[\w.-]+/[\w.-]+")
FILES = ("*.safetensors", "*.json", "*.txt", "*.model", "*.jinja")
"""What is fetched of a model: weights, settings, vocabulary."""

_NEEDED = ("torch", "transformers")

PACKAGES = {"geoembed": 256}
"""Packages that hold a picture encoder, and the length of its vectors."""


@dataclass(frozen=True)
class Model:
    """A model on disk.

    Attributes:
        identity: `NAME@REVISION`: what tables, cards and digests say of it. The revision is the hub's
            commit, the content of a folder as `sha256:` and its first 16 digits, or the version of
            a package.
        folder: with `config.json` and weights; that of the package.
    """

    identity: str
    folder: Path

    @property
    def config(self) -> dict[str, Any]:
        """Its `config.json`; of a package the length of its vectors, as `hidden_size`."""
        if packaged(self.identity):
            return {"hidden_size": PACKAGES[parts(self.identity)[0]]}
        return dict(json.loads((self.folder / "config.json").read_text(encoding="utf-8")))


def parts(identity: str) -> tuple[str, str]:
    """(name, revision) of an identity."""
    name, _, revision = identity.partition("@")
    return name, revision


def packaged(identity: str) -> bool:
    """Whether a model is that of a package, by its identity."""
    name, revision = parts(identity)
    return name in PACKAGES and not revision.startswith("sha256:")


def find(what: str) -> Model:
    """The model that a user names: a folder, a package, or `ORGANISATION/NAME@COMMIT` of the hub.

    Raises:
        UsageError: no such folder, no model in it, a package that is not installed, or a hub model
            that is not pinned.
        SourceError: the hub does not give it.
    """
    folder = Path(what).expanduser()
    if folder.is_dir():
        _whole(folder, what)
        return Model(f"{folder.resolve().name}@sha256:{content(folder)[:16]}", folder.resolve())
    if what in PACKAGES:
        return _installed(what)
    name, revision = parts(what)
    if not HUB.fullmatch(name) or folder.exists() or what.startswith((".", "/", "~")):
        raise UsageError(
            f"model {what}: no such folder, no ORGANISATION/NAME@COMMIT of the hub, and none of "
            f"the packages {', '.join(PACKAGES)}"
        )
    if not COMMIT.fullmatch(revision):
        raise UsageError(f"model {what}: pin its commit, as {name}@ and 40 hexadecimal digits")
    folder = _fetched(name, revision)
    _whole(folder, what)
    return Model(what, folder)


def content(folder: Path) -> str:
    """SHA-256 over the names and contents of a model's files."""
    names = {path for pattern in FILES for path in folder.glob(pattern)}
    total = hashlib.sha256()
    for path in sorted(names):
        total.update(f"{path.name}\0{sha256(path)}\n".encode())
    return total.hexdigest()


def weigh(folder: Path) -> dict[str, int]:
    """Numbers in a model's weights by type (`F32`, `BF16`, ...), from the files' headers.

    Raises:
        UsageError: a file of weights is cut or none at all.
    """
    found: dict[str, int] = {}
    for path in sorted(folder.glob("*.safetensors")):
        try:
            with path.open("rb") as stream:
                size = struct.unpack("<Q", stream.read(8))[0]
                if size > min(path.stat().st_size, 100 << 20):
                    raise ValueError("header")
                header = json.loads(stream.read(size))
            for name, entry in header.items():
                if name == "__metadata__":
                    continue
                count = 1
                for side in entry["shape"]:
                    count *= side
                found[entry["dtype"]] = found.get(entry["dtype"], 0) + count
                if 8 + size + entry["data_offsets"][1] > path.stat().st_size:
                    raise ValueError("cut")
        except (OSError, LookupError, ValueError, TypeError, AttributeError, struct.error) as error:
            raise UsageError(
                f"model {folder.name}: {path.name} is cut or no weights; fetch it again"
            ) from error
    return found


def require(identities: Iterable[str] = ("",)) -> None:
    """Refuse to go on without the libraries that these models need.

    Raises:
        UsageError: naming the extra that brings them.
    """
    missing: list[str] = []
    for identity in identities:
        if packaged(identity):
            _installed(parts(identity)[0])
        else:
            missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise UsageError(
            f"models need {' and '.join(missing)}, which is not installed: "
            "pip install 'earthloom[models]'"
        )


def _installed(package: str) -> Model:
    """The model of a package.

    Raises:
        UsageError: it is not installed.
    """
    spec = importlib.util.find_spec(package)
    try:
        if spec is not None and spec.submodule_search_locations:
            folder = Path(next(iter(spec.submodule_search_locations)))
            return Model(f"{package}@{version(package)}", folder)
    except PackageNotFoundError:  # a folder of that name on the path
        pass
    raise UsageError(
        f"model {package}: the package is not installed: pip install 'earthloom[encoders]'"
    )


def _whole(folder: Path, what: str) -> None:
    """A folder holds a model that can be loaded."""
    if not (folder / "config.json").is_file():
        raise UsageError(f"model {what}: holds no config.json; give the folder of a saved model")
    if not any(folder.glob("*.safetensors")):
        raise UsageError(
            f"model {what}: holds no .safetensors; weights of other formats are not loaded, "
            "save it anew with safe_serialization"
        )
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except ValueError:
        config = None
    if not isinstance(config, dict) or not isinstance(config.get("model_type"), str):
        raise UsageError(
            f"model {what}: its config.json names no model_type; give the folder of a model that "
            "transformers has saved"
        )
    weigh(folder)
    if lost := missing(folder):
        raise UsageError(f"model {what}: lacks {lost[0]}, which its index names; fetch it again")


def missing(folder: Path) -> list[str]:
    """Files of weights that a model's index names and that are not there."""
    wanted: set[str] = set()
    for path in folder.glob("*.safetensors.index.json"):
        try:
            wanted |= set(json.loads(path.read_text(encoding="utf-8"))["weight_map"].values())
        except (ValueError, KeyError, TypeError, AttributeError):
            return [path.name]
    return sorted(name for name in wanted if not (folder / Path(name).name).is_file())


def _fetched(name: str, revision: str) -> Path:
    """The folder of a hub model in the library's own cache; asked for only where it is not there."""
    require()
    from huggingface_hub import snapshot_download

    wanted: dict[str, Any] = {"revision": revision, "allow_patterns": list(FILES)}
    try:
        folder = Path(snapshot_download(name, local_files_only=True, **wanted))
        if any(folder.glob("*.safetensors")) and not missing(folder):
            return folder  # else a fetch was cut off
    except Exception:  # whatever the library says of a model that it does not have yet
        pass
    try:
        return Path(snapshot_download(name, **wanted))
    except Exception as error:
        kind = type(error).__name__
    raise SourceError(
        f"model {name}@{revision}: the hub does not give it ({kind}); fetch it where there is a "
        "network and name its folder"
    )

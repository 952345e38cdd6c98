"""Fault 34: no token, signature or credential in anything that a whole served build leaves behind."""

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

sys.path.append(str(Path(__file__).resolve().parents[1] / "stac"))

from blobs import CANARY, Blobs
from fault_server import FaultServer, answer, file
from net_world import built, features, release
from small_world import World
from stac_servers import RUSTAC, rustac
from test_net_world import SMALL

PRESIGNED = "PR3S1GNED"
"""A signature that an item brings along in its href."""
KEY = "AWSK3Y"
"""A credential in the environment that nothing asks for."""


def texts(path: Path) -> Iterator[bytes]:
    """What a file holds: its bytes, and of tables the values that compression hides."""
    data = path.read_bytes()
    yield data
    if data[:4] == b"PAR1":
        table = pq.read_table(path)
        yield repr((table.to_pylist(), table.schema.metadata)).encode()
    elif path.suffix == ".arrow":
        with pa.ipc.open_file(path) as stream:
            yield repr(stream.read_all().to_pylist()).encode()


def holding(folder: Path, secret: str) -> list[str]:
    """Files below a folder, dot files among them, that hold a text."""
    return [
        path.relative_to(folder).as_posix()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and any(secret.encode() in text for text in texts(path))
    ]


def test_the_search_for_secrets_finds_them(tmp_path: Path) -> None:
    table = pa.table({"a": ["x" * 999 + CANARY] * 2})
    pq.write_table(table, tmp_path / "a.parquet", compression="zstd")
    with pa.ipc.new_file(tmp_path / "b.arrow", table.schema) as sink:
        sink.write_table(table)
    (tmp_path / ".c").write_text(f"?sig={CANARY}")
    (tmp_path / "d").write_text("none")
    assert holding(tmp_path, CANARY) == [".c", "a.parquet", "b.arrow"]


@pytest.mark.skipif(RUSTAC is None, reason="rustac is not installed")
def test_fault_34_a_served_build_leaves_no_secret_anywhere(
    world: World, server: FaultServer, tmp_path: Path
) -> None:
    """Searched, signed, refused, interrupted, resumed; work area, caches, logs and release."""
    blobs = Blobs(server, time.time)

    def href(path: Path) -> str:
        if path.stem == "train-c":
            return server.on(f"/acc/data/{path.name}", answer(403))
        if path.stem == "train-d":
            return server.on("/signed.tif", file(b"GIF89a" + bytes(2000))) + f"?sig={PRESIGNED}"
        return blobs.blob(path.read_bytes(), path.name)

    given, home, out = (tmp_path / name for name in ("given", "home", "out"))
    given.mkdir()
    home.mkdir()
    env = {
        "EARTHLOOM_PC_SAS": f"{server.url('/sas/token')},{server.place}",
        "EARTHLOOM_ALLOW_HOSTS": "127.0.0.1", "EARTHLOOM_CACHE": str(home / "cache"),
        "HOME": str(home), "TMPDIR": str(home), "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": KEY, "AWS_SESSION_TOKEN": KEY,
    }  # fmt: skip
    said: list[str] = []

    def run(place: str, *more: str, **extra: str) -> Any:
        done = built(world, f"{place}#small", out, "--error-budget", "0.5", *more, **env, **extra)
        said.extend((done.stdout, done.stderr))
        return done

    with rustac(given, [SMALL], features(world, href)) as url:
        assert run(url, "--until", "plan").returncode == 0
        first = sorted(
            path.stem for path in (out / "skyscript/.work/plan/blocks").glob("*.parquet")
        )[0]
        assert run(url, EARTHLOOM_FAIL_POINT=f"before-record:{first}").returncode == 1
        assert run(url, "--json-progress").returncode == 0, said
    assert blobs.given >= 1
    assert any(CANARY in hit.query for hit in server.hits)
    assert any(PRESIGNED in hit.query for hit in server.hits)
    drops = pq.read_table(release(out) / "metadata" / "drops.parquet").to_pylist()
    failed = {row["code"] for row in drops if row["outcome"] == "failed"}
    assert failed == {"auth", "not_a_raster"}
    for secret in (CANARY, KEY, PRESIGNED):
        assert not [text for text in said if secret in text]
    for secret in (CANARY, KEY):
        assert holding(out, secret) == [] and holding(home, secret) == []
    work = "skyscript/.work/"
    needed = (f"{work}plan/scenes.jsonl", f"{work}plan/search/", f"{work}make/")
    spilt = [name for name in holding(out, PRESIGNED) if not name.startswith(needed)]
    assert spilt == [], "what an item brings along is kept only where it is needed to read"
    assert not [n for n in holding(out, PRESIGNED) if n.startswith(needed[2]) and ".parquet" in n]

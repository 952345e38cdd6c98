"""The command line of `build`."""

import argparse
from pathlib import Path
from typing import Any

from schemas.errors import UsageError
from schemas.recipes import Recipe
from schemas.roles import FILES, LAYERS, ROLES

ACTS = ("plan", "make", "annotate", "pack", "release")


class Parser(argparse.ArgumentParser):
    """Errors are one sentence and exit code 2."""

    def error(self, message: str) -> Any:
        """Raise instead of printing the whole usage."""
        raise UsageError(f"{message}; see --help")


def parser() -> Parser:
    """Options of `build`."""
    p = Parser(
        prog="python -m pipelines.build",
        description="Build a dataset from its recipe. "
        "Without sources it builds on the generated sample world.",
        epilog="Exit codes: 0 done, 1 build failed (work kept), 2 usage, "
        "3 error budget, 4 verify found something, 130/143 interrupted.",
        allow_abbrev=False,
    )
    p.add_argument("--dataset", metavar="NAME", help="which recipe; --list names them")
    p.add_argument("--list", action="store_true", help="list the recipes and stop")
    p.add_argument("--out", default="out", help="where releases go: OUT/NAME/vX.Y.Z (default: out)")
    place = p.add_mutually_exclusive_group()
    place.add_argument("--bbox", nargs=4, type=float, metavar=("W", "S", "E", "N"), help="degrees")
    place.add_argument(
        "--region", metavar="FILE.geojson", help="only objects inside these polygons"
    )
    p.add_argument("--years", nargs=2, type=int, metavar=("FIRST", "LAST"), help="of acquisition")
    p.add_argument("--imagery", default="", metavar="WHAT",
                   help="a GeoTIFF, a folder of them, a STAC catalogue, items file or table of "
                   "items (.parquet) on disk; planetary-computer, earth-search, or the address of a "
                   "STAC API, with #COLLECTION,... for some of its collections; "
                   "earth-engine:COLLECTION,... by alias (S2, CH, US, ...) or id; "
                   "'none' with --plan counts objects only; 'world' is the sample world")  # fmt: skip
    for role, what in FILES.items():
        p.add_argument(f"--{role}", default="", metavar="PATH", help=what)
    for role, what in LAYERS.items():
        p.add_argument(f"--{role}", default="", metavar="WHAT", help=f"{what}; as --imagery")
    for name, what in (("license", "SPDX"), ("attribution", "TEXT"), ("datetime", "ISO")):
        p.add_argument(f"--{name}", action="append", default=[], metavar=f"ROLE={what}",
                       help=f"{name} of a source that carries none")  # fmt: skip
    _captioner(p)
    p.add_argument("--osm-md5", default="", metavar="MD5", help="expected checksum of the extract")
    p.add_argument(
        "--plan", action="store_true", help="stop after planning; print what would be built"
    )
    p.add_argument(
        "--limit",
        type=int,
        default=0,
        metavar="N",
        help="a taste: N samples through every act (0: all)",
    )
    p.add_argument("--until", choices=ACTS, default="release", help="stop after this act")
    p.add_argument(
        "--retry-failed", action="store_true", help="try again what failed and may be mended"
    )
    p.add_argument(
        "--overwrite", action="store_true", help="throw away the release and work of this version"
    )
    p.add_argument("--seed", type=int, default=0)
    p.add_argument(
        "--config", metavar="FILE.yaml", help="these options from a file; the command line wins"
    )
    p.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="STEP.ARG=VALUE",
        help="e.g. windows.max_px=512",
    )
    p.add_argument("--error-budget", type=float, default=0.05, metavar="SHARE", help="default 0.05")
    p.add_argument("--runner", default="local", help="local")
    p.add_argument("--workers", type=int, default=0, metavar="N", help="default: one for each core")
    p.add_argument(
        "--slice", default="0/1", metavar="K/N", help="do the K-th (from 0) of N parts of an act"
    )
    p.add_argument("--json-progress", action="store_true", help="JSON lines instead of text")
    p.add_argument("--quiet", action="store_true", help="only errors")
    return p


def _captioner(p: Parser) -> None:
    """Who writes texts, and what is kept of it."""
    p.add_argument("--captioner", default=None, metavar="WHO",
                   help="who writes texts: the address of a service with the chat completions protocol "
                   "(vLLM, llama.cpp, hosted; its key in EARTHLOOM_CAPTIONER_KEY), the folder of a model, "
                   "or ORGANISATION/NAME@COMMIT of the Hugging Face hub; templates without it")  # fmt: skip
    p.add_argument("--captioner-model", default="", metavar="NAME[@REVISION]",
                   help="which of the service's models; default: its first")  # fmt: skip
    p.add_argument("--captioner-extra", default="", metavar="JSON",
                   help='further fields of each request, e.g. {"cache_prompt": false}; null '
                   "takes one out")  # fmt: skip
    p.add_argument("--captioner-parallel", type=int, default=8, metavar="N",
                   help="requests under way at once (default 8)")  # fmt: skip
    p.add_argument("--captioner-timeout", type=float, default=120.0, metavar="SECONDS",
                   help="for one answer (default 120)")  # fmt: skip
    p.add_argument("--requests", default="record", choices=("record", "replay", "refresh"),
                   help="answers of the service: keep and reuse them, take kept ones alone (no network), "
                   "or ask anew")  # fmt: skip
    p.add_argument("--requests-at", default="", metavar="DIR",
                   help="where they are kept; default: OUT/NAME/requests")  # fmt: skip


def parse(argv: list[str]) -> tuple[argparse.Namespace, list[str]]:
    """(options, Beam's options): defaults, then --config, then the command line.

    Raises:
        UsageError: one sentence.
    """
    p = parser()
    args, beam = p.parse_known_args(argv)
    if args.config:
        p.set_defaults(**_config(Path(args.config), args))
        args, beam = p.parse_known_args(argv)
    for arg in beam:
        if not arg.startswith("--"):
            raise UsageError(f"{arg!r} is no option; see --help")
        _near_miss(p, arg)
    _check(args)
    return args, beam


def _near_miss(p: argparse.ArgumentParser, arg: str) -> None:
    """A misspelt option of ours must not disappear among Beam's."""
    from difflib import get_close_matches

    known = [o for action in p._actions for o in action.option_strings]
    close = get_close_matches(arg.split("=")[0], known, n=1, cutoff=0.75)
    if close:
        raise UsageError(f"{arg}: no such option; did you mean {close[0]}?")


def _config(path: Path, args: argparse.Namespace) -> dict[str, Any]:
    import yaml

    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"--config {path}: {error.strerror}") from error
    try:
        found = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" line {mark.line + 1}" if mark else ""
        raise UsageError(
            f"--config {path}{where}: {getattr(error, 'problem', None) or error}"
        ) from error
    if not isinstance(found, dict):
        raise UsageError(f"--config {path}: must be a mapping of options")
    values = {str(k).replace("-", "_"): v for k, v in found.items()}
    from schemas.errors import nearest

    for name in values:
        if not hasattr(args, name) or name == "config":
            raise UsageError(f"--config {path}: unknown key {name!r}; {nearest(name, vars(args))}")
    for name in ("set", "license", "attribution", "datetime"):
        if isinstance(values.get(name), dict):
            values[name] = [f"{k}={v}" for k, v in values[name].items()]
    return values


def _check(args: argparse.Namespace) -> None:
    if not args.out:
        raise UsageError("--out '': give a folder")
    for name in ("workers", "limit"):
        if getattr(args, name) < 0:
            raise UsageError(f"--{name} {getattr(args, name)}: must not be negative")
    if args.captioner_parallel < 1 or not args.captioner_timeout > 0:
        raise UsageError("--captioner-parallel and --captioner-timeout must be above 0")
    if not 0 <= args.error_budget <= 1:
        raise UsageError(f"--error-budget {args.error_budget:g}: a share from 0 to 1")
    if args.years and args.years[0] > args.years[1]:
        raise UsageError(f"--years {args.years[0]} {args.years[1]}: the first is after the last")
    if args.bbox:
        west, south, east, north = args.bbox
        if not (-180 <= west <= 180 and -180 <= east <= 180 and -90 <= south < north <= 90):
            raise UsageError(
                f"--bbox {' '.join(map(str, args.bbox))}: empty, or not W S E N in degrees"
            )
        if west == east:
            raise UsageError(f"--bbox {' '.join(map(str, args.bbox))}: empty, west equals east")
    args.slice = slice_of(str(args.slice))
    args.changes = {k: value_of(v) for k, v in pairs(args.set, "--set")}


def fill_roles(args: argparse.Namespace, recipe: Recipe) -> None:
    """No source at all means the sample world; half of them means a mistake.

    Raises:
        UsageError: naming the option that is missing, or one that the recipe has no use for.
    """
    from catalogs.world import ROLES as WORLD

    given = [role for role in ROLES if getattr(args, role)]
    for role in given:
        if role not in recipe.roles:
            raise UsageError(
                f"--{role} {getattr(args, role)}: {recipe.card.name} is made from "
                f"{', '.join(recipe.roles)} only"
            )
    if all(getattr(args, role) == "world" for role in given):
        for role in recipe.roles:
            if role in WORLD or role not in recipe.optional:
                setattr(args, role, "world")
        return
    missing = [r for r in recipe.roles if r not in given and r not in recipe.optional]
    if missing:
        raise UsageError(
            f"--{given[0]} {getattr(args, given[0])}: needs {', '.join(f'--{r}' for r in missing)} as "
            "well; the sample world does not show your place"
        )


def slice_of(text: str) -> tuple[int, int]:
    """`K/N` with 0 <= K < N.

    Raises:
        UsageError: anything else.
    """
    k, _, n = text.partition("/")
    if not (k.isdigit() and n.isdigit() and int(k) < int(n)):
        raise UsageError(f"--slice {text}: expected K/N with K from 0 to N-1")
    return int(k), int(n)


def pairs(texts: list[str], flag: str) -> list[tuple[str, str]]:
    """`NAME=VALUE` texts as pairs.

    Raises:
        UsageError: without an equals sign.
    """
    found = []
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise UsageError(f"{flag} {text}: expected NAME=VALUE")
        found.append((name.strip(), value))
    return found


def by_role(texts: list[str], flag: str) -> dict[str, str]:
    """`ROLE=VALUE` texts by role.

    Raises:
        UsageError: unknown role.
    """
    from schemas.errors import nearest

    found = dict(pairs(texts, flag))
    for role in found:
        if role not in ROLES:
            raise UsageError(f"{flag} {role}=...: no such role; {nearest(role, ROLES)}")
    return found


def value_of(text: str) -> Any:
    """A `--set` value as YAML reads it: 5, 0.5, true, [a, b], or text."""
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return text

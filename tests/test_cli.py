"""The command line: quick to answer, one sentence for a mistake, exit code 2."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.commands.build import main
from pipelines.commands.earthloom import COMMANDS
from pipelines.registry import names
from pipelines.runners import FORBIDDEN_MODES, REFUSED

ROOT = Path(__file__).resolve().parents[1]
HEAVY = ("apache_beam", "rasterio", "pandas", "geopandas", "pystac", "osmium", "shapely", "torch")
PROBE = """
import json, runpy, sys
sys.argv = {argv!r}
try:
    runpy.run_module({module!r}, run_name="__main__")
except SystemExit as stop:
    code = stop.code or 0
print("\\n" + json.dumps([code, [name for name in {heavy!r} if name in sys.modules]]))
"""


def probed(module: str, *argv: str) -> tuple[int, list[str], str]:
    """(exit code, heavy modules imported, output) of a module run in a process of its own."""
    code = PROBE.format(argv=[module, *argv], module=module, heavy=HEAVY)
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    status, heavy = json.loads(done.stdout.splitlines()[-1])
    return status, heavy, done.stdout


def refused(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    """The one line that a refused command line gets."""
    assert main(list(argv)) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("error: ") and said.err.count("\n") == 1
    assert "Traceback" not in said.err
    return said.err.removeprefix("error: ").strip()


@pytest.mark.parametrize(
    ("module", "argv", "words"),
    [
        ("pipelines.build", ["--help"], ["--dataset", "--imagery", "--retry-failed", "Exit codes"]),
        ("pipelines.build", ["--list"], list(names())),
        ("pipelines.verify", ["--help"], ["release"]),
        ("pipelines.build", ["--dataset", "skyskript"], []),
    ],
)
def test_light_answers_load_nothing_heavy(module: str, argv: list[str], words: list[str]) -> None:
    """Beam, GDAL and pandas take seconds to import; help needs none of them."""
    code, heavy, said = probed(module, *argv)
    assert code == (2 if "skyskript" in argv else 0)
    assert [name for name in heavy if name in ("apache_beam", "rasterio", "pandas")] == []
    assert all(word in said for word in words)


def test_the_console_command_dispatches() -> None:
    """`earthloom build` is `python -m pipelines.build`."""
    run = [
        sys.executable,
        "-c",
        "from pipelines.commands.earthloom import main; raise SystemExit(main())",
    ]
    for argv, code in (([], 0), (["--help"], 0), (["nonsense"], 2), (["build", "--list"], 0)):
        done = subprocess.run([*run, *argv], cwd=ROOT, capture_output=True, text=True, timeout=60)
        assert done.returncode == code
        expected = names() if argv[:1] == ["build"] else COMMANDS
        assert all(word in done.stdout for word in expected)


def test_an_unknown_dataset_gets_the_nearest_name(capsys: pytest.CaptureFixture[str]) -> None:
    """Not a list to search through."""
    said = refused(capsys, "--dataset", "skyskript")
    assert "skyskript" in said and "did you mean 'skyscript'?" in said


def test_no_dataset(capsys: pytest.CaptureFixture[str]) -> None:
    """The sentence says where the names are."""
    assert "--list" in refused(capsys)


@pytest.mark.parametrize(("typo", "meant"), [("--datset", "--dataset"), ("--worker=2", "--workers"),
                                             ("--json-progres", "--json-progress")])  # fmt: skip
def test_a_misspelt_option_does_not_vanish_among_beams(
    typo: str, meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Unknown options go to Beam, but not those that look like ours."""
    said = refused(capsys, "--dataset", "skyscript", typo)
    assert typo in said and meant in said


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--bbox", "10", "0", "11"], ["--bbox"]),
        (["--bbox", "0", "10", "1", "10"], ["--bbox", "empty"]),
        (["--bbox", "0", "50", "1", "40"], ["--bbox", "W S E N"]),
        (["--bbox", "0", "0", "0", "1"], ["--bbox", "west equals east"]),
        (["--bbox", "0", "-91", "1", "1"], ["--bbox"]),
        (["--bbox", "-181", "0", "1", "1"], ["--bbox"]),
        (["--bbox", "nan", "0", "1", "1"], ["--bbox"]),
        (["--bbox", "a", "0", "1", "1"], ["--bbox"]),
        (["--bbox", "0", "0", "1", "1", "--region", "x.geojson"], ["--region", "--bbox"]),
        (["--slice", "2/2"], ["--slice 2/2", "K/N"]),
        (["--slice", "0/0"], ["--slice"]),
        (["--slice", "1"], ["--slice"]),
        (["--slice", "a/b"], ["--slice"]),
        (["--slice", "-1/2"], ["--slice"]),
        (["--set", "windows.max_px"], ["--set", "NAME=VALUE"]),
        (["--set", "=5"], ["--set"]),
        (["--set", "windows.max_px=many"], ["max_px", "expected int", "many"]),
        (["--set", "window.max_px=5"], ["window.max_px", "did you mean 'windows.max_px'"]),
        (["--set", "windows.jitter=[1, 2]"], ["jitter", "expected float"]),
        (["--years", "2021", "2020"], ["--years", "after"]),
        (["--years", "twenty", "2020"], ["--years"]),
        (["--limit", "-1"], ["--limit -1: must not"]),
        (["--workers", "-1"], ["--workers -1: must not"]),
        (["--until", "mkae"], ["--until", "make"]),
        (["--license", "image=CC0-1.0"], ["image", "did you mean 'imagery'"]),
        (["--license", "CC0-1.0"], ["--license", "NAME=VALUE"]),
        (["--imagery", "nowhere.tif", "--osm", "x.pbf"], ["nowhere.tif", "no such file"]),
        (["--imagery", "planetary-computer", "--osm", "x.pbf"], ["x.pbf", "no such file"]),
        (["--imagery", "earth-engine", "--osm", "x.pbf"], ["x.pbf", "no such file"]),
        (["--imagery", "mine.tif"], ["--imagery mine.tif", "needs --osm"]),
        (["--osm", "mine.osm.pbf"], ["--osm mine.osm.pbf", "needs --imagery"]),
        (["--error-budget", "2"], ["--error-budget 2", "from 0 to 1"]),
        (["--error-budget", "-1"], ["--error-budget -1", "from 0 to 1"]),
        (["--error-budget", "nan"], ["--error-budget nan"]),
        (["--set", "splits.val=-1"], ["splits.ByCell.val=-1", "from 0 to 1"]),
        (["--set", "splits.val=.6", "--set", "splits.test=.6"], ["val + test=1.2"]),
        (["--set", "splits.km=0"], ["splits.ByCell.km=0"]),
        (["--set", "splits.buffer_km=-5"], ["buffer_km=-5", "at least 0"]),
        (["--set", "gates.share=7"], ["gates.Valid.share=7", "from 0 to 1"]),
        (["--set", "encode.quality=900"], ["encode.Jpeg.quality=900", "from 1 to 100"]),
        (["--set", "pack.samples=0"], ["pack.samples=0", "at least 1"]),
        (["--set", "quotas.cap=-1"], ["quotas.PerClass.cap=-1"]),
        (["--set", "windows.px=-1"], ["windows.Thin.px=-1"]),
        (["--set", "osm.Nearby.mots=5"], ["did you mean 'osm.Nearby.most'"]),
        (["--out", "caf\udce9"], ["caf", "not UTF-8"]),
        (["--osm", "nowhere.osm.pbf", "--imagery", "none", "--plan"], ["nowhere.osm.pbf"]),
        (["--out", "gs://bucket/x"], ["gs://bucket/x", "not supported yet"]),
        (["stray"], ["stray", "no option"]),
        (["--runner", "dataflow"], ["not supported yet"]),
    ],
    ids=" ".join,
)
def test_mistakes_get_one_sentence(
    argv: list[str], words: list[str], capsys: pytest.CaptureFixture[str],
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """What is wrong is named; nothing is left behind where nothing was."""
    monkeypatch.chdir(tmp_path)
    said = refused(capsys, "--dataset", "skyscript", *argv)
    assert all(word in said for word in words), said


def config(folder: Path, text: str) -> str:
    """A settings file."""
    path = folder / "run.yaml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_a_settings_file_cannot_run_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """YAML's Python objects are text of another language, and refused as such."""
    trap = tmp_path / "trap"
    text = f'limit: !!python/object/apply:os.system ["touch {trap}"]\n'
    said = refused(capsys, "--dataset", "skyscript", "--config", config(tmp_path, text))
    assert "--config" in said and "python/object" in said
    assert not trap.exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("limt: 5\n", ["limt", "did you mean 'limit'"]),
        ("- limit\n", ["mapping"]),
        ("limit: [1\n", ["--config"]),
        ("config: other.yaml\n", ["config"]),
        ("bbox: [0, 50, 1, 40]\n", ["--bbox"]),
        ("set: {windows.mx_px: 5}\n", ["did you mean 'windows.max_px'"]),
    ],
)
def test_mistakes_in_a_settings_file(
    text: str, words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """The same sentences, with the file's name where it is the file's fault."""
    monkeypatch.chdir(tmp_path)
    said = refused(capsys, "--dataset", "skyscript", "--config", config(tmp_path, text))
    assert all(word in said for word in words), said


def test_a_settings_file_names_the_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Not the parser's name for a text without a file."""
    said = refused(
        capsys, "--dataset", "skyscript", "--config", config(tmp_path, "seed: 1\nlimit: [1\n")
    )
    assert "run.yaml line 3" in said and "unicode string" not in said


def test_a_cache_that_cannot_be_written(tmp_path: Path) -> None:
    """One sentence with the way out, in a process of its own with a home that is none."""
    env = {**os.environ, "HOME": "/proc/nohome", "EARTHLOOM_CACHE": "", "XDG_CACHE_HOME": ""}
    run = [sys.executable, "-m", "pipelines.build", "--dataset", "skyscript", "--out", "out"]
    env["PYTHONPATH"] = str(ROOT)
    done = subprocess.run(run, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr and "EARTHLOOM_CACHE" in done.stderr


def test_a_reader_that_leaves_early() -> None:
    """`... --list | head -0`: no traceback."""
    code = (
        "import os, sys; os.close(1); os.open(os.devnull, os.O_RDONLY); r, w = os.pipe(); "
        "os.close(r); os.dup2(w, 1); from pipelines.commands.build import main; "
        "os._exit(main(['--list']))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (141, "")


def test_a_settings_file_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    """The system's own reason."""
    assert "No such file" in refused(capsys, "--dataset", "skyscript", "--config", "nowhere.yaml")


@pytest.mark.parametrize(
    "runner", [*REFUSED, *(name.removesuffix("Runner").lower() for name in REFUSED)]
)
def test_refused_runners_say_why(runner: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each loses data or fetches a binary; the sentence says which, and what to use."""
    said = refused(capsys, "--dataset", "skyscript", "--runner", runner)
    assert "is refused" in said and "use local" in said


@pytest.mark.parametrize("mode", FORBIDDEN_MODES)
def test_the_mode_that_loses_elements(mode: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Beam's threads lost samples without a word."""
    said = refused(capsys, "--dataset", "skyscript", f"--direct_running_mode={mode}")
    assert "lost elements" in said

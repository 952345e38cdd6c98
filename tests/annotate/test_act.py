"""The act on a whole build: nothing lost, resumed where it stopped, stopped when too much fails."""

import json
import signal
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import building
from building import arguments, release, tree, work
from catalogs.files import read_json
from catalogs.releases.verify import verify
from chat_server import ChatServer, caption, saying, words
from fault_server import Handler, answer
from small_world import World
from text_recipes import build, rows, started, text_recipe

RECIPE = text_recipe()


def by_prompt(choose: Any) -> Any:
    """A step of the server chosen by the words of the prompt."""

    def serve(handler: Handler) -> None:
        choose(words(json.loads(handler.hit.body)))(handler)

    return serve


def balanced(out: Path) -> dict[str, int]:
    counts: dict[str, int] = read_json(release(out) / "manifest.json")["counts"]
    assert counts["planned"] == counts["shipped"] + counts["rejected"] + counts["failed"]
    return counts


@pytest.fixture(scope="module")
def plain(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A build with template texts; not to be changed."""
    out = tmp_path_factory.mktemp("plain")
    assert build(RECIPE, arguments(world, out)) == 0
    return out


@pytest.fixture(scope="module")
def written(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A build with texts by a service; not to be changed."""
    out, chat = tmp_path_factory.mktemp("written"), ChatServer()
    try:
        assert build(RECIPE, arguments(world, out, "--captioner", chat.url(""))) == 0
    finally:
        chat.close()
    return out


def test_without_a_captioner_templates_ship(plain: Path) -> None:
    found = rows(plain)
    assert len(found) == 82 and all(row["caption"] == row["title"] for row in found)
    assert {(r["annotator"], r["text_source"], r["text_faults"]) for r in found} == {
        ("template", "template", "")
    }
    assert verify(release(plain)) == []


def test_with_one_its_texts_ship(plain: Path, written: Path) -> None:
    found = rows(written)
    assert {row["key"] for row in found} == {row["key"] for row in rows(plain)}
    for row in found:
        tags = json.loads(row["center_tags"])
        key, value = next(iter(tags.items()))
        assert row["caption"].startswith(f"The picture shows {key} {value} on open ground")
        assert (row["annotator"], row["text_source"]) == ("writer-1", "model")
    assert verify(release(written)) == []
    balanced(written)
    card = (release(written) / "README.md").read_text()
    assert "| `annotator` | writer-1 | 82 |" in card


def test_texts_stand_in_the_shards(written: Path) -> None:
    import tarfile

    text = {row["key"]: row["caption"] for row in rows(written)}
    seen = 0
    for path in (release(written) / "data").glob("*.tar"):
        with tarfile.open(path) as tar:
            for info in tar:
                key, _, ext = info.name.partition(".")
                if ext == "txt":
                    assert tar.extractfile(info).read().decode() == text[key]  # type: ignore[union-attr]
                    seen += 1
    assert seen == len(text)


def test_provenance_names_models_and_answers(written: Path) -> None:
    folder = release(written) / "provenance"
    (entry,) = read_json(folder / "models.json")
    assert (entry["column"], entry["model"], entry["samples"]) == ("caption", "writer-1", 82)
    asked = pq.read_table(folder / "requests.parquet").to_pylist()
    assert {row["sample"] for row in asked} == {row["key"] for row in rows(written)}
    shelf = written / "skyscript" / "requests"
    for row in asked:
        kept = read_json(
            shelf / row["request"][:2] / row["request"][2:4] / f"{row['request']}.json"
        )
        assert (kept["sha256"], kept["status"], kept["retrieved"]) == (
            row["sha256"], row["status"], row["retrieved"],
        )  # fmt: skip


def test_the_address_of_the_service_stays_at_home(written: Path) -> None:
    """Where somebody runs a model is nobody's business."""
    for path in release(written).rglob("*"):
        if path.is_file() and path.name != "run.json":
            assert b"127.0.0.1" not in path.read_bytes(), path.name


def test_faults_and_refusals_lose_nothing(
    world: World, chat: ChatServer, plain: Path, tmp_path: Path
) -> None:
    """A third is refused, a third cannot be asked: all ship, and say why."""

    def choose(said: str) -> Any:
        if "water" in said:
            return answer(400, b'{"error": {"message": "no"}}')
        return saying("no") if "forest" in said else saying(caption)

    chat.says(by_prompt(choose))
    assert build(
        RECIPE, arguments(world, tmp_path, "--captioner", chat.url(""), "--error-budget", "1")
    ) == 0  # fmt: skip
    assert balanced(tmp_path) == balanced(plain)
    for row in rows(tmp_path):
        water, forest = "water" in row["main_tag"], "forest" in row["main_tag"]
        wanted = "http_400" if water else "short,subject" if forest else ""
        assert row["text_faults"] == wanted
        assert (row["caption"] == row["title"]) == (water or forest)
    assert verify(release(tmp_path)) == []


def test_drops_are_told(world: World, chat: ChatServer, plain: Path, tmp_path: Path) -> None:
    def choose(said: str) -> Any:
        if "water" in said:
            return answer(400)
        return saying("no") if "forest" in said else saying(caption)

    chat.says(by_prompt(choose))
    argv = arguments(world, tmp_path, "--captioner", chat.url(""), "--error-budget", "1")
    assert build(text_recipe(otherwise="drop"), argv) == 0
    assert {"building"} == {row["main_tag"].partition("=")[0] for row in rows(tmp_path)}
    lost = [row for row in rows(tmp_path, "drops") if row["act"] == "annotate"]
    assert {(r["step"], r["code"], r["outcome"], r["attempts"]) for r in lost} == {
        ("texts.ByModel", "http_400", "failed", 1), ("texts.ByModel", "text_refused", "rejected", 1),
    }  # fmt: skip
    before, now = balanced(plain), balanced(tmp_path)
    assert now["planned"] == before["planned"]
    assert now["shipped"] + len(lost) == before["shipped"]
    funnel = (release(tmp_path) / "README.md").read_text()
    assert "| annotate | `texts.ByModel` | `http_400` | failed |" in funnel
    assert verify(release(tmp_path)) == []


def test_a_dead_service_stops_the_act_and_the_work_is_kept(
    world: World, chat: ChatServer, plain: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Then --retry-failed finishes it, and asks only what was not answered."""
    argv = arguments(world, tmp_path, "--captioner", chat.url(""), "--captioner-timeout", "1")
    chat.says(*[saying(caption)] * 30, answer(503))
    assert build(RECIPE, argv) == 3
    said = capsys.readouterr().err
    assert "more than the error budget of 5.0%: http_503" in said and "--retry-failed" in said
    assert not release(tmp_path).exists()
    chat.says(saying(caption))
    before = len(chat.asked())
    assert build(RECIPE, [*argv, "--retry-failed"]) == 0
    found = rows(tmp_path)
    assert {row["text_source"] for row in found} == {"model"}
    assert len(chat.asked()) - before == len(found) - 30
    assert balanced(tmp_path) == balanced(plain)


def test_a_service_that_is_not_there_is_found_before_any_pixel(
    world: World, chat: ChatServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = chat.url("")
    chat.close()
    argv = arguments(world, tmp_path, "--captioner", url, "--captioner-timeout", "0.2")
    assert build(RECIPE, argv) == 1
    assert "start it, name the model" in capsys.readouterr().err
    assert not work(tmp_path).joinpath("make").exists()


def test_a_finished_act_is_not_done_again(
    world: World, chat: ChatServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--until annotate` and slices, then one run that packs what they have left."""
    argv = arguments(world, tmp_path, "--captioner", chat.url(""))
    assert build(RECIPE, [*argv, "--until", "make"]) == 0
    assert chat.hits == []
    assert build(RECIPE, [*argv, "--until", "annotate", "--slice", "0/3"]) == 0
    first = building.times(work(tmp_path) / "annotate")
    assert len([name for name in first if name.endswith(".json")]) == 4
    assert build(RECIPE, [*argv, "--slice", "1/3"]) == 0
    assert "pack waits for the annotations of 5 blocks of other slices" in capsys.readouterr().err
    assert build(RECIPE, [*argv, "--until", "annotate"]) == 0
    every = building.times(work(tmp_path) / "annotate")
    assert first.items() <= every.items() and len(chat.asked()) == 82
    assert build(RECIPE, argv) == 0
    assert building.times(work(tmp_path) / "annotate") == every
    assert len(chat.asked()) == 82


def test_slices_end_with_the_bytes_of_one_run(
    world: World, chat: ChatServer, written: Path, tmp_path: Path
) -> None:
    argv = arguments(world, tmp_path, "--captioner", chat.url(""))
    assert build(RECIPE, [*argv, "--until", "make"]) == 0
    for number in (2, 0, 1):
        assert build(RECIPE, [*argv, "--until", "annotate", "--slice", f"{number}/3"]) == 0
    assert build(RECIPE, argv) == 0
    assert tree(release(tmp_path), building.PARTS) == tree(release(written), building.PARTS)


def test_other_settings_are_refused(
    world: World, chat: ChatServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Once a text has been asked for; before that, who writes may still be chosen."""
    argv = arguments(world, tmp_path)
    assert build(RECIPE, [*argv, "--until", "make"]) == 0
    with_one = [*argv, "--captioner", chat.url("")]
    assert build(RECIPE, [*with_one, "--until", "annotate"]) == 0
    capsys.readouterr()
    assert build(RECIPE, argv) == 2
    assert "was built with other settings (captioner:" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--requests", "replay"), "--requests: needs --captioner URL"),
        (("--captioner-model", "m"), "--captioner-model: needs --captioner URL"),
        (("--captioner", "http://h/v1?key=1"), "expected an address such as"),
        (("--captioner", "http://h", "--captioner-extra", "[1]"), "expected a JSON object"),
        (
            ("--captioner", "http://h", "--captioner-extra", '{"api_key": "sk-9"}'),
            "looks like a secret",
        ),
        (("--captioner", "http://h", "--captioner-extra", '{"temperature": 0}'), "with --set"),
        (
            (
                "--captioner",
                "http://h",
                "--captioner-extra",
                '{"headers": {"Authorization": "sk-9"}}',
            ),
            "Authorization looks like a secret",
        ),
        (("--captioner", "http://h", "--captioner-extra", '{"model": "x"}'), "--captioner-model"),
        (("--captioner", "http://h", "--captioner-parallel", "0"), "must be above 0"),
        (("--captioner", "/nowhere/model"), "no such folder"),
    ],
)
def test_options_that_cannot_work(
    more: tuple[str, ...], said: str, world: World, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    assert build(RECIPE, arguments(world, tmp_path, *more)) == 2
    told = capsys.readouterr().err
    assert said in told
    assert "key=1" not in told and "sk-9" not in told, "what may be a secret is not repeated"


def test_a_captioner_that_nobody_would_ask(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert building.main(arguments(world, tmp_path, "--captioner", "http://h")) == 2
    assert "has no step that asks one for a text" in capsys.readouterr().err


def test_kill_minus_nine_in_mid_annotate(
    world: World, chat: ChatServer, written: Path, tmp_path: Path
) -> None:
    """Twice; then the bytes of an undisturbed run, and no answer was asked for again."""

    def slowly(handler: Handler) -> None:
        time.sleep(0.03)
        saying(caption)(handler)

    chat.says(slowly)
    argv = arguments(world, tmp_path, "--captioner", chat.url(""))
    done: dict[Path, int] = {}
    for count in (2, 6):
        child = started("text_recipe()", argv)
        limit = time.monotonic() + 300
        folder = work(tmp_path) / "annotate"
        while len(list(folder.glob("*.json"))) < count:
            assert child.poll() is None, child.stderr.read()
            assert time.monotonic() < limit
            time.sleep(0.002)
        child.kill()
        assert child.wait(timeout=20) == -signal.SIGKILL
        assert not release(tmp_path).exists()
        now = {path: path.stat().st_mtime_ns for path in folder.glob("*.json")}
        assert done.items() <= now.items(), "a committed block was annotated again"
        done = now
    assert build(RECIPE, argv) == 0
    assert tree(release(tmp_path), building.PARTS) == tree(release(written), building.PARTS)
    # a process that dies while it sends leaves a request cut
    bodies = [hit.body for hit in chat.asked() if hit.body.endswith(b"}")]
    assert len(set(bodies)) == 82
    assert len(bodies) - 82 <= 2 * 8, "only what was under way at a kill is asked again"
    assert not list(work(tmp_path).rglob("*.part"))


def test_kill_between_table_and_record(
    world: World, chat: ChatServer, written: Path, tmp_path: Path
) -> None:
    argv = arguments(world, tmp_path, "--captioner", chat.url(""))
    child = started("text_recipe()", argv, {"EARTHLOOM_FAIL_POINT": "before-annotated"})
    assert child.wait(timeout=300) == -signal.SIGKILL
    folder = work(tmp_path) / "annotate"
    assert list(folder.glob("*.parquet")) and not list(folder.glob("*.json"))
    assert build(RECIPE, argv) == 0
    assert tree(release(tmp_path), building.PARTS) == tree(release(written), building.PARTS)


def test_an_altered_table_is_not_packed(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = arguments(world, tmp_path)
    assert build(RECIPE, [*argv, "--until", "annotate"]) == 0
    path = sorted((work(tmp_path) / "annotate").glob("*.parquet"))[0]
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert build(RECIPE, argv) == 1
    assert "is not what was written; run again" in capsys.readouterr().err
    assert build(RECIPE, argv) == 0


def test_a_recipe_without_annotate_steps_costs_nothing(world: World, tmp_path: Path) -> None:
    assert building.main(arguments(world, tmp_path, "--until", "annotate")) == 0
    assert not (work(tmp_path) / "annotate").exists()

"""Shards: who ships, where it goes, and that how blocks were cut leaves no trace in them."""

import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from building import release, work
from catalogs.files import read_json
from pipelines.datasets import skyscript
from schemas.recipes import active
from schemas.samples import KEY
from schemas.tables import flat, json_schema
from transforms.encode import Json
from transforms.packing import (
    KEPT,
    UNMADE,
    Payloads,
    Shard,
    Survey,
    assign,
    build_shard,
    header,
    top_share,
)

RECIPE = active(skyscript.RECIPE)
"""As it is built where no model is named."""

SCORES = st.lists(
    st.one_of(st.sampled_from([0.0, 0.5, 1.0, float("nan")]), st.floats(-1, 1)), max_size=60
)


@given(scores=SCORES, share=st.floats(0.01, 1), data=st.data())
def test_top_share_is_exact(scores: list[float], share: float, data: st.DataObject) -> None:
    keys = [f"w{i:02d}" for i in data.draw(st.permutations(range(len(scores))))]
    keep = top_share(np.array(scores, float), keys, share)
    scored = [i for i, s in enumerate(scores) if s == s]
    most = int(np.ceil(share * len(scored) - 1e-9))
    assert keep.sum() == most
    expected = sorted(scored, key=lambda i: (-scores[i], keys[i]))[:most]
    assert set(np.flatnonzero(keep)) == set(expected)


@given(scores=SCORES, a=st.floats(0.01, 1), b=st.floats(0.01, 1))
def test_top_shares_are_nested(scores: list[float], a: float, b: float) -> None:
    keys = [f"w{i:02d}" for i in range(len(scores))]
    small, large = (top_share(np.array(scores, float), keys, s) for s in sorted((a, b)))
    assert not (small & ~large).any()


def test_half_of_a_tie_is_half() -> None:
    keep = top_share(np.full(10, 0.3), [f"w{i}" for i in range(10)][::-1], 0.5)
    assert keep.tolist() == [False] * 5 + [True] * 5, "ties go to the lower key"


@given(
    sizes=st.lists(st.integers(0, 3_000_000), min_size=1, max_size=300),
    most=st.integers(1, 50), megabytes=st.integers(1, 64), data=st.data(),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_shards_of_a_split_are_equal(
    sizes: list[int], most: int, megabytes: int, data: st.DataObject
) -> None:
    count = len(sizes)
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    found = Survey(
        [], np.array([0, count]), rng.integers(0, 1 << 60, count).astype(np.uint64),
        rng.integers(0, 3, count).astype(np.int8), np.array(sizes, np.int32),
        rng.choice([KEPT, KEPT, KEPT, UNMADE, 1], count).astype(np.uint8),
    )  # fmt: skip
    shards, shard_of, place = assign(found, most, megabytes)
    kept = found.verdict == KEPT
    assert ((shard_of >= 0) == kept).all()
    for split, name in enumerate(("train", "val", "test")):
        own = [s for s in shards if s.split == name]
        counts = [s.samples for s in own]
        assert sum(counts) == (kept & (found.split == split)).sum()
        assert not counts or max(counts) - min(counts) <= 1
        assert all(c <= most for c in counts)
        assert [s.name for s in own] == [f"{name}-{i:06d}" for i in range(len(own))]
    for shard in shards:
        rows = np.flatnonzero(shard_of == shard.number)
        assert sorted(place[rows]) == list(range(shard.samples))
        assert (found.split[rows] == ("train", "val", "test").index(shard.split)).all()
        assert len(rows) == 1 or sum(sizes[r] for r in rows) <= megabytes << 20
    order = sorted(np.flatnonzero(kept), key=lambda r: (shard_of[r], place[r]))
    assert order == sorted(order, key=lambda r: (found.split[r], found.order[r], r))


def test_tars_hold_what_the_table_says(built: Any) -> None:
    rows = pq.read_table(release(built.out) / "metadata" / "samples.parquet").to_pylist()
    members = list(RECIPE.pack.members)
    seen = 0
    for path in sorted((release(built.out) / "data").glob("*.tar")):
        data = path.read_bytes()
        with tarfile.open(path) as tar:
            infos = tar.getmembers()
        own = sorted((r for r in rows if r["shard"] == path.name), key=lambda r: r["index"])
        assert [i.name for i in infos] == [f"{r['key']}.{m}" for r in own for m in members]
        assert {(i.mtime, i.mode, i.uid, i.gid, i.uname) for i in infos} == {(0, 0o644, 0, 0, "")}
        for row, info in zip(own, infos[0 :: len(members)], strict=True):
            offset, size = row["rgb_jpg_offset"], row["rgb_jpg_size"]
            assert (offset, size) == (info.offset_data, info.size)
            assert data[offset : offset + 3] == b"\xff\xd8\xff"
        seen += len(own)
    assert seen == len(rows) == 82


def test_near_duplicates_leave_the_larger_split(monkeypatch: pytest.MonkeyPatch) -> None:
    import pyarrow as pa

    from transforms.packing import choose

    # train/val, train/test, val/test alike and near; a far one and an unlike one stay
    splits = [0, 1, 0, 2, 1, 2, 0, 0]
    hashes = ["ff00ff00ff00ff00", "ff00ff00ff00ff0f", "1234123412341234", "1234123412341235",
              "00ff0f0f0f0f0f0f", "00ff0f0f0f0f0f0f", "1234123412341234", "aaaaaaaaaaaaaaaa"]  # fmt: skip
    lon = [9.0, 9.1, 9.0, 9.1, 9.0, 9.1, 12.0, 9.0]
    found = Survey([], np.array([0, 8]), np.arange(8).astype(np.uint64), np.array(splits, np.int8),
                   np.ones(8, np.int32), np.full(8, KEPT, np.uint8))  # fmt: skip
    table = pa.table({"phash": hashes, "centre_lon": lon, "centre_lat": [47.0] * 8})
    monkeypatch.setattr(choose, "_columns", lambda found, names: table.select(names))
    choose._near_duplicates(found, RECIPE)
    assert np.flatnonzero(found.verdict).tolist() == [0, 2, 4], "train goes, else val; test stays"
    assert found.reasons[0][0] == "near_duplicate"


@pytest.mark.parametrize("key", ["a.b", "a/b", "A", "", "ä", "a b", "x" * 101, "a\n"])
def test_fault_61_bad_keys_are_no_keys(key: str) -> None:
    assert not KEY.fullmatch(key)


@pytest.mark.parametrize("spoil", ["w1.x", "W1", "w1/2", "twice"])
def test_fault_61_keys_stop_the_writer(spoil: str, built: Any, tmp_path: Path) -> None:
    """A shard of two planned rows whose key has been spoilt."""
    from pipelines.job import scenes_of
    from transforms.packing import gather

    number = 0
    table = gather(work(built.out) / "pack" / "scatter", number).slice(0, 2)
    keys = table["key"].to_pylist()
    keys[1] = keys[0] if spoil == "twice" else spoil
    table = table.set_column(table.column_names.index("key"), "key", [keys])
    scenes = scenes_of(work(built.out) / "plan" / "scenes.jsonl")
    shard = Shard(number, "train", "train-000000", 2)
    payloads = Payloads(work(built.out) / "make")
    tar = tmp_path / "x.tar"
    with pytest.raises(ValueError, match="stands twice"):
        build_shard(table, shard, RECIPE, scenes, payloads, tar)
    payloads.close()
    assert not list(tmp_path.iterdir()), "no half a shard is left"


KINDS: dict[str, tuple[Any, ...]] = {
    "string": ("", "x"), "int64": (-1, 7), "float64": (-1.0, 0.5), "bool": (False, True),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("unknown", [None, float("nan")])
def test_fault_60_json_values_keep_their_type(kind: str, unknown: Any) -> None:
    empty, known = KINDS[kind]
    assert flat(unknown, kind) == empty and type(flat(unknown, kind)) is type(empty)
    assert flat(known, kind) == known and type(flat(known, kind)) is type(known)


def test_fault_60_one_flat_schema_for_every_sample(built: Any) -> None:
    schema = json_schema(RECIPE)
    types = {"string": str, "int64": int, "float64": float, "bool": bool}
    count = 0
    for path in (release(built.out) / "data").glob("*.tar"):
        with tarfile.open(path) as tar:
            for info in tar:
                if info.name.endswith(".json"):
                    row = json.loads(tar.extractfile(info).read())  # type: ignore[union-attr]
                    assert list(row) == list(schema)
                    assert all(type(row[n]) is types[k] for n, k in schema.items())
                    count += 1
    assert count == 82


def test_fault_60_drift_is_an_error_not_a_file() -> None:
    schema = {"key": "string", "year": "int64", "scene_ids": "string"}
    good = {"key": "w1", "year": 2020, "scene_ids": ["c/a", "c/b"], "extra": [1]}
    assert json.loads(Json().render(good, schema)) == {
        "key": "w1", "year": 2020, "scene_ids": "c/a,c/b",
    }  # fmt: skip
    assert json.loads(Json().render({**good, "scene_ids": []}, schema))["scene_ids"] == ""
    for bad in ({"year": "soon"}, {"year": [1]}):
        with pytest.raises((ValueError, TypeError)):
            Json().render({**good, **bad}, schema)
    with pytest.raises(KeyError):
        Json().render({"key": "w1", "scene_ids": []}, schema)
    with pytest.raises(ValueError, match="Out of range"):
        Json().render({**good, "x": float("inf")}, {**schema, "x": "float64"})


def test_fault_60_groups_repeat_the_flat_facts() -> None:
    schema = {"key": "string", "year": "int64"}
    groups = {"about": {"id": "key"}, "notes": [{"n": 3, "text": "key", "when": "year"}]}
    found = json.loads(Json(groups=groups).render({"key": "w1", "year": None}, schema))
    assert found == {
        "key": "w1", "year": -1, "about": {"id": "w1"}, "notes": [{"n": 3, "text": "w1", "when": -1}],
    }  # fmt: skip
    with pytest.raises(KeyError):
        Json(groups={"about": {"id": "nobody"}}).render({"key": "w1", "year": 1}, schema)


def test_headers_are_plain_ustar() -> None:
    block = header("w1.rgb.jpg", 513)
    assert len(block) == 512 and block[257:265] == b"ustar\x0000"
    assert tarfile.TarInfo.frombuf(block, "utf-8", "strict").size == 513
    assert header("w1.rgb.jpg", 513) == block
    assert tarfile.TarInfo.frombuf(block, "utf-8", "strict").mtime == 0


def test_payloads_do_not_read_past_the_end(tmp_path: Path) -> None:
    (tmp_path / "b.bin").write_bytes(b"12345")
    payloads = Payloads(tmp_path)
    assert payloads.read("b", 1, 3) == b"234"
    with pytest.raises(OSError, match="2 of 9 bytes"):
        payloads.read("b", 3, 9)
    payloads.close()


def test_the_record_of_packing_adds_up(built: Any) -> None:
    packed = read_json(work(built.out) / "pack" / "pack.json")
    assert sum(packed["splits"].values()) == sum(s["samples"] for s in packed["shards"]) == 82

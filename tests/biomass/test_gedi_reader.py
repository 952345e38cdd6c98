"""Granules read: what they are, which shots lie where, joined by number, and what is refused."""

import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given as drawn
from hypothesis import settings
from hypothesis import strategies as st

from catalogs.sources import about as about_module
from catalogs.sources.gedi import GediError, look, open_shots
from catalogs.sources.gedi import granules as granule_module
from catalogs.sources.terms import Override
from granules import BEAMS, L2A_NAME, L4A_NAME, l2a, l4a, line, shot_numbers
from schemas.errors import SourceError, UsageError


def read(location: Path, columns: tuple[str, ...] = (), bounds: Any = None) -> pa.Table:
    """All shots of a location."""
    tables = list(open_shots(location).shots(bounds, columns))
    return pa.concat_tables(tables)


def test_all_beams_with_what_their_shots_have(tmp_path: Path) -> None:
    """Numbers exact, types of the facts, beams in order, times from 2018-01-01."""
    given = {
        b: {**line(5, lat=10.0 + i), "delta_time": np.full(5, 86_400.25)}
        for i, b in enumerate(BEAMS[1:])
    }
    found = read(l4a(tmp_path / L4A_NAME, given), ("agbd", "l4_quality_flag", "urban_proportion"))
    expected = np.concatenate([shot_numbers(b, 5) for b in BEAMS[1:]])
    assert found["shot_number"].type == pa.uint64()
    assert found["shot_number"].to_pylist() == expected.tolist()
    assert found["beam"].unique().to_pylist() == list(BEAMS[1:])
    assert set(found["beam_type"].to_pylist()) == {"coverage", "full"}
    assert found["sensed"][0].as_py().isoformat() == "2018-01-02T00:00:00.250000+00:00"
    assert found["agbd"].type == pa.float64()
    assert found["l4_quality_flag"].type == pa.int64()
    assert found["lat"].to_numpy()[:5].tolist() == given["BEAM0001"]["lat"].tolist()
    assert found["track"].unique().to_pylist() == [1234]
    granule = look(tmp_path / L4A_NAME)
    assert granule.missing == ("BEAM0000",)
    assert (granule.orbit, granule.sub_granule) == (9168, 3)
    notes = open_shots(tmp_path / L4A_NAME).about.notes
    assert notes == (f"1 of 8 GEDI beams are absent, e.g. BEAM0000 of {L4A_NAME}",)


def test_fill_values_are_no_values(tmp_path: Path) -> None:
    """`_FillValue` where it is stated, else -9999 of floats and 255 of bytes."""
    path = l4a(
        tmp_path / L4A_NAME,
        {
            "BEAM0101": {
                **line(4),
                "agbd": [1, -9999, 3, -1],
                "pft_class": [255, 1, 2, 3],
                "agbd_se": [-9999, -7, np.nan, 1],
            }
        },
    )
    with h5py.File(path, "a") as file:
        del file["BEAM0101/agbd"].attrs["_FillValue"]
        file["BEAM0101/agbd_se"].attrs["_FillValue"] = np.float32(-7)
    found = read(path, ("agbd", "pft_class", "agbd_se"))
    assert found["agbd"].to_pylist() == [1, None, 3, -1]
    assert found["pft_class"].to_pylist() == [None, 1, 2, 3]
    assert found["agbd_se"].to_pylist() == [-9999, None, None, 1]


def test_release_003(tmp_path: Path) -> None:
    """Acceptance check 4: renamed flags are read under one name."""
    name = L4A_NAME.replace("V002", "V003")
    path = l4a(tmp_path / name, {"BEAM0101": {**line(3), "l4_quality_flag": [1, 0, 1]}}, version=3)
    found = read(path, ("l4_quality_flag", "degrade_include_flag"))
    assert found["version"].unique().to_pylist() == ["V3"]
    assert found["l4_quality_flag"].to_pylist() == [1, 0, 1]
    assert found["degrade_include_flag"].to_pylist() == [1, 1, 1]


def test_a_version_that_nobody_knows(tmp_path: Path) -> None:
    """Acceptance check 4: the error names the missing datasets."""
    path = l4a(tmp_path / L4A_NAME, {"BEAM0101": line(3)})
    with h5py.File(path, "a") as file:
        file.move("BEAM0101/l4_quality_flag", "BEAM0101/l4_quality_flag_rel4")
    with pytest.raises(
        GediError, match=r"neither l4a_quality_flag_rel3 .* nor l4_quality_flag"
    ) as caught:
        open_shots(path)
    assert caught.value.code == "gedi:unknown_version"
    shutil.copy(path, tmp_path / "other.h5")
    with pytest.raises(GediError, match=r"not known"):
        open_shots(tmp_path)


def test_a_granule_that_joins_nothing_is_told(tmp_path: Path) -> None:
    """Another orbit, or release 001, whose numbers have no part."""
    l4a(tmp_path / L4A_NAME, {b: line(2) for b in BEAMS})
    l2a(tmp_path / L2A_NAME, {b: line(2) for b in BEAMS})
    assert open_shots(tmp_path).about.notes == ()
    with h5py.File(tmp_path / L2A_NAME, "a") as file:
        for beam in BEAMS:
            del file[f"{beam}/digital_elevation_model_srtm"]
    assert open_shots(tmp_path).about.notes == (
        f"1 granule joined to nothing, e.g. {L2A_NAME}: no L4A of orbit 9168, part 0 is there "
        "(release 001 numbers no parts)",
        f"{L2A_NAME}: its name says version 002, its datasets are those of V1, which count",
    )
    source = open_shots(tmp_path)
    assert pa.concat_tables(source.shots(None, ("rh98",)))["rh98"].null_count == 16


@drawn(
    st.lists(st.integers(0, 30), min_size=1, max_size=20), st.permutations(range(20)),
    st.integers(1, 20),
)  # fmt: skip
@settings(max_examples=40, deadline=None)
def test_shots_are_joined_by_number_in_whatever_order(
    tmp_path_factory: pytest.TempPathFactory, above: list[int], below: list[int], there: int
) -> None:
    """Doubles count once, the first of them; heights come from the shot of the same number."""
    folder = tmp_path_factory.mktemp("order")
    first = int(shot_numbers("BEAM0101", 1)[0])
    below = below[:there]
    l4a(folder / L4A_NAME, {"BEAM0101": {
        **line(len(above)), "shot_number": [first + n for n in above],
        "agbd": np.arange(len(above))}})  # fmt: skip
    l2a(folder / L2A_NAME, {"BEAM0101": {
        **line(len(below)), "shot_number": [first + n for n in below],
        "rh98": [float(n) for n in below]}})  # fmt: skip
    twice: list[int] = []
    found = pa.concat_tables(open_shots(folder).shots(
        None, ("agbd", "rh98"), lambda shots, code, *_: twice.extend(shots.tolist())
    )).to_pylist()  # fmt: skip
    kept = list(dict.fromkeys(above))
    assert [row["shot_number"] - first for row in found] == kept
    assert [row["agbd"] for row in found] == [above.index(n) for n in kept]
    assert [row["rh98"] for row in found] == [float(n) if n in below else None for n in kept]
    assert len(twice) == len(above) - len(kept)


def test_a_name_that_tells_another_version(tmp_path: Path) -> None:
    path = l4a(tmp_path / L4A_NAME.replace("V002", "V003"), {b: line(2) for b in BEAMS})
    assert open_shots(path).about.notes == (
        f"{path.name}: its name says version 003, its datasets are those of V2, which count",
    )


@pytest.mark.parametrize(
    ("dataset", "told"),
    [
        ("rxwaveform", "is GEDI L1B .*wants L4A or L2A"),
        ("anything", "no GEDI product that is read here"),
    ],
)
def test_other_products(tmp_path: Path, dataset: str, told: str) -> None:
    path = tmp_path / "GEDI01_B.h5"
    with h5py.File(path, "w") as file:
        file[f"BEAM0000/{dataset}"] = np.zeros(4)
    with pytest.raises(GediError, match=told) as caught:
        open_shots(path)
    assert caught.value.code == "gedi:other_product"


def test_no_granule_at_all(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"] = 1
    with pytest.raises(GediError, match="no GEDI granule"):
        open_shots(tmp_path / "a.h5")
    (tmp_path / "b.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + b"\0" * 40)
    with pytest.raises(GediError, match="cut short"):
        open_shots(tmp_path / "b.h5")
    with pytest.raises(SourceError, match="none of 2 files can be used"):
        open_shots(tmp_path)
    (tmp_path / "none").mkdir()
    with pytest.raises(SourceError, match="no GEDI granule"):
        open_shots(tmp_path / "none")
    with pytest.raises(UsageError, match="no such file"):
        open_shots(tmp_path / "gone")


def _external(file: Any, elsewhere: Path) -> None:
    file["BEAM0101/agbd"] = h5py.ExternalLink(str(elsewhere), "/BEAM0101/agbd")


def _soft_out(file: Any, elsewhere: Path) -> None:
    file["door"] = h5py.ExternalLink(str(elsewhere), "/")
    file["BEAM0101/agbd"] = h5py.SoftLink("/door/BEAM0101/agbd")


def _loop(file: Any, elsewhere: Path) -> None:
    file["BEAM0101/agbd"] = h5py.SoftLink("/BEAM0101/agbd")


def _virtual(file: Any, elsewhere: Path) -> None:
    layout = h5py.VirtualLayout((6,), np.float32)
    layout[:] = h5py.VirtualSource(str(elsewhere), "BEAM0101/agbd", (6,))
    file.create_virtual_dataset("BEAM0101/agbd", layout)


def _elsewhere(file: Any, elsewhere: Path) -> None:
    file.create_dataset("BEAM0101/agbd", (6,), np.float32, external=[(str(elsewhere), 0, 24)])


def _filter(file: Any, elsewhere: Path) -> None:
    file.create_dataset("BEAM0101/agbd", (6,), np.float32, chunks=(6,), compression="lzf")


def _huge(file: Any, elsewhere: Path) -> None:
    file.create_dataset(
        "BEAM0101/agbd", (1 << 30,), np.float32, chunks=(1 << 28,), compression="gzip"
    )


def _text(file: Any, elsewhere: Path) -> None:
    file.create_dataset("BEAM0101/agbd", data=[b"a"] * 6)


def _short(file: Any, elsewhere: Path) -> None:
    file["BEAM0101/agbd"] = np.zeros(5, np.float32)


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (_external, "external_link"), (_soft_out, "external_link"), (_loop, "link_loop"),
        (_virtual, "virtual_dataset"), (_elsewhere, "external_storage"), (_filter, "user_filter"),
        (_huge, "chunk_too_large"), (_text, "not_numbers"), (_short, "wrong_shape"),
    ],
    ids=lambda v: v if isinstance(v, str) else "",
)  # fmt: skip
def test_what_lies_elsewhere_is_not_read(tmp_path: Path, spoil: Any, code: str) -> None:
    """FAULTS 59: links and layers out of the file, foreign filters, wrong types and shapes."""
    secret = l4a(tmp_path / "secret" / "private.h5", {"BEAM0101": {**line(6), "agbd": 77.0}})
    path = l4a(tmp_path / "in" / L4A_NAME, {"BEAM0101": line(6)})
    with h5py.File(path, "a") as file:
        del file["BEAM0101/agbd"]
        spoil(file, secret)
    with pytest.raises(GediError) as caught:
        read(path, ("agbd",))
    assert caught.value.code == f"gedi:{code}"
    assert "door" in str(caught.value) or "BEAM0101/agbd" in str(caught.value)


def test_a_link_within_the_file_is_followed(tmp_path: Path) -> None:
    path = l4a(tmp_path / L4A_NAME, {"BEAM0101": {**line(3), "agbd": [1, 2, 3]}})
    with h5py.File(path, "a") as file:
        file.move("BEAM0101/agbd", "kept")
        file["BEAM0101/agbd"] = h5py.SoftLink("/kept")
    assert read(path, ("agbd",))["agbd"].to_pylist() == [1, 2, 3]


def test_one_bad_granule_of_several_is_told(tmp_path: Path) -> None:
    """The rest is used; the bad one is kept by name and reason for a row of losses."""
    l4a(tmp_path / L4A_NAME, {"BEAM0101": line(3)})
    path = l4a(tmp_path / "bad.h5", {"BEAM0101": line(3)})
    with h5py.File(path, "a") as file:
        del file["BEAM0101/delta_time"]
    source = open_shots(tmp_path)
    assert [(name, code) for name, code, _ in source.broken] == [("bad.h5", "gedi:dataset_missing")]
    assert "BEAM0101 has no dataset delta_time" in source.broken[0][2]
    assert any("unusable" in note for note in source.about.notes)


def test_a_sum_that_is_known_is_not_worked_out_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Granules are gigabytes: workers are told the sum of the process that began the build."""
    l4a(tmp_path / "a" / L4A_NAME, {"BEAM0101": line(3)})
    other = l4a(tmp_path / "b" / L4A_NAME.replace("O09168", "O09169"), {"BEAM0101": line(3)})
    first = open_shots(tmp_path).about
    monkeypatch.setattr(about_module, "sha256", lambda path: pytest.fail(f"{path} was read"))
    again = open_shots(tmp_path, Override(checksum=first.checksum)).about
    assert again == first and first.size > 0
    monkeypatch.undo()
    other.rename(tmp_path / "a" / other.name)
    assert open_shots(tmp_path).about.checksum != first.checksum


def test_spoilt_bytes_are_one_sentence(tmp_path: Path) -> None:
    """A file that is cut or has wrong bytes anywhere is read, or refused with a reason; nothing else."""
    whole = l4a(tmp_path / L4A_NAME, {b: line(50) for b in ("BEAM0101", "BEAM0110")}).read_bytes()
    rng = np.random.default_rng(8)
    path, codes = tmp_path / "spoilt.h5", set()
    for number in range(90):
        data = bytearray(whole)
        if number % 3 == 0:
            del data[rng.integers(len(data)) :]
        for place in rng.integers(len(data), size=5 * (number % 3)):
            data[place] = rng.integers(256)
        path.write_bytes(data)
        try:
            read(path, ("agbd", "pft_class"))
        except GediError as error:
            codes.add(error.code)
            assert "spoilt.h5" in str(error)
    assert "gedi:unreadable" in codes


def test_shot_numbers_as_floats_are_refused(tmp_path: Path) -> None:
    path = l4a(tmp_path / L4A_NAME, {"BEAM0101": line(3)})
    with h5py.File(path, "a") as file:
        del file["BEAM0101/shot_number"]
        file["BEAM0101/shot_number"] = np.zeros(3)
    with pytest.raises(GediError, match="loses digits"):
        open_shots(path)


def test_an_area_reads_only_the_rows_that_matter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same shots as a filter of all; no value outside the stretches around them is touched."""
    count = 50_000
    path = l4a(
        tmp_path / L4A_NAME, {"BEAM0101": {**line(count, lat=20), "agbd": np.arange(count) % 450}}
    )
    touched: list[int] = []
    real = granule_module.taken

    def counted(file: Any, dataset: Any, rows: Any, column: Any = None) -> Any:
        if dataset.name.endswith("agbd"):
            touched.append(len(rows))
        return real(file, dataset, rows, column)

    monkeypatch.setattr(granule_module, "taken", counted)
    everything = read(path, ("agbd",))
    touched.clear()
    bounds = (12.4, 20.4, 12.5, 20.5)
    some = read(path, ("agbd",), bounds)
    lon, lat = everything["lon"].to_numpy(), everything["lat"].to_numpy()
    keep = (lon >= 12.4) & (lon <= 12.5) & (lat >= 20.4) & (lat <= 20.5)
    assert some.equals(everything.filter(pa.array(keep)))
    assert 200 < len(some) < 300
    assert touched == [len(some)]


def test_an_area_across_the_antimeridian(tmp_path: Path) -> None:
    lon = np.array([179.95, 179.999, -179.999, -179.9, 0.0])
    path = l4a(tmp_path / L4A_NAME, {"BEAM0101": {"lon": lon, "lat": np.full(5, -17.0)}})
    assert read(path, (), (179.99, -18, -179.95, -16))["lon"].to_pylist() == [179.999, -179.999]


def test_heights_are_joined_by_number(tmp_path: Path) -> None:
    """Another order, shots that only one product has, and a second granule that fills what is missing."""
    numbers = shot_numbers("BEAM0101", 6)
    l4a(tmp_path / L4A_NAME, {"BEAM0101": line(6), "BEAM0110": line(2)})
    mixed = numbers[[4, 2, 0, 1]]
    l2a(
        tmp_path / L2A_NAME, {"BEAM0101": {**line(4), "shot_number": mixed, "rh98": [4, 2, 0.5, 1]}}
    )
    second = {**line(2), "shot_number": numbers[[2, 5]], "rh98": [99, 5]}
    l2a(tmp_path / L2A_NAME.replace("_01_V", "_00_V"), {"BEAM0101": second})
    found = read(tmp_path, ("rh98", "rh50", "agbd"))
    assert found["shot_number"].to_pylist()[:6] == numbers.tolist()
    assert found["rh98"].to_pylist() == [0.5, 1, 2, None, 4, 5, None, None]
    assert found["rh50"].null_count == 3
    assert len(found) == 8
    assert open_shots(tmp_path).product == "L4A"


def test_a_later_production_comes_first(tmp_path: Path) -> None:
    """Two granules of the same shots: the newer one's values, the rest counted."""
    l4a(tmp_path / L4A_NAME, {"BEAM0101": {**line(4), "agbd": 1.0}})
    l4a(tmp_path / L4A_NAME.replace("_02_V002", "_03_V002"), {"BEAM0101": {**line(3), "agbd": 2.0}})
    lost: list[tuple[list[int], str]] = []

    def on_drop(shots: Any, code: str, message: str, lon: Any, lat: Any) -> None:
        lost.append((shots.tolist(), code))

    tables = list(open_shots(tmp_path).shots(None, ("agbd",), on_drop))
    found = pa.concat_tables(tables)
    assert sorted(found["agbd"].to_pylist()) == [1, 2, 2, 2]
    assert found["shot_number"].to_pylist() == shot_numbers("BEAM0101", 4).tolist()
    assert lost == [(shot_numbers("BEAM0101", 3).tolist(), "duplicate_shot")]


def test_shots_without_a_place_are_counted(tmp_path: Path) -> None:
    path = l4a(
        tmp_path / L4A_NAME, {"BEAM0101": {"lon": [1, -9999, np.nan, 4], "lat": [1, 1, 1, 95.0]}}
    )
    lost: list[tuple[int, str]] = []
    found = pa.concat_tables(
        open_shots(path).shots(None, (), lambda shots, code, *_: lost.append((len(shots), code)))
    )
    assert found["lon"].to_pylist() == [1]
    assert lost == [(3, "gedi:no_place")]


def test_small_pieces_give_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is held at once changes nothing."""
    l4a(tmp_path / L4A_NAME, {b: {**line(100), "agbd": np.arange(100)} for b in BEAMS})
    l2a(tmp_path / L2A_NAME, {b: {**line(100), "rh98": np.arange(100)} for b in BEAMS})
    whole = read(tmp_path, ("agbd", "rh98"))
    monkeypatch.setattr(granule_module, "PIECE", 7)
    assert read(tmp_path, ("agbd", "rh98")).equals(whole)
    assert whole["rh98"].to_pylist() == whole["agbd"].to_pylist()


def test_terms(tmp_path: Path) -> None:
    """Real granules: open, cited by DOI. What a file declares stands; an unknown licence is refused."""
    path = l4a(tmp_path / L4A_NAME, {"BEAM0101": line(3)})
    about = open_shots(path).about
    assert about.licence == "LicenseRef-LPDAAC"
    assert "10.3334/ORNLDAAC/2056" in about.attribution
    assert about.datetime == "2020-07-31"
    assert len(about.checksum) == 64
    with pytest.raises(SourceError, match=r"shots.*unknown licence.*--license shots"):
        open_shots(path, Override(licence="WTF"))
    with h5py.File(path, "a") as file:
        file.attrs["license"], file.attrs["attribution"] = "CC0-1.0", "Generated"
    about = open_shots(path).about
    assert (about.licence, about.attribution) == ("CC0-1.0", "Generated")
    with pytest.raises(UsageError, match="already declares"):
        open_shots(path, Override(licence="CC-BY-4.0"))

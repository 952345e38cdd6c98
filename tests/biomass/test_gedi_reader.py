"""Granules read: what they are, and which shots lie where."""

import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
import pytest

from catalogs.sources.gedi import GediError, look, open_shots
from catalogs.sources.gedi import granules as granule_module
from catalogs.sources.terms import Override
from granules import BEAMS, L2A_NAME, L4A_NAME, l2a, l4a, line, read, shot_numbers
from schemas.errors import SourceError, UsageError


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

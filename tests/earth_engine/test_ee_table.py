"""The table of collections."""

import pytest

from schemas.earth_engine import TABLE, band_names, collection
from schemas.licences import licence
from schemas.skyscript_names import COLLECTIONS, REMAPPED


def test_the_ten_collections_of_skyscript() -> None:
    assert list(TABLE) == ["CH", "ES", "DE", "FI", "US", "P3", "P5", "S2", "L8", "L9"]
    assert set(TABLE) == set(COLLECTIONS)
    assert not {entry.id for entry in TABLE.values()} & set(REMAPPED)


@pytest.mark.parametrize("alias", TABLE)
def test_an_entry_is_complete(alias: str) -> None:
    entry = TABLE[alias]
    assert licence(entry.licence, "imagery").redistribute
    assert entry.attribution
    assert entry.gsd > 0
    assert entry.display is not None
    assert entry.display[0] < entry.display[1]
    assert entry.first is not None
    assert entry.last is None or entry.first < entry.last
    colours = [common for _, common in entry.bands]
    assert {"red", "green", "blue"} <= set(colours)
    assert len(set(colours)) == len(colours)


def test_names_of_collections() -> None:
    assert collection("s2")[0] is TABLE["S2"]
    assert collection("COPERNICUS/S2_SR_HARMONIZED") == (TABLE["S2"], "")
    other, note = collection("NASA/HLS/HLSS30/v002")
    assert (other.id, other.licence, other.bands, note) == ("NASA/HLS/HLSS30/v002", "", (), "")


def test_the_dead_id_leads_to_the_living_one() -> None:
    for name in ("CH", "ORTHO/Switzerland/SWISSIMAGE/10cm"):
        found, note = collection(name)
        assert found.id == "Switzerland/SWISSIMAGE/orthos/10cm"
        assert "ORTHO/Switzerland/SWISSIMAGE/10cm is no longer available" in note
    assert collection("Switzerland/SWISSIMAGE/orthos/10cm")[1] == ""


def test_only_brandenburg_may_be_one_image() -> None:
    assert [a for a, entry in TABLE.items() if "IMAGE" in entry.kinds] == ["DE"]


@pytest.mark.parametrize(
    ("image", "ids", "colours"),
    [
        ("m_1", ["R", "G", "B", "N"], ["red", "green", "blue", "nir"]),
        ("n_1", ["R", "G", "B"], ["red", "green", "blue"]),
        ("c_1", ["N", "R", "G"], ["nir", "red", "green"]),
        ("c_1", ["R", "G", "N"], ["red", "green", "nir"]),
        ("c_1", ["R", "G", "B"], ["nir", "red", "green"]),
        ("c_1", ["b1", "b2", "b3"], ["nir", "red", "green"]),
        ("x_1", ["R", "G", "B"], ["red", "green", "blue"]),
    ],
)
def test_naip_colours(image: str, ids: list[str], colours: list[str]) -> None:
    assert band_names(TABLE["US"], image, ids) == colours


def test_bands_of_no_use_bear_no_name() -> None:
    assert band_names(TABLE["S2"], "x", ["B4", "TCI_R", "SCL"]) == ["red", "", "scl"]
    assert band_names(collection("a/b")[0], "x", ["Elevation"]) == ["elevation"]

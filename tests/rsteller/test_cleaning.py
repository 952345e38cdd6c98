"""Check 5: which keys say something of a place."""

from pathlib import Path

import pytest

from schemas.errors import UsageError
from schemas.tag_families import load

DROPPED = """tiger:cfcc tiger:reviewed tiger:name_base TIGER:tlid massgis:geom_id massgis:OBJECTID
nysgissam:nysaddresspointid NYSGIS:x gnis:feature_id gnis:id gnis:created gnis:edited
gnis:reviewed gnis:import_uuid addr:flats ref ref:US reference FMMP_class FMMP_modified created_by
source source:geometry name:de name:etymology:wikidata wikidata wikipedia brand:wikidata
operator:wikipedia contact:address is_in:postcode addr:postcode addr:housenumber contact:phone phone
website contact:website NHD:FCode NHD:ComID nhd:com_id NHD:ReachCode""".split()  # noqa: SIM905
"""At least two of every family."""

KEPT = """name tiger:county tiger:separated NHD:FType nhd:ftype gnis:county_name highway landuse
operator voltage alt_name surface building:levels preferred emergency""".split()  # noqa: SIM905


@pytest.mark.parametrize("key", DROPPED)
def test_5_dropped(key: str) -> None:
    """By the whole key, in any case."""
    assert load().dropped(key)


@pytest.mark.parametrize("key", KEPT)
def test_5_kept(key: str) -> None:
    """The name, the exceptions, and what only looks alike."""
    assert not load().dropped(key)


def test_5_cleaning_sorts_and_leaves_values_alone() -> None:
    """So that the same tags give the same text."""
    tags = {"surface": "asphalt", "ref": "I 70", "name": "Elm Street", "highway": "residential"}
    assert list(load().cleaned(tags).items()) == [
        ("highway", "residential"), ("name", "Elm Street"), ("surface", "asphalt"),
    ]  # fmt: skip


def test_a_file_adds_families_and_exceptions(tmp_path: Path) -> None:
    """After the table's own rows; an exception wins over both."""
    path = tmp_path / "own.csv"
    path.write_text(
        "family,pattern,rule\nours,is_in*,drop\nours,tiger:cfcc,keep\n", encoding="utf-8"
    )
    found = load(str(path))
    assert found.dropped("is_in:state") and not load().dropped("is_in:state")
    assert not found.dropped("tiger:cfcc") and found.dropped("tiger:tlid")


@pytest.mark.parametrize(
    ("text", "said"),
    [("a,b\n1,2\n", "header"), ("family,pattern,rule\nx,y,perhaps\n", "line 2")],
)
def test_a_bad_file_is_named_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    """In one sentence."""
    path = tmp_path / "bad.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=said) as caught:
        load(str(path))
    assert "bad.csv" in str(caught.value)
    with pytest.raises(UsageError, match="cannot be read"):
        load(str(tmp_path / "none.csv"))

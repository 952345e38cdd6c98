"""Names of crops in any encoding are one name, or refused by name (check 4)."""

from pathlib import Path

import geopandas as gpd
import pyarrow as pa
import pytest

from catalogs.sources.crop_codes import open_codes
from catalogs.sources.parcels import EncodingError, open_parcels
from catalogs.sources.parcels.cells import texts
from catalogs.sources.parcels.encoding import mended, of_dbf
from schemas.errors import SourceError
from tests.parcels.registers import fields, say

WORD = "CÍTRICS"
DOUBLE = WORD.encode().decode("latin-1")
TRIPLE = DOUBLE.encode().decode("cp1252", errors="replace")


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARTHLOOM_CACHE", str(tmp_path / "cache"))


def test_double_encoded_words_are_mended() -> None:
    assert mended(WORD) == mended(DOUBLE) == WORD
    assert mended("Körnermais".encode().decode("cp1252")) == "Körnermais"
    twice = "Rüben".encode().decode("cp1252").encode().decode("cp1252")
    assert mended(twice) == "Rüben"


@pytest.mark.parametrize("word", ["Rüben", "Ærter", "Cànem", "Ñame", "Žito ozimé", "Ã", "¿Qué?"])
def test_sound_words_stay(word: str) -> None:
    assert mended(word) == word


@pytest.mark.parametrize("word", ["à", "alfals à secà", "Åbne marker", "Škoda Š", "ЯЧМЕНЬ ЕЧЕМИК"])
@pytest.mark.parametrize("codec", ["latin-1", "cp1252"])
def test_letters_whose_bytes_look_like_blanks_are_mended(word: str, codec: str) -> None:
    """A0 and 85 are blanks to Python: what is taken for one cannot be mended any more."""
    broken = _bytes_as(word, codec)
    found, mended_ = texts(pa.array([broken, "  zwei   Worte "]), "x")
    assert found == [word, "zwei Worte"] and mended_ == 1


def _bytes_as(word: str, codec: str) -> str:
    """A word whose UTF-8 bytes were read in another encoding; bytes without a letter as in Latin-1."""
    return "".join(
        bytes([byte]).decode(codec, errors="ignore") or chr(byte) for byte in word.encode()
    )


def test_code_tables_are_mended_likewise(tmp_path: Path) -> None:
    line = "source,native_crop_code_or_name,s4a_name,s4a_code\nXE,{},Wheat,110\nXE,Brache,,\n"
    (tmp_path / "m.csv").write_text(line.format("Secà".encode().decode("latin-1")), "utf-8")
    codes = open_codes(tmp_path)
    assert codes.find("XE", 2021, "", "Secà")[0] == 110
    assert list(codes.schemes["s4a"]["xe"].names) == ["secà"]
    (tmp_path / "m.csv").write_text(line.format("R\N{REPLACEMENT CHARACTER}ben"), "utf-8")
    with pytest.raises(EncodingError, match=r"m\.csv: the text"):
        open_codes(tmp_path)
    (tmp_path / "m.csv").write_text(line.replace("110", "hundred").format("W"), "utf-8")
    with pytest.raises(SourceError, match=r"m\.csv: s4a_code 'hundred' is no whole number"):
        open_codes(tmp_path)


def test_an_umlaut_far_down_in_a_table_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Plain letters say nothing about the encoding, however many there are."""
    monkeypatch.setattr("catalogs.sources.parcels.encoding.CHUNK", 1000)
    path = shapefile(tmp_path / "r", [*["Weizen"] * 50, "Rüben"], "CP1252", None)
    assert crops(path) == {"Weizen", "Rüben"}


def test_lost_letters_are_refused_by_name() -> None:
    with pytest.raises(EncodingError, match="lost letters"):
        mended(WORD.encode("latin-1").decode("utf-8", errors="replace"))
    assert issubclass(EncodingError, SourceError)


def shapefile(folder: Path, words: list[str], encoding: str, cpg: str | None) -> Path:
    """A Shapefile whose DBF holds words in an encoding, and a .cpg that says what it likes."""
    folder.mkdir()
    path = folder / "reg_2021.shp"
    frame = gpd.GeoDataFrame({"crop": words}, geometry=fields(len(words)), crs=25833)
    frame.to_file(path, engine="pyogrio", encoding=encoding)
    path.with_suffix(".cpg").unlink(missing_ok=True)
    dbf = path.with_suffix(".dbf")
    held = bytearray(dbf.read_bytes())
    held[29] = 0  # no language is declared
    dbf.write_bytes(held)
    if cpg is not None:
        path.with_suffix(".cpg").write_text(cpg)
    say(path, id="")
    return path


def crops(path: Path) -> set[str]:
    table = pa.concat_tables(open_parcels(path).batches())
    return set(table["crop_name"].to_pylist())


@pytest.mark.parametrize(
    ("encoding", "cpg"),
    [
        ("UTF-8", None), ("UTF-8", "UTF-8"), ("UTF-8", "ISO-8859-1"), ("CP1252", None),
        ("CP1252", "1252"), ("CP1252", "UTF-8"), ("ISO-8859-1", "ISO 88591"),
        ("CP1252", "nonsense"),
    ],
)  # fmt: skip
def test_a_shapefile_in_any_encoding_says_the_same(
    tmp_path: Path, encoding: str, cpg: str | None
) -> None:
    """A .cpg that is right counts; without one, or with a wrong one, the bytes tell."""
    assert crops(shapefile(tmp_path / "r", [WORD, "Rüben"], encoding, cpg)) == {WORD, "Rüben"}


def test_all_three_forms_of_a_word_get_one_code(tmp_path: Path) -> None:
    folder = tmp_path / "codes"
    folder.mkdir()
    (folder / "map.csv").write_text(
        "source,native_crop_code_or_name,s4a_name,s4a_code\nXE,CÍTRICS,Citrus fruits,320\n"
    )
    codes, found = open_codes(folder), set()
    for number, (word, encoding) in enumerate(
        [(WORD, "UTF-8"), (WORD, "ISO-8859-1"), (DOUBLE, "UTF-8")]
    ):
        path = shapefile(tmp_path / str(number), [word], encoding, None)
        table = codes.map(pa.concat_tables(open_parcels(path).batches()))
        found.update(table["s4a_code"].to_pylist())
    assert found == {320}


def test_bytes_of_no_known_encoding_are_refused(tmp_path: Path) -> None:
    path = shapefile(tmp_path / "r", ["Weizen"], "UTF-8", None)
    dbf = path.with_suffix(".dbf")
    dbf.write_bytes(dbf.read_bytes().replace(b"Weizen", b"We\x81zen"))  # no letter in cp1252
    with pytest.raises(EncodingError, match=r"\.cpg"):
        of_dbf(dbf)
    with pytest.raises(EncodingError, match=r"reg_2021\.dbf"):
        open_parcels(path)

"""Native crops to FAO ICC, HCAT3 and HCAT4: the real tables, and hand-made ones."""

import pickle
from pathlib import Path

import pyarrow as pa
import pytest

from catalogs.sources.crop_codes import MAPPED, SEASON, UNMAPPED, Codes, open_codes
from catalogs.sources.crop_lists import bridge, by_words, english_names, words
from catalogs.sources.crop_report import Tally
from catalogs.sources.crop_tables import code_tables, icc_level
from catalogs.sources.terms import Override
from schemas.errors import SourceError, UsageError
from tests.real_data import real

pytestmark = pytest.mark.realdata


@pytest.fixture(scope="module")
def codes() -> Codes:
    return open_codes(real("taxonomies"))


def found(codes: Codes, lists: str, code: str = "", name: str = "", year: int = 2021) -> dict:
    return dict(zip(MAPPED.names, codes.find(lists, year, code, name), strict=True))


def test_the_taxonomy_is_whole(codes: Codes) -> None:
    """Check 1: 168 rows, each parent there, levels by trailing zeros."""
    assert len(codes.icc) == 168
    levels = [icc_level(str(code)) for code in codes.icc]
    assert [levels.count(level) for level in (1, 2, 3)] == [9, 54, 105]
    for code, (_, parent) in codes.icc.items():
        assert parent == {1: 0, 2: code // 100 * 100, 3: code // 10 * 10}[icc_level(str(code))] or (
            code == UNMAPPED and parent == 900
        )
    assert (len(codes.hcat3), len(codes.hcat4)) == (384, 353)


def test_the_eleven_classes_of_the_experiments(codes: Codes) -> None:
    names = {110: "Wheat", 120: "Maize", 140: "Sorghum", 150: "Barley", 160: "Rye", 170: "Oats",
             330: "Grapes", 435: "Rapeseed", 438: "Sunflower", 510: "Potatoes", 770: "Peas"}  # fmt: skip
    assert {code: codes.names[code] for code in names} == names


@pytest.mark.parametrize(
    ("lists", "code", "name", "icc", "hcat3", "hcat4", "by"),
    [
        ("ES-CT", "", "BLAT DUR", 110, 0, 0, "table"),
        ("ES-CT", "", "BLAT TOU", UNMAPPED, 0, 0, ""),  # common wheat: so Sen4AgriNet has it
        ("ES-CT", "", "Càrtam o safranó", 436, 0, 0, "table"),
        ("FR", "BTH", "", 110, 3301010101, 3310101001, "table"),
        ("DK", "1", "", 150, 3301010402, 3310104002, "bridge"),
        ("DK", "", "vårbyg", 150, 3301010402, 3310104002, "bridge"),
        ("NL", "233", "", 110, 3301010101, 3310101001, "bridge"),
        ("HCAT3", "3301010101", "", 110, 3301010101, 0, "bridge"),
        ("HCAT4", "3310604011", "", 435, 0, 3310604011, "bridge"),
        ("ENGLISH", "", "Soybean", 410, 0, 0, "bridge"),
        ("XX", "1", "Vårbyg", UNMAPPED, 0, 0, ""),
        ("DK", "99999", "no such crop", UNMAPPED, 0, 0, ""),
    ],
)
def test_crops_of_several_countries(
    codes: Codes, lists: str, code: str, name: str, icc: int, hcat3: int, hcat4: int, by: str
) -> None:
    row = found(codes, lists, code, name)
    assert (row["s4a_code"], row["hcat3_code"], row["hcat4_code"], row["s4a_by"]) == (
        icc, hcat3, hcat4, by,
    )  # fmt: skip
    assert row["mapping_status"] == ("mapped" if icc != UNMAPPED else "unmapped")


def test_all_hcat_codes_are_of_their_lists_and_keep_season_and_usage(codes: Codes) -> None:
    """Check 9: what leaves is in the enumeration; seasonality and usage are those of HCAT4 and v2."""
    seen = 0
    for table in code_tables(real("taxonomies")):
        if table.layout.name != "v2":
            continue
        for row in table.rows:
            mapped = found(codes, row["nuts"], row["original_code"])
            if not row["original_code"]:  # what stands for no crop
                continue
            if int(row["hcat4_code"]) not in codes.hcat4:
                assert mapped["hcat4_status"] == "unmapped" and mapped["hcat4_code"] == 0
                continue
            seen += 1
            assert mapped["hcat4_code"] == int(row["hcat4_code"])
            assert mapped["usage"] == int(row["usage_code"])
            assert mapped["seasonality"] == codes.seasons[mapped["hcat4_code"]]
    assert seen > 5_700
    assert found(codes, "DK", "1")["seasonality"] == 2  # spring barley
    assert found(codes, "NL", "233")["seasonality"] == 1  # winter wheat


def test_conflicts_and_strays_are_listed(codes: Codes) -> None:
    german = [line for line in codes.conflicts if line.startswith("hcat3: lists of de ")]
    print(f"{len(codes.conflicts)} conflicts, {len(german)} of them among German lists")
    assert len(german) == 30  # of five lists that say they share one set of codes
    inside = sorted(line.split(" maps ")[0] for line in codes.conflicts if " maps " in line)
    assert inside == ["hcat3: hr_2020", "hcat4: cz", "hcat4: dk"]  # one name, two crops
    assert {line.split(" leads to ")[1].split(",")[0] for line in codes.strays} == {
        "3301290900", "3310201050", "3310851000"
    }  # fmt: skip


def test_the_list_of_the_nearest_year_answers_and_ambiguous_stays_open(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(
        "mapping_file,original_code,original_name,translated_name,hcat3_name,hcat3_code\n"
        "xe_2018,7,Sieben,,rye,3301010300\n"
        "xe_2022,7,Sieben,,oats,3301010500\n"
        "xe_2022,8,Acht,,oats,3301010500\n"
        "xe_2022,8,Acht,,rye,3301010300\n"
        "xe_ne_2022,7,Sieben,,barley,3301010400\n"
    )
    codes = open_codes(tmp_path)
    assert found(codes, "XE", "7", year=2018)["hcat3_code"] == 3301010300
    assert found(codes, "XE", "7", year=2021)["hcat3_code"] == 3301010500
    assert found(codes, "XE-NE", "7", year=2021)["hcat3_code"] == 3301010400
    row = found(codes, "XE", "8")
    assert (row["hcat3_status"], row["hcat3_code"]) == ("ambiguous", 0)
    assert any("xe_2022 maps code '8'" in line for line in codes.conflicts)


def test_the_bridge_leads_to_codes_that_are_there_and_agrees_where_both_are(codes: Codes) -> None:
    """French codes have both: the bridge from HCAT is held against Sen4AgriNet's own choice.

    They differ where Sen4AgriNet differs from the names (triticale as oats), so that not all agree.
    """
    assert set(bridge().values()) | set(english_names().values()) <= set(codes.icc)
    assert set(words().values()) <= set(codes.icc)
    assert set(bridge()) <= {SEASON.sub("", name) for name, _ in codes.hcat4.values()}
    same = group = total = 0
    for code in codes.schemes["s4a"]["fr"].codes:
        row = found(codes, "FR", code, year=2018)
        way = codes._bridged(row["hcat4_code"], codes.hcat4)
        if row["s4a_status"] == "mapped" and way:
            total += 1
            same += way == row["s4a_code"]
            group += way // 100 == row["s4a_code"] // 100
    print(f"{same} codes and {group} groups of {total} are Sen4AgriNet's")
    assert total > 150 and same > 0.65 * total and group > 0.85 * total


def test_names_of_hcat3_alone_go_by_their_words(codes: Codes) -> None:
    """The table of names is HCAT4's; what HCAT3 calls otherwise is told by English words in it."""
    for name, icc in (("grain_maize_corn_popcorn", 120), ("arachis", 420), ("sweet_lupins", 760),
                      ("unspecified_legumes_dried_pulses_protein_crops", 790),
                      ("pasture_meadow_grassland_grass", 912), ("temporary_grass", 911)):  # fmt: skip
        assert name not in bridge() and by_words(name) == icc
        (code,) = (code for code, (own, _) in codes.hcat3.items() if own == name)
        assert codes._bridged(code, codes.hcat3) == icc
    assert by_words("common_soft_wheat") == by_words("") == 0


def test_terms_of_share_alike_tables_stay_apart(codes: Codes) -> None:
    terms = {about.title.split(" (")[-1][:-1]: about.licence for about in codes.abouts}
    assert terms == {
        "eurocrops_country_mappings.csv": "CC-BY-SA-4.0", "hcat3.csv": "CC-BY-SA-4.0",
        "eurocrops_v2_code_mapping.csv": "CC-BY-4.0", "hcat4.csv": "CC-BY-4.0",
        "s4a_fao_icc_taxonomy.csv": "MIT", "s4a_lpis_class_mapping.csv": "MIT",
    }  # fmt: skip
    assert all(about.attribution and len(about.checksum) == 64 for about in codes.abouts)
    with pytest.raises(UsageError, match="unknown licence"):
        open_codes(real("taxonomies"), Override("Mine"))


def test_the_option_changes_no_terms_of_the_publishers(tmp_path: Path) -> None:
    """Tables of one's own say theirs in codes.json; what is stated is not relabelled."""
    (tmp_path / "hcat3.csv").write_text("code,name,level,parent_code\n3301000000,a,1,\n")
    with pytest.raises(
        UsageError, match=r"--license codes=CC0-1\.0: .*hcat3\.csv is under CC-BY-SA-4\.0"
    ):
        open_codes(tmp_path, Override("CC0-1.0", "Me"))
    about = open_codes(tmp_path, Override("cc-by-sa-4.0", "Me")).about
    assert about.licence == "CC-BY-SA-4.0" and about.attribution.startswith("EuroCrops")
    (tmp_path / "codes.json").write_text('{"licence": "CC0-1.0", "attribution": "Ours"}')
    about = open_codes(tmp_path, Override("CC0-1.0")).about
    assert (about.licence, about.attribution) == ("CC0-1.0", "Ours")
    with pytest.raises(UsageError, match=r"is under CC0-1\.0, as codes\.json states"):
        open_codes(tmp_path, Override("MIT"))
    (tmp_path / "codes.json").write_text('{"license": "CC0-1.0"}')
    with pytest.raises(UsageError, match="'license' is not understood; did you mean"):
        open_codes(tmp_path)


def test_numbers_are_found_with_and_without_leading_zeros(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text(
        "source,native_crop_code_or_name,s4a_name,s4a_code\nXE,007,Wheat,110\nXE,8,Maize,120\n"
    )
    codes = open_codes(tmp_path)
    assert [codes.find("XE", 2021, code, "")[0] for code in ("7", "007", "08", "70")] == [
        110, 110, 120, UNMAPPED,
    ]  # fmt: skip


def test_codes_pickle_and_their_version_follows_the_content(codes: Codes, tmp_path: Path) -> None:
    again = pickle.loads(pickle.dumps(codes))
    assert again.version == codes.version and again.find("DK", 2021, "1", "") == codes.find(
        "DK", 2021, "1", ""
    )
    line = "source,native_crop_code_or_name,s4a_name,s4a_code\nXE,WEIZEN,Wheat,{}\n"
    versions = set()
    for number in (110, 110, 120):
        (tmp_path / "m.csv").write_text(line.format(number))
        versions.add(open_codes(tmp_path).version)
    assert len(versions) == 2


@pytest.mark.parametrize(
    ("rows", "match"),
    [
        ("100,Cereals,1,\n111,Wheat,3,110\n", "'111' has a parent 110 that is not there"),
        ("100,Cereals,1,\n110,Wheat,3,100\n", "'110' is of level 2 by its digits, and 3"),
        ("1x0,Cereals,1,\n", "'1x0' is no number"),
        ("100,Cereals,1,\n100,Cereals,1,\n", "'100' is there twice"),
    ],
)
def test_a_taxonomy_without_sense_is_refused(tmp_path: Path, rows: str, match: str) -> None:
    (tmp_path / "t.csv").write_text("code,name,level,parent_code\n" + rows)
    with pytest.raises(SourceError, match=match):
        open_codes(tmp_path)


def test_a_folder_without_code_tables_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,b\n1,2\n")
    with pytest.raises(SourceError, match="holds no table of crop codes"):
        open_codes(tmp_path)
    (tmp_path / "b.csv").write_bytes("code,name,level,parent_code\n1,Übel,1,\n".encode("cp1252"))
    with pytest.raises(SourceError, match="is not UTF-8"):
        open_codes(tmp_path)


def parcels(**columns: list) -> pa.Table:
    size = len(columns["crop_code"])
    columns.setdefault("code_list", ["DK"] * size)
    columns.setdefault("crop_name", [""] * size)
    return pa.table({"year": [2021] * size, **columns})


def test_the_report_counts_parcels_and_area(codes: Codes) -> None:
    """Check 3: three of four parcels and 30 of 100 m² are mapped."""
    table = parcels(crop_code=["1", "1", "2", "9999"], area_m2=[10.0, 10.0, 10.0, 70.0])
    tally = Tally(codes)
    tally.add(codes.map(table.slice(0, 2)))
    tally.add(codes.map(table.slice(2)))
    report = tally.report()
    assert report["parcels"] == 4 and report["version"] == codes.version
    assert report["schemes"]["s4a"]["share"] == 0.75
    assert report["schemes"]["s4a"]["area_share"] == pytest.approx(0.3)
    assert report["schemes"]["hcat4"]["unmapped"] == [
        {"code_list": "DK", "code": "9999", "name": "", "parcels": 1, "area_m2": 70.0}
    ]


def test_no_parcels_map_to_no_rows(codes: Codes) -> None:
    table = codes.map(parcels(crop_code=[]).slice(0, 0))
    assert len(table) == 0 and table.schema.names[-len(MAPPED) :] == MAPPED.names

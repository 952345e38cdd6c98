"""Check 6: which page tells what a tag means."""

import sqlite3
from pathlib import Path

import pytest

from catalogs.sources.tag_wiki import pages
from schemas.errors import UsageError
from schemas.tag_meanings import TABLE, meaning, sentence, table

ROWS = [
    ("de", "natural", "wood", "Wald ohne Bewirtschaftung", "natur"),
    ("en", "natural", "wood", "Trees that nobody manages.", "nature"),
    ("en", "natural", None, "Forms of the land.", "nature"),
    ("fr", "surface", None, "Ce dont le sol est couvert.", "attributs"),
    ("en", "building:material", None, "What the walls are made of.", "buildings"),
]
"""Language, key, value, description, group."""


@pytest.fixture(scope="module")
def wiki(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Five pages, in the columns that matter of taginfo's own table."""
    path = tmp_path_factory.mktemp("wiki") / "taginfo-wiki.db"
    with sqlite3.connect(path) as base:
        base.execute(
            "CREATE TABLE wikipages (lang TEXT, tag TEXT, key TEXT, value TEXT, title TEXT, "
            "tgroup TEXT, description TEXT)"
        )
        for lang, key, value, description, group in ROWS:
            tag = f"{key}={value}" if value else key
            row = (lang, tag, key, value, f"{lang}:{tag}", group, description)
            base.execute("INSERT INTO wikipages VALUES (?, ?, ?, ?, ?, ?, ?)", row)
    base.close()
    return str(path)


@pytest.mark.parametrize(
    ("key", "value", "found", "said"),
    [
        ("natural", "wood", "tag", "Trees that nobody manages."),  # the English page of the tag
        ("natural", "moorland", "key", "Forms of the land."),
        ("surface", "asphalt", "key", "Ce dont le sol est couvert."),  # no English page
        ("building", "yes", "similar", "What the walls are made of."),
        ("unheard", "of", "none", ""),
        ("_atural", "wood", "none", ""),  # no pattern sign has a meaning
        ("%", "", "none", ""),
    ],
)
def test_6_order_of_pages(wiki: str, key: str, value: str, found: str, said: str) -> None:
    """Tag, key, a key that begins alike, none; English first."""
    known = meaning(pages(wiki), key, value)
    assert (known.found, known.description) == (found, said)


def test_6_each_tag_is_one_sentence(wiki: str) -> None:
    """With its group, or with the word to read it as it stands."""
    known = pages(wiki)
    assert (
        sentence(known, "natural", "wood") == "natural = wood: Trees that nobody manages (nature)."
    )
    assert sentence(known, "unheard", "of") == "unheard = of: no description; read it as it stands."


def test_6_the_projects_own_table_answers_the_same_questions() -> None:
    """Without a dump."""
    own = pages("")
    assert meaning(own, "natural", "wood").found == "tag"
    assert meaning(own, "building", "pagoda").found == "key"
    assert meaning(own, "roof", "x").found == "similar"
    assert meaning(own, "unheard", "of").found == "none"


def test_a_dump_is_only_read(wiki: str) -> None:
    """And a hostile tag is a value, not a statement."""
    before = Path(wiki).read_bytes()
    assert meaning(pages(wiki), "x'; DROP TABLE wikipages; --", "y").found == "none"
    assert Path(wiki).read_bytes() == before


def test_what_is_no_dump_is_named(tmp_path: Path) -> None:
    """No file, another file, another table."""
    other = tmp_path / "other.db"
    sqlite3.connect(other).execute("CREATE TABLE t (a)").connection.close()
    text = tmp_path / "text.db"
    text.write_text("nothing of the kind, and long enough to be looked at" * 9, encoding="utf-8")
    for path in (other, text, tmp_path / "none.db"):
        with pytest.raises(UsageError, match=path.name):
            pages(str(path))
    assert not (tmp_path / "none.db").exists()


def test_nouns_can_stand_in_a_sentence() -> None:
    """Singular: with an article, or a mass that needs none. And a closer word wins."""
    mass = {"farmland", "woodland", "scrub", "heath", "grassland", "moorland", "shrubbery", "scree", "tundra",
            "bare rock", "sand", "open mountain grass", "golf ground", "golf rough", "military land",
            "railway land", "common land", "port industry"}  # fmt: skip
    nouns = set(table().nouns.values())
    assert {n for n in nouns if n.split()[0] not in ("a", "an", "the")} <= mass
    assert all((n.startswith("an ")) == (n[2:].lstrip()[0] in "aeiou") for n in nouns
               if n.startswith(("a ", "an ")) and n.split()[1] not in ("university", "one"))  # fmt: skip
    assert table().noun({"natural": "water", "water": "lake"}, "natural") == "a lake"
    assert table().noun({"natural": "water", "water": "odd"}, "natural") == "a body of water"
    assert table().noun({"leisure": "pitch", "sport": "tennis"}, "leisure") == "a tennis court"
    assert TABLE.read_text(encoding="utf-8").count("\n") > 350

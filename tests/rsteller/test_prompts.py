"""Check 7: prompts hold the facts and nothing unfilled; texts can be told where they come from."""

import hashlib
import json
import re
from typing import Any

import pytest
import shapely

from pipelines.datasets.rsteller import RECIPE
from schemas.meanings import FACTS
from schemas.tag_meanings import table as meanings
from tests.rsteller.patch import line, told
from transforms.telling import prompts
from transforms.telling.known import known
from transforms.texts.directions import astray
from transforms.texts.quality import faults

LAKE = (shapely.box(0.0, 0.6, 0.4, 1.0), {"natural": "water", "water": "lake", "name": "Elm Lake"})
ROAD = (
    line((0.0, 0.5), (1.0, 0.55)),
    {"highway": "residential", "surface": "asphalt", "name": "Öschle Weg", "maxspeed": "30"},
)


def given(prompt: str) -> dict[str, Any]:
    """The facts at the end of a prompt."""
    text = prompt.rpartition("FACTS\n")[2].removesuffix("\nCAPTION")
    found: dict[str, Any] = json.loads(text)
    return found


@pytest.mark.parametrize("thing", [LAKE, ROAD])
def test_7_no_placeholder_is_left(thing: Any) -> None:
    """Of all three tasks."""
    facts = told(thing).facts
    for text in (str(facts["prompt"]), str(facts["rewrite_prompt"])):
        for name in ("left", "right", "examples", "facts", "caption"):
            assert f"{{{name}}}" not in text
    with pytest.raises(KeyError):
        prompts.filled("a {hole}", {})


def test_7_facts_of_an_area_are_those_of_its_geometry() -> None:
    """Position, edges, share and shape; and what can be seen stands apart."""
    sample = told(LAKE)
    found = given(str(sample.facts["prompt"]))
    assert found["position"] == sample.facts["position"] == "top left"
    assert found["reaches edges"] == ["left", "top"]
    assert found["share of picture"] == sample.facts["area_share"] == pytest.approx(0.16)
    assert found["shape"] == "square"
    assert [s.split(":")[0] for s in found["visible"]] == ["natural = water", "water = lake"]
    assert [s.split(":")[0] for s in found["not visible"]] == ["name = Elm Lake"]


def test_7_facts_of_a_line_are_those_of_its_geometry() -> None:
    """Ends, bends, way and length."""
    sample = told(ROAD)
    found = given(str(sample.facts["prompt"]))
    assert (found["from"], found["to"]) == ("left, at the left edge", "right, at the right edge")
    assert (found["course"], found["direction"]) == ("straight", "east-west")
    assert found["length in meters"] == sample.facts["length_m"] == pytest.approx(269.1, abs=0.3)
    assert found["length in picture sides"] == pytest.approx(1.0, abs=0.01)
    assert "name = Öschle Weg: What the place is called (attributes)." in found["not visible"]
    assert sample.facts["_grounds"] in str(sample.facts["prompt"])


def test_7_six_and_eight_rule_groups_and_five_examples() -> None:
    """As the original's prompts have them."""
    for thing, groups in ((LAKE, 6), (ROAD, 6)):
        facts = told(thing).facts
        text = str(facts["prompt"])
        assert re.findall(r"^(\d)\. ", text, re.MULTILINE) == [str(n + 1) for n in range(groups)]
        assert text.count("\nCAPTION") == 6
        again = str(facts["rewrite_prompt"])
        assert re.findall(r"^(\d)\. ", again, re.MULTILINE) == [str(n + 1) for n in range(8)]
        assert again.count("\nANOTHER CAPTION") == 6


def test_7_examples_of_a_rewrite_are_drawn_by_seed_and_patch() -> None:
    """From those of an area for an area; the same each time."""
    first = str(told(LAKE).facts["rewrite_prompt"])
    assert first == str(told(LAKE).facts["rewrite_prompt"])
    assert first != str(told(LAKE, seed=1).facts["rewrite_prompt"])
    assert first != str(told(LAKE, name="other").facts["rewrite_prompt"])
    assert not any(prompts.inert(text) in first for text, _ in prompts.bank("rewrite line"))
    assert json.dumps(told(LAKE).facts["caption"], ensure_ascii=False) in first


@pytest.mark.parametrize("name", ["area", "line", "rewrite area", "rewrite line"])
def test_7_examples_keep_the_rules_that_they_teach(name: str) -> None:
    """Their texts pass the checks of texts, name no direction that is not given, and are long enough."""
    rules = "rsteller-rewrite" if name.startswith("rewrite") else "rsteller"
    bank = prompts.bank(name)
    assert len(bank) >= (8 if name.startswith("rewrite") else 5)
    for facts, text in bank:
        assert faults(text, rules) == ()
        assert not astray(text, facts)
        low, high = (10, 50) if name.startswith("rewrite") else (40, 65)
        assert low <= len(text.split()) <= high


@pytest.mark.parametrize(("name", "thing"), [("area", LAKE), ("line", ROAD)])
def test_7_examples_have_the_facts_that_prompts_have(name: str, thing: Any) -> None:
    """Key by key, in the same order, with sentences of the same table."""
    own = list(json.loads(prompts.facts_json(known(told(thing)), meanings())))
    for facts, _ in prompts.bank(name):
        found = json.loads(facts)
        assert list(found) == own
        for said in (*found["visible"], *found["not visible"]):
            key, _, rest = said.partition(" = ")
            value = rest.partition(": ")[0]
            assert said == prompts.sentence(meanings(), key, value)


def stub(prompt: str) -> str:
    """A model that knows only what the prompt says, and says the same to the same."""
    facts = given(prompt)
    words = ("lies", "stands", "can be seen")
    turn = hashlib.sha256(prompt.encode()).digest()[0] % 3
    thing = facts["visible"][0].split(": ")[1].split(" (")[0]
    return f"In the {facts['position']} of the picture {words[turn]} something: {thing.lower()}, as the map has it."


def test_7_a_stub_makes_the_same_texts_again() -> None:
    """And they pass the checks that a model's texts must pass."""
    texts = [stub(str(told(LAKE, name=f"p{k}").facts["prompt"])) for k in range(5)]
    assert texts == [stub(str(told(LAKE, name=f"p{k}").facts["prompt"])) for k in range(5)]
    for text in texts:
        assert faults(text, "rsteller") == ()
        assert not astray(text, str(told(LAKE).facts["_grounds"]))
    assert astray(texts[0].replace("top left", "top right"), str(told(LAKE).facts["_grounds"]))


def test_7_rows_keep_hash_and_annotator() -> None:
    """The hash is that of the prompt beside it; the seed is the build's, in its configuration."""
    facts = told(ROAD).facts
    for name in ("prompt", "rewrite_prompt"):
        text = str(facts[name])
        assert facts[f"{name}_sha256"] == hashlib.sha256(text.encode()).hexdigest()
    assert facts["annotator"] == facts["rewrite_annotator"] == "template"
    assert facts["caption"] == facts["caption_template"]


def test_every_column_of_the_recipe_is_explained() -> None:
    """On the card."""
    columns = [name for name in RECIPE.columns() if not name.startswith("_")]
    assert [name for name in columns if name not in FACTS and name != "split"] == []

"""Licences: known ones, and which can stand together in one part of a release."""

import pytest

from schemas.errors import UsageError
from schemas.licences import LICENCES, clash, licence


@pytest.mark.parametrize(
    ("spdx", "credit", "hub"),
    [
        ("LicenseRef-swisstopo-OGD", True, "other"),
        ("LicenseRef-IGN-Spain", True, "other"),
        ("ODC-By-1.0", True, "odc-by"),
        ("PDDL-1.0", False, "pddl"),
        ("CC-BY-SA-3.0", True, "cc-by-sa-3.0"),
        ("Etalab-2.0", True, "etalab-2.0"),
    ],
)
def test_terms(spdx: str, credit: bool, hub: str) -> None:
    found = licence(spdx, "imagery")
    assert (found.attribution, found.hub) == (credit, hub)
    assert found.url.startswith("https://") and found.redistribute and found.commercial


def test_unknown_and_forbidden_ids() -> None:
    with pytest.raises(UsageError, match=r"did you mean 'PDDL-1.0'"):
        licence("PDDL-1", "osm")
    with pytest.raises(UsageError, match="does not allow redistribution"):
        licence("CC-BY-ND-4.0", "imagery")


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"tables": {"ODbL-1.0", "CC-BY-SA-4.0"}}, "tables: CC-BY-SA-4.0 and ODbL-1.0 both"),
        ({"tables": {"ODbL-1.0", "CC-BY-NC-4.0"}}, "tables: ODbL-1.0 demands share-alike and"),
        ({"tables": {"ODbL-1.0"}, "pixels": {"CC-BY-NC-4.0"}}, ""),
        ({"pixels": {"CC-BY-NC-4.0", "CC-BY-4.0"}}, ""),
        ({"pixels": {"CC-BY-SA-3.0", "CC-BY-4.0"}}, ""),
    ],
)
def test_clashes(parts: dict[str, set[str]], said: str) -> None:
    assert clash(parts).startswith(said) and bool(clash(parts)) == bool(said)


def test_only_one_forbids_earning() -> None:
    assert [k for k, v in LICENCES.items() if not v.commercial] == ["CC-BY-NC-4.0"]

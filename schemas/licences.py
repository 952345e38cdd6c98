"""Licences as data: what each allows, and which parts of a release can stand together."""

from dataclasses import dataclass

from schemas.errors import UsageError, nearest


@dataclass(frozen=True, slots=True)
class Licence:
    """Terms of a source.

    Attributes:
        id: SPDX id, or LicenseRef-* where SPDX has none.
        title: plain name.
        url: the terms.
        share_alike: derived tables must carry the same licence.
        redistribute: whether copies may be passed on at all.
        attribution: whether a credit line is required.
        commercial: whether copies may be used to earn money.
        hub: id that the Hugging Face hub knows, or `other`.
    """

    id: str
    title: str
    url: str
    share_alike: bool = False
    redistribute: bool = True
    attribution: bool = True
    commercial: bool = True
    hub: str = "other"


LICENCES = {
    licence.id: licence
    for licence in (
        Licence(
            "CC0-1.0",
            "Creative Commons Zero 1.0",
            "https://creativecommons.org/publicdomain/zero/1.0/",
            attribution=False,
            hub="cc0-1.0",
        ),
        Licence(
            "CC-BY-4.0",
            "Creative Commons Attribution 4.0",
            "https://creativecommons.org/licenses/by/4.0/",
            hub="cc-by-4.0",
        ),
        Licence(
            "CC-BY-3.0",
            "Creative Commons Attribution 3.0",
            "https://creativecommons.org/licenses/by/3.0/",
            hub="cc-by-3.0",
        ),
        Licence(
            "CC-BY-SA-4.0",
            "Creative Commons Attribution Share Alike 4.0",
            "https://creativecommons.org/licenses/by-sa/4.0/",
            share_alike=True,
            hub="cc-by-sa-4.0",
        ),
        Licence(
            "CC-BY-SA-3.0",
            "Creative Commons Attribution Share Alike 3.0",
            "https://creativecommons.org/licenses/by-sa/3.0/",
            share_alike=True,
            hub="cc-by-sa-3.0",
        ),
        Licence(
            "CC-BY-NC-4.0",
            "Creative Commons Attribution Non Commercial 4.0",
            "https://creativecommons.org/licenses/by-nc/4.0/",
            commercial=False,
            hub="cc-by-nc-4.0",
        ),
        Licence(
            "CC-BY-ND-4.0",
            "Creative Commons Attribution No Derivatives 4.0",
            "https://creativecommons.org/licenses/by-nd/4.0/",
            redistribute=False,
        ),
        Licence(
            "CDLA-Permissive-1.0",
            "Community Data License Agreement Permissive 1.0",
            "https://cdla.dev/permissive-1-0/",
            hub="cdla-permissive-1.0",
        ),
        Licence(
            "ODbL-1.0",
            "Open Data Commons Open Database License 1.0",
            "https://opendatacommons.org/licenses/odbl/1-0/",
            share_alike=True,
            hub="odbl",
        ),
        Licence(
            "ODC-By-1.0",
            "Open Data Commons Attribution License 1.0",
            "https://opendatacommons.org/licenses/by/1-0/",
            hub="odc-by",
        ),
        Licence(
            "PDDL-1.0",
            "Open Data Commons Public Domain Dedication and License 1.0",
            "https://opendatacommons.org/licenses/pddl/1-0/",
            attribution=False,
            hub="pddl",
        ),
        Licence(
            "etalab-2.0",
            "Etalab Open Licence 2.0",
            "https://www.etalab.gouv.fr/licence-ouverte-open-licence/",
            hub="etalab-2.0",
        ),
        Licence(
            "DL-DE-BY-2.0",
            "Data licence Germany - attribution - version 2.0",
            "https://www.govdata.de/dl-de/by-2-0",
        ),
        Licence(
            "DL-DE-ZERO-2.0",
            "Data licence Germany - Zero - version 2.0",
            "https://www.govdata.de/dl-de/zero-2-0",
            attribution=False,
        ),
        Licence(
            "OGL-UK-3.0",
            "Open Government Licence 3.0",
            "https://www.nationalarchives.gov.uk/doc/open-government-licence/version/3/",
        ),
        Licence(
            "LicenseRef-Copernicus-Sentinel",
            "Copernicus Sentinel data terms",
            "https://sentinels.copernicus.eu/documents/247904/690755/Sentinel_Data_Legal_Notice",
        ),
        Licence(
            "LicenseRef-US-PD",
            "United States public domain",
            "https://www.usa.gov/government-works",
            attribution=False,
        ),
        Licence(
            "LicenseRef-swisstopo-OGD",
            "swisstopo free geodata: any use, source named",
            "https://www.swisstopo.admin.ch/en/terms-of-use-free-geodata-and-geoservices",
        ),
        Licence(
            "LicenseRef-IGN-Spain",
            "IGN Spain terms of use: attribution, compatible with CC-BY-4.0",
            "https://www.ign.es/resources/licencia/Condiciones_licenciaUso_IGN.pdf",
        ),
        Licence(
            "LicenseRef-Catalonia-Open",
            "Open Information Use Licence - Catalonia",
            "https://administraciodigital.gencat.cat/ca/dades/dades-obertes/informacio-practica/llicencies/",
        ),
        Licence(
            "MIT",
            "MIT Licence",
            "https://opensource.org/license/mit",
            hub="mit",
        ),
        Licence(
            "LicenseRef-LPDAAC",
            "NASA LP DAAC data policy: no restrictions, citation asked",
            "https://lpdaac.usgs.gov/data/data-citation-and-policies/",
        ),
        Licence(
            "LicenseRef-JAXA",
            "JAXA terms of use of research data: free of charge, source named",
            "https://earth.jaxa.jp/en/data/policy/",
        ),
        Licence(
            "LicenseRef-Copernicus-DEM",
            "Copernicus DEM GLO-30: any use, notice required",
            "https://docs.sentinel-hub.com/api/latest/static/files/data/dem/resources/license/"
            "License-COPDEM-30.pdf",
        ),
    )
}


def licence(spdx: str, role: str) -> Licence:
    """The licence with that id. Matching ignores case.

    Raises:
        UsageError: when the id is unknown or its terms forbid passing copies on.
    """
    known = {name.lower(): entry for name, entry in LICENCES.items()}
    found = known.get(spdx.lower())
    if found is None:
        raise UsageError(
            f"{role}: unknown licence {spdx!r}; {nearest(spdx, LICENCES)} "
            f"(pass it with --license {role}=ID)"
        )
    if not found.redistribute:
        raise UsageError(f"{role}: {found.id} does not allow redistribution; use another source")
    return found


def clash(parts: dict[str, set[str]]) -> str:
    """A sentence that names the first part whose licences cannot be met together, or "".

    Args:
        parts: licence ids by part of the release (`pixels`, `tables`, `texts`).
    """
    for part, ids in sorted(parts.items()):
        alike = sorted(i for i in ids if i in LICENCES and LICENCES[i].share_alike)
        if len(alike) > 1:
            return f"{part}: {alike[0]} and {alike[1]} both demand share-alike under themselves"
        closed = sorted(i for i in ids if i in LICENCES and not LICENCES[i].commercial)
        if alike and closed:
            return (
                f"{part}: {alike[0]} demands share-alike and cannot take the terms of {closed[0]}"
            )
    return ""

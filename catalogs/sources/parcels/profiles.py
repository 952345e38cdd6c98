"""The registers of farm parcels that are known: how a table is recognised, and what its columns mean."""

from collections.abc import Iterable
from dataclasses import dataclass, fields

from schemas.errors import UsageError, nearest
from schemas.windows import Bounds

UNITS = {"m2": 1.0, "ha": 10_000.0}
"""Square metres of a declared area's unit."""


@dataclass(frozen=True)
class Profile:
    """What the columns of a parcel table mean. Names of columns are in lower case.

    Attributes:
        collection: short name, `[a-z0-9-]`.
        title: what it is, for people.
        columns: those that a table of this kind has; none for a table that a sidecar describes.
        id: column that names the parcel for the register, "" where nothing does: numbers of farms and
            applications are never read.
        code, name: columns that hold the crop; the first that has a value counts, row by row.
        idle: values of `name` that count as none while a later column has another.
        area: columns of the declared area, the first that there is.
        unit: of the declared area: `ha` or `m2`.
        year: column of the year of harvest; else the year of `date`, else that in the file's name.
        date: column of the date for which the parcel was determined.
        day: `MM-DD` that the register stands for, where it has no column of dates.
        country: ISO 3166-1 code, or column that holds it.
        code_list: names of the code tables to look in, in order, separated by blanks; "" for the country.
        crs: of tables that declare none.
        place: (west, south, east, north) in degrees that all parcels lie in, None where unknown.
        licence: SPDX id, or one of `schemas.licences`.
    """

    collection: str
    title: str = ""
    columns: tuple[str, ...] = ()
    id: str = ""
    code: tuple[str, ...] = ()
    name: tuple[str, ...] = ()
    idle: tuple[str, ...] = ()
    area: tuple[str, ...] = ()
    unit: str = "ha"
    year: str = ""
    date: str = ""
    day: str = ""
    country: str = ""
    code_list: str = ""
    crs: str = ""
    place: Bounds | None = None
    provider: str = ""
    attribution: str = ""
    licence: str = ""

    def __post_init__(self) -> None:
        """A unit that is known."""
        if self.unit not in UNITS:
            raise UsageError(f"{self.collection}: unit {self.unit!r}; {nearest(self.unit, UNITS)}")

    def reads(self) -> tuple[str, ...]:
        """All columns that it may read."""
        single = (self.id, self.year, self.date, self.country)
        return tuple(c for c in (*single, *self.code, *self.name, *self.area) if c)


MONTHS = (
    "jan_2020", "feb_2020", "mar_2020", "apr_2020", "may_2020", "jun_2020",
    "jul_2020", "aug_2020", "sep_2020", "dec_2019", "nov_2019", "oct_2019",
)  # fmt: skip

PROFILES = (
    Profile(
        "at", "Austria: INVEKOS fields", ("snar_bezeichnung", "sl_flaeche_brutto_ha"),
        id="geo_id", code=("snar_code",), name=("snar_bezeichnung",), area=("sl_flaeche_brutto_ha",),
        country="AT", place=(9.4, 46.3, 17.3, 49.1), provider="Agrarmarkt Austria",
        attribution="Agrarmarkt Austria (AMA), INVEKOS Schläge", licence="CC-BY-4.0",
    ),
    Profile(
        "br-ba-lem", "West of Bahia, Brazil: crops by month, LEM+", ("oct_2019", "sep_2020"),
        id="id", name=MONTHS, idle=("Uncultivated soil", "Not identified"), year="2020",
        country="BR", code_list="ENGLISH", place=(-47.0, -13.5, -44.5, -11.0), provider="INPE",
        attribution="LEM+ dataset (Oldoni et al., 2020)", licence="CC-BY-4.0",
    ),
    Profile(
        "de-bb", "Brandenburg and Berlin: fields of the joint application", ("antragjahr", "code_bez"),
        code=("code",), name=("code_bez",), area=("groesse",), year="antragjahr", country="DE",
        code_list="DE-BB DE4 DE", place=(11.2, 51.3, 14.8, 53.6), provider="Land Brandenburg",
        attribution="© Land Brandenburg, dl-de/by-2-0", licence="DL-DE-BY-2.0",
    ),
    Profile(
        "dk", "Denmark: Marker", ("afgkode", "afgroede", "imk_areal"),
        code=("afgkode",), name=("afgroede",), area=("imk_areal",), country="DK",
        place=(7.9, 54.4, 15.4, 57.9), provider="Landbrugsstyrelsen",
        attribution="Landbrugsstyrelsen, Danish field parcels", licence="CC0-1.0",
    ),
    Profile(
        "es-cat", "Catalonia: crops of the DUN declaration", ("campanya", "cultiu", "ha"),
        name=("cultiu",), area=("ha",), year="campanya", country="ES", code_list="ES-CT",
        place=(0.0, 40.4, 3.5, 43.0), provider="Generalitat de Catalunya",
        attribution="Generalitat de Catalunya, Departament d'Agricultura, Mapa de cultius",
        licence="LicenseRef-Catalonia-Open",
    ),
    Profile(
        "nl", "Netherlands: Basisregistratie Gewaspercelen", ("gewascode", "gewas", "category"),
        code=("gewascode",), name=("gewas",), year="jaar", day="05-15", country="NL",
        place=(3.2, 50.7, 7.3, 53.7), provider="Rijksdienst voor Ondernemend Nederland",
        attribution="Rijksdienst voor Ondernemend Nederland (RVO), BRP", licence="CC0-1.0",
    ),
    Profile(
        "fr", "France: Registre parcellaire graphique", ("id_parcel", "code_cultu"),
        id="id_parcel", code=("code_cultu",), area=("surf_parc",), country="FR",
        provider="IGN, ASP", attribution="IGN, ASP: Registre parcellaire graphique",
        licence="etalab-2.0",
    ),
    Profile(
        "eurocrops-v2", "EuroCrops v2: one region and year", ("cropfield", "original_code"),
        id="cropfield", code=("original_code",), area=("off_area", "area_ha"), crs="EPSG:3035",
        provider="European Commission, Joint Research Centre",
        attribution="EuroCrops v2, European Commission, Joint Research Centre", licence="CC-BY-4.0",
    ),
    Profile(
        "eurocrops-v1", "EuroCrops v1: a country's declarations in HCAT3", ("ec_hcat_c", "ec_hcat_n"),
        code=("ec_hcat_c",), name=("ec_hcat_n",), code_list="HCAT3", provider="EuroCrops",
        attribution="EuroCrops (Schneider et al., 2023)", licence="CC-BY-SA-4.0",
    ),
    Profile(
        "fiboa", "Field boundaries in the form of fiboa", ("crop:code",), id="id", unit="m2",
        code=("crop:code",), name=("crop:name",), area=("metrics:area", "area"),
        date="determination:datetime", country="admin:country_code",
    ),
    Profile(
        "fiboa", "Field boundaries in the form of fiboa", ("crop:name",), id="id", unit="m2",
        name=("crop:name",), area=("metrics:area", "area"), date="determination:datetime",
        country="admin:country_code",
    ),
)  # fmt: skip
"""In the order in which they are tried. Sources of columns and terms: the registers' own pages, and
https://github.com/fiboa/cli, which reads the same files."""

SIDECAR = frozenset(field.name for field in fields(Profile)) - {"columns", "idle", "place"}
"""What a sidecar may say."""


def profile_of(columns: Iterable[str]) -> Profile | None:
    """The profile of a table with these columns, None of an unknown one. Case does not matter."""
    there = {column.lower() for column in columns}
    return next((p for p in PROFILES if there.issuperset(p.columns)), None)

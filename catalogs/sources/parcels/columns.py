"""Columns of the parcels of all registers, and of what was lost of them."""

import pyarrow as pa

from schemas.tables import BBOX

COLUMNS = pa.schema(
    [
        (
            "key",
            pa.string(),
        ),  # COUNTRY-YEAR-HASH, [a-z0-9-], of the register's id or of the outline
        ("id", pa.string()),  # as the register names it, "" where nothing does
        ("collection", pa.string()),
        ("country", pa.string()),  # ISO 3166-1, "" where unknown
        ("year", pa.int64()),  # of harvest, 0 where unknown
        ("code_list", pa.string()),  # code tables to look in, in order, separated by blanks
        ("crop_code", pa.string()),  # as declared, "" where there is none
        ("crop_name", pa.string()),
        ("area_m2", pa.float64()),  # on the ellipsoid
        ("declared_m2", pa.float64()),
        ("perimeter_m", pa.float64()),
        ("determined", pa.timestamp("us", tz="UTC")),
        ("overlaps", pa.bool_()),  # another parcel of that year covers more than 1 % of it
        ("lon", pa.float64()),  # a point inside it
        ("lat", pa.float64()),
        ("geometry", pa.binary()),  # WKB, valid polygons or multipolygons, lon/lat OGC:CRS84
        ("bbox", BBOX),
    ]
)

DROPS = pa.schema(
    [
        ("file", pa.string()),
        ("row", pa.int64()),  # of the file's layer, from 0
        ("id", pa.string()),
        ("code", pa.string()),  # geometry | bounds | duplicate
        ("message", pa.string()),
    ]
)

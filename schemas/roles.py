"""Roles of sources: what a recipe is made from, whoever provides it."""

FILES = {
    "osm": ".osm.pbf, .osm, .osm.bz2, .osm.gz, or a feature table (.gpkg, .parquet, ...)",
    "parcels": "farm parcels with their crops: a GeoPackage, GeoParquet, Shapefile (zipped or not) or "
    "fiboa file, or a folder of them",
    "codes": "a folder of crop code lists (CSV), by which declared crops become FAO ICC and HCAT codes",
    "shots": "a GEDI L4A granule (.h5), or a folder of them, with L2A granules beside them if there are",
    "phenology": "a folder of MCD12Q2 GeoTIFFs, a table of points, or earth-engine",
    "land": "polygons of the land (.gpkg, .geojson, ...), or a mask (.tif)",
    "mountains": "outlines of mountains, such as GMBA's inventory, or a mask, as --land",
    "points": "points with ids (.csv, .parquet, .gpkg, .geojson, ...)",
    "cities": "cities with their population, as --points",
}
"""Roles that files fill, with what may."""

LAYERS = {
    "palsar": "yearly ALOS-2 PALSAR-2 mosaics",
    "dem": "elevation",
    "canopy": "canopy height",
    "landcover": "land cover classes",
}
"""Roles that rasters beside the imagery fill; they are opened as imagery is."""

ROLES = ("imagery", *FILES, *LAYERS)
"""All roles."""

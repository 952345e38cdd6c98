"""What the ground is made of: colour seen from the air, land-cover class, texture, calendar.

A material is what one pixel shows. Its aerial colour is that of July; what it looks like to
Sentinel-2 through the year is in `spectra`.
"""

from typing import NamedTuple

CLASSES: dict[str, int] = {
    "nodata": 0,
    "grass": 1,
    "crop": 2,
    "orchard": 3,
    "vineyard": 4,
    "forest": 5,
    "water": 6,
    "road": 7,
    "building": 8,
    "paved": 9,
    "bare": 10,
    "railway": 11,
    "pitch": 12,
    "solar": 13,
    "garden": 14,
    "wetland": 15,
    "pool": 16,
    "tree": 17,
}
"""Land-cover classes of the truth rasters by name; 0 never occurs on the ground."""


class Material(NamedTuple):
    """Looks of a material; its colour is red, green, blue, near infrared as 8-bit values."""

    colour: tuple[int, int, int, int]
    cover: str
    texture: str = "plain"
    rough: float = 0.05
    spectrum: str = ""


MATERIALS: dict[str, Material] = {
    "grass": Material((112, 130, 78, 172), "grass", "plain", 0.10, "grass"),
    "meadow": Material((120, 146, 78, 186), "grass", "mown", 0.07, "meadow"),
    "pasture": Material((126, 142, 84, 176), "grass", "plain", 0.10, "meadow"),
    "lawn": Material((104, 142, 72, 188), "grass", "plain", 0.05, "grass"),
    "scrub": Material((108, 112, 68, 138), "grass", "rough", 0.16, "heath"),
    "heath": Material((128, 116, 86, 132), "grass", "rough", 0.14, "heath"),
    "wetland": Material((98, 112, 74, 118), "wetland", "rough", 0.15, "wetland"),
    "wheat": Material((198, 176, 116, 142), "crop", "rows", 0.05, "wheat"),
    "barley": Material((210, 194, 142, 140), "crop", "rows", 0.05, "barley"),
    "maize": Material((88, 126, 60, 190), "crop", "rows", 0.06, "maize"),
    "rapeseed": Material((166, 152, 92, 150), "crop", "rows", 0.06, "rapeseed"),
    "sugarbeet": Material((92, 140, 66, 202), "crop", "rows", 0.05, "sugarbeet"),
    "potato": Material((106, 134, 76, 184), "crop", "rows", 0.06, "sugarbeet"),
    "fallow": Material((154, 126, 96, 116), "crop", "rows", 0.07, "fallow"),
    "orchard": Material((124, 146, 84, 178), "orchard", "orchard", 0.06, "orchard"),
    "vineyard": Material((168, 150, 112, 138), "vineyard", "vines", 0.05, "vineyard"),
    "nursery": Material((132, 138, 92, 156), "crop", "vines", 0.06, "meadow"),
    "plot": Material((126, 116, 78, 146), "garden", "plots", 0.10, "garden"),
    "broadleaf": Material((64, 92, 48, 158), "forest", "crowns", 0.06, "broadleaf"),
    "conifer": Material((44, 68, 46, 116), "forest", "crowns", 0.05, "conifer"),
    "mixed": Material((54, 80, 46, 138), "forest", "crowns", 0.08, "mixed"),
    "tree": Material((66, 96, 50, 160), "tree", "plain", 0.0, "broadleaf"),
    "fir": Material((44, 70, 46, 118), "tree", "plain", 0.0, "conifer"),
    "water": Material((38, 62, 72, 20), "water", "water", 0.02, "water"),
    "river": Material((52, 76, 76, 26), "water", "water", 0.02, "water"),
    "basin": Material((58, 78, 74, 30), "water", "water", 0.02, "water"),
    "pool": Material((96, 190, 206, 44), "pool", "plain", 0.02, "pool"),
    "sand": Material((216, 202, 166, 202), "bare", "plain", 0.05, "sand"),
    "gravel": Material((190, 182, 168, 182), "bare", "rough", 0.09, "sand"),
    "quarry": Material((192, 180, 160, 184), "bare", "steps", 0.08, "sand"),
    "soil": Material((170, 142, 110, 132), "bare", "rough", 0.08, "soil"),
    "landfill": Material((150, 138, 120, 134), "bare", "rough", 0.13, "soil"),
    "asphalt": Material((108, 108, 110, 98), "road", "plain", 0.04, "asphalt"),
    "runway": Material((132, 132, 134, 118), "road", "plain", 0.03, "asphalt"),
    "track": Material((178, 164, 138, 150), "road", "plain", 0.06, "track"),
    "path": Material((196, 186, 166, 164), "road", "plain", 0.05, "track"),
    "paving": Material((170, 164, 156, 146), "paved", "plain", 0.05, "paving"),
    "parking": Material((122, 122, 126, 110), "paved", "cars", 0.03, "asphalt"),
    "yard": Material((154, 150, 144, 132), "paved", "plain", 0.05, "paving"),
    "ballast": Material((130, 118, 108, 106), "railway", "plain", 0.06, "ballast"),
    "garden": Material((116, 138, 84, 170), "garden", "plain", 0.13, "garden"),
    "graves": Material((120, 140, 90, 162), "garden", "graves", 0.06, "garden"),
    "roof_red": Material((172, 96, 74, 124), "building", "gable", 0.03, "tile"),
    "roof_brown": Material((132, 90, 72, 104), "building", "gable", 0.03, "tile"),
    "roof_grey": Material((134, 136, 142, 122), "building", "gable", 0.03, "slate"),
    "roof_flat": Material((188, 188, 184, 166), "building", "flat", 0.03, "concrete"),
    "roof_metal": Material((206, 210, 214, 192), "building", "ribs", 0.02, "metal"),
    "glass": Material((196, 214, 214, 160), "building", "glass", 0.03, "metal"),
    "tank": Material((226, 226, 222, 200), "building", "dome", 0.02, "concrete"),
    "solar": Material((124, 140, 92, 150), "solar", "panels", 0.04, "solar"),
    "clay": Material((188, 104, 70, 124), "pitch", "plain", 0.03, "clay"),
    "hardcourt": Material((74, 122, 142, 96), "pitch", "plain", 0.02, "hardcourt"),
    "pitch": Material((96, 146, 68, 190), "pitch", "mown", 0.04, "grass"),
    "turf": Material((62, 124, 74, 84), "pitch", "plain", 0.02, "hardcourt"),
    "green": Material((106, 162, 78, 200), "pitch", "mown", 0.03, "grass"),
    "white": Material((234, 234, 228, 204), "road", "plain", 0.02, "asphalt"),
    "rail": Material((176, 172, 168, 150), "railway", "plain", 0.02, "ballast"),
}


def cover(material: str) -> int:
    """Land-cover class of a material."""
    return CLASSES[MATERIALS[material].cover]

"""What materials look like to Sentinel-2, and how that changes through the year."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

BANDS = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B11", "B12")
"""Bands of a Level-2A product, in the usual order."""

GSD = {"B01": 60, "B02": 10, "B03": 10, "B04": 10, "B05": 20, "B06": 20, "B07": 20, "B08": 10,
       "B8A": 20, "B09": 60, "B11": 20, "B12": 20, "SCL": 20}  # fmt: skip
"""Pixel size of each asset in metres."""

SPECTRA: dict[str, tuple[float, ...]] = {
    "green": (.020, .030, .060, .035, .095, .27, .33, .37, .385, .385, .190, .095),
    "dense": (.018, .026, .056, .028, .085, .30, .38, .42, .43, .43, .185, .085),
    "yellowing": (.04, .055, .10, .10, .16, .26, .30, .33, .345, .345, .28, .17),
    "ripe": (.05, .07, .115, .15, .19, .23, .26, .29, .31, .31, .34, .24),
    "stubble": (.06, .08, .125, .17, .20, .22, .24, .265, .285, .29, .35, .27),
    "bare": (.055, .07, .095, .13, .15, .165, .175, .195, .215, .22, .28, .23),
    "sprout": (.045, .058, .09, .10, .14, .19, .21, .24, .26, .26, .25, .18),
    "flower": (.03, .05, .165, .155, .21, .34, .38, .42, .43, .43, .23, .115),
    "pale": (.035, .05, .08, .085, .13, .19, .21, .235, .25, .25, .24, .15),
    "leaves": (.018, .025, .045, .025, .070, .24, .31, .34, .355, .355, .150, .065),
    "autumn": (.025, .035, .065, .075, .12, .19, .22, .245, .26, .26, .19, .10),
    "twigs": (.03, .042, .058, .068, .09, .13, .145, .165, .18, .185, .19, .12),
    "needles": (.015, .020, .035, .022, .045, .14, .18, .20, .21, .21, .09, .04),
    "heath": (.03, .04, .065, .07, .10, .15, .17, .19, .205, .205, .20, .13),
    "marsh": (.025, .035, .055, .05, .085, .15, .175, .195, .20, .20, .13, .07),
    "water": (.030, .034, .038, .024, .020, .016, .015, .012, .011, .010, .006, .004),
    "pool": (.10, .14, .17, .10, .06, .04, .035, .03, .03, .03, .01, .008),
    "sand": (.16, .20, .26, .31, .33, .35, .36, .38, .39, .40, .45, .42),
    "asphalt": (.08, .09, .10, .105, .11, .115, .12, .125, .13, .13, .15, .14),
    "paving": (.12, .14, .16, .175, .185, .19, .195, .205, .21, .21, .23, .21),
    "track": (.09, .11, .14, .17, .19, .205, .215, .23, .24, .245, .29, .25),
    "ballast": (.07, .085, .10, .115, .125, .13, .135, .145, .15, .15, .19, .18),
    "tile": (.05, .06, .09, .17, .19, .20, .21, .22, .23, .23, .26, .23),
    "slate": (.09, .10, .11, .115, .12, .125, .13, .135, .14, .14, .16, .15),
    "concrete": (.20, .23, .25, .26, .27, .28, .28, .29, .30, .30, .30, .28),
    "metal": (.24, .27, .29, .30, .30, .31, .31, .32, .32, .32, .30, .28),
    "clay": (.06, .075, .11, .20, .23, .25, .26, .27, .28, .28, .33, .29),
    "hardcourt": (.06, .08, .12, .09, .10, .11, .115, .12, .125, .125, .15, .13),
    "solar": (.055, .055, .05, .05, .065, .09, .10, .105, .11, .11, .10, .07),
}  # fmt: skip
"""Surface reflectance (0..1) of pure surfaces in `BANDS`."""

CALENDAR: dict[str, tuple[tuple[int, str], ...]] = {
    "grass": ((1, "pale"), (80, "pale"), (120, "green"), (200, "green"), (235, "yellowing"),
              (275, "green"), (320, "pale")),
    "meadow": ((1, "pale"), (75, "pale"), (115, "dense"), (150, "dense"), (162, "green"),
               (200, "dense"), (240, "green"), (290, "green"), (330, "pale")),
    "wheat": ((1, "sprout"), (70, "sprout"), (110, "green"), (168, "dense"), (192, "ripe"),
              (210, "stubble"), (245, "bare"), (305, "bare"), (335, "sprout")),
    "barley": ((1, "sprout"), (65, "sprout"), (100, "green"), (160, "green"), (180, "ripe"),
               (196, "stubble"), (235, "bare"), (305, "bare"), (335, "sprout")),
    "maize": ((1, "bare"), (135, "bare"), (165, "green"), (195, "dense"), (250, "green"),
              (270, "yellowing"), (280, "bare")),
    "rapeseed": ((1, "sprout"), (75, "green"), (112, "dense"), (122, "flower"), (140, "flower"),
                 (155, "dense"), (180, "yellowing"), (198, "ripe"), (212, "stubble"), (245, "bare"),
                 (300, "bare"), (335, "sprout")),
    "sugarbeet": ((1, "bare"), (125, "bare"), (165, "green"), (190, "dense"), (265, "dense"),
                  (280, "bare")),
    "fallow": ((1, "bare"), (110, "sprout"), (150, "pale"), (240, "yellowing"), (280, "bare")),
    "orchard": ((1, "pale"), (95, "pale"), (130, "green"), (250, "green"), (300, "pale")),
    "vineyard": ((1, "bare"), (120, "bare"), (170, "pale"), (250, "pale"), (300, "bare")),
    "garden": ((1, "pale"), (90, "pale"), (130, "green"), (260, "green"), (310, "pale")),
    "broadleaf": ((1, "twigs"), (100, "twigs"), (130, "leaves"), (255, "leaves"), (290, "autumn"),
                  (320, "twigs")),
    "mixed": ((1, "needles"), (100, "needles"), (130, "leaves"), (255, "leaves"), (300, "needles")),
    "conifer": ((1, "needles"),),
    "soil": ((1, "bare"),),
    "wetland": ((1, "marsh"), (110, "marsh"), (160, "green"), (240, "marsh")),
}  # fmt: skip
"""Day of year -> pure surface, blended linearly in between. What is not listed never changes."""


def reflectance(spectrum: str, day: int) -> NDArray[np.float32]:
    """Surface reflectance (band,) of a spectrum on a day of the year, 0..1, bands as in `BANDS`."""
    knots = CALENDAR.get(spectrum, ((1, spectrum),))
    knots = (*knots, (knots[0][0] + 365, knots[0][1]))
    for (first, before), (last, after) in pairwise(knots):
        if first <= day <= last:
            share = (day - first) / (last - first)
            low, high = np.array(SPECTRA[before]), np.array(SPECTRA[after])
            return np.asarray(low + (high - low) * share, dtype=np.float32)
    return np.asarray(SPECTRA[knots[-1][1]], dtype=np.float32)

"""AGBD: above-ground biomass of lidar footprints, and what satellites see of them.

Sialelli et al., AGBD: A Global-scale Biomass Dataset, arXiv 2406.04928. What is ours is listed under
`deviations` and in docs/datasets/agbd.md.

    python -m pipelines.build --dataset agbd --imagery IMAGES --shots GRANULES \\
        --palsar MOSAICS --dem DEM --canopy HEIGHTS --landcover CLASSES
"""

from schemas.recipes import Card, Pack, Recipe
from schemas.sensors import L2A_BANDS
from transforms import (
    encode,
    footprints,
    imagery,
    layers,
    normalising,
    tile_splits,
    windows,
)
from transforms.footprints import around

RECIPE = Recipe(
    card=Card(
        name="agbd",
        version="1.0.0",
        title="AGBD, rebuilt: above-ground biomass of lidar footprints from satellite imagery",
        summary=(
            "Every sample is one footprint of the GEDI lidar with its above-ground biomass density in "
            "Mg/ha, and the 25 x 25 pixels of 10 m around it: Sentinel-2 surface reflectance of the "
            "scene that was taken last before the shot, its scene classification, PALSAR-2 "
            "backscatter, elevation, canopy height and land cover, all on the scene's own grid."
        ),
        tasks=("tabular-regression",),
        cite=(
            "@article{sialelli2024agbd,\n"
            "  title={{AGBD}: A Global-scale Biomass Dataset},\n"
            "  author={Sialelli, Ghjulia and Peters, Torben and Wegner, Jan D. and Schindler, Konrad},\n"
            "  journal={arXiv preprint arXiv:2406.04928},\n"
            "  year={2024}\n}"
        ),
        url="https://arxiv.org/abs/2406.04928",
        deviations=(
            "The offset of Sentinel-2 numbers is removed by processing baseline. The original decides by "
            "date, so that most of its reflectances are probably 0.1 too bright.",
            "Statistics leave fill out. In the original's, fill of the radar mosaics counts as -83 dB.",
            "The scene is the nearest one before the shot, within 180 days; the original's matcher takes "
            "the first hit of a calendar month.",
            "Each shot is one sample, however many tiles overlap there, and samples of different splits "
            "keep a distance. Tiles of the original overlap by 10 km.",
            "Shots of a first production of release 002 are left out: their biomass is wrong where "
            "algorithm 10 is selected.",
            "Latitude and longitude are numbers of 64 bits under full names; the original stores an "
            "unsigned whole part, and loses the sign of some.",
            "Beam, flags, slope and algorithm stand beside each sample, so that users can be stricter.",
            "Latitude falls with the row of a patch; the original's encoding adds the row to it.",
        ),
    ),
    start=footprints.Shots(),
    plan=(
        imagery.Nearest(
            date="_sensed", before=True, max_days=180, sensor="sentinel-2", reach_m=130
        ),
        windows.Centred(px=25, odd=True),
        layers.Find("palsar", year="image"),
        layers.Find("dem"),
        layers.Find("canopy"),
        layers.Find("landcover"),
        tile_splits.ByTile(),
    ),
    make=(
        imagery.Read(bands=L2A_BANDS, resampling="bilinear", mask=True),
        around.Vegetated(),
        layers.Read("palsar", bands=("HH", "HV"), fill=0, dtype="uint16"),
        layers.Read("dem", bands=("elevation",), fill=-9999, dtype="int16"),
        layers.Read("canopy", bands=("height", "std"), fill=255, dtype="uint8"),
        around.CanopyKnown(),
        layers.Read(
            "landcover",
            bands=("class", "probability"),
            resampling="nearest",
            fill=255,
            dtype="uint8",
        ),
        around.Slope(),
        normalising.Sums(),
    ),
    pack=Pack(
        members={
            "s2.geotiff": encode.GeoTiff(),
            "scl.geotiff": encode.GeoTiff("mask"),
            "palsar.geotiff": encode.GeoTiff("palsar"),
            "dem.geotiff": encode.GeoTiff("dem"),
            "canopy.geotiff": encode.GeoTiff("canopy"),
            "landcover.geotiff": encode.GeoTiff("landcover"),
            "json": encode.Json(),
        },
    ),
    tables=(normalising.Normalisation(),),
    roles=("imagery", "shots", "palsar", "dem", "canopy", "landcover"),
    label="pft_class",
)

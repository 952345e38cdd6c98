"""SSL4Eco: Sentinel-2 all over the land, equally dense, on dates that plants set.

Plekhanova et al., SSL4Eco: A global seasonal dataset for geospatial foundation models in ecology,
EarthVision workshop 2025, arXiv 2504.18256. What is ours is listed under `deviations` and in
docs/datasets/ssl4eco.md. The original's code and data are not public.

    python -m pipelines.build --dataset ssl4eco --imagery earth-engine:S2 \\
        --phenology earth-engine --land LAND.gpkg
    python -m pipelines.build --dataset ssl4eco --set seasons.calendar=true     # SSL4Eco-Calendar
"""

from schemas.recipes import Card, Pack, Recipe
from schemas.sensors import L2A_BANDS
from transforms import encode, gates, imagery, samplers, seasons, splits, windows
from transforms.seasons import greenness, sampling, skies, weights
from transforms.seasons.tables import Comparison, ImageTable

RECIPE = Recipe(
    card=Card(
        name="ssl4eco",
        version="1.0.0",
        title="SSL4Eco, rebuilt: Sentinel-2 through the plants' seasons, evenly over the land",
        summary=(
            "Every sample is a place on land, one for each cell of 23 km of a grid of equal area, with "
            "two to four Sentinel-2 images of 256 x 256 pixels of 10 m: one from each of the "
            "seasons that the plants there have, by the satellite's record of greenup, maturity, "
            "senescence and dormancy. Twelve bands a date, and NDVI beside them. The control set with "
            "the calendar's seasons is one switch away."
        ),
        tasks=("image-feature-extraction",),
        cite=(
            "@inproceedings{plekhanova2025ssl4eco,\n"
            "  title={SSL4Eco: A Global Seasonal Dataset for Geospatial Foundation Models in "
            "Ecology},\n"
            "  author={Plekhanova, Elena and Robert, Damien and Dollinger, Johannes and Arens, Emilia "
            "and Brun, Philipp and Wegner, Jan Dirk and Zimmermann, Niklaus E.},\n"
            "  booktitle={CVPR Workshops (EarthVision)},\n"
            "  year={2025}\n}"
        ),
        url="https://arxiv.org/abs/2504.18256",
        deviations=(
            "Rebuilt from the paper: the original's code and data are not public.",
            "Years, cycle and wrap at New Year are not stated there. Here: all product years given, of "
            "each place the cycle of the larger amplitude, medians of days from 1 January that run on "
            "past New Year.",
            "Places without phenology take that of the nearest pixel, as there; how far it is stands "
            "beside each (`pheno_fill_km`), and `seasons.max_km` sets a limit.",
            "The clearest image of a season is taken, as its main text says; its supplement asks for "
            "those near the middle, which `seasons.select=mid_season` does.",
            "Images of a place may be years apart, as there; `year_span_days` tells how far, and "
            "`seasons.max_year_span` sets a limit.",
            "NDVI is a file of its own in 32-bit numbers, not a thirteenth band among whole numbers.",
            "Pixels are stored without the radiometric offset that newer Sentinel-2 products carry.",
            "Splits are spatial with a buffer; the original has none.",
            "Every choice is fixed by the seed and the place.",
        ),
    ),
    start=sampling.Places(sampler="grid", km=23, over="land"),
    plan=(
        seasons.Phenology(),
        seasons.Images(
            select="min_cloud", calendar=False, first=2017, last=2024, max_cloud=20, least=2
        ),
        windows.Centred(px=256),
        splits.ByCell(km=20, buffer_km=5, val=0.1, test=0.1),
    ),
    make=(
        imagery.Read(bands=L2A_BANDS, resampling="bilinear"),
        gates.Valid(share=0.9),
        skies.Skies(),
        greenness.Ndvi(),
        weights.Weight(bare=0.1),
    ),
    pack=Pack(
        members={
            "jpg": encode.Jpeg(quality=90),
            "ms.geotiff": encode.GeoTiff(),
            "ndvi.geotiff": encode.GeoTiff(image="ndvi"),
            "json": encode.Json(),
        },
    ),
    tables=(ImageTable(), Comparison(days=30), samplers.Audit()),
    roles=("imagery", "phenology", "land", "mountains", "cities", "landcover"),
    optional=("land", "mountains", "cities", "landcover"),
    label="pheno_source",
)

"""Sen4AgriNet: a year of Sentinel-2 by month, with the crops that farmers have declared.

Sykas, Sdraka, Zografakis, Papoutsis, A Sentinel-2 Multiyear, Multicountry Benchmark Dataset for Crop
Classification and Segmentation With Deep Learning, IEEE JSTARS 15 (2022), arXiv 2204.00951. What is
ours is listed under `deviations` and in docs/datasets/sen4agrinet.md.

    python -m pipelines.build --dataset sen4agrinet --imagery IMAGES --parcels LPIS --codes CODES
"""

from schemas.recipes import Card, Pack, Recipe
from transforms import crops, encode, samplers, splits

PX = 366

RECIPE = Recipe(
    card=Card(
        name="sen4agrinet",
        version="1.0.0",
        title="Sen4AgriNet, rebuilt: a year of Sentinel-2 by month with declared crops",
        summary=(
            "Every sample is a patch of 366 x 366 pixels of 10 m in one year: twelve monthly medians of "
            "all Sentinel-2 bands, how many clear observations each pixel has in each month, and rasters "
            "of the farm parcels of that year: class of the FAO Indicative Crop Classification, parcel, "
            "distance to its edge. A table holds mean and standard deviation of every parcel, band and "
            "month; others hold the parcels themselves and three ways to split the patches."
        ),
        tasks=("image-segmentation", "tabular-classification"),
        cite=(
            "@article{sykas2022sen4agrinet,\n"
            "  title={A Sentinel-2 Multiyear, Multicountry Benchmark Dataset for Crop Classification and "
            "Segmentation With Deep Learning},\n"
            "  author={Sykas, Dimitrios and Sdraka, Maria and Zografakis, Dimitrios and Papoutsis, "
            "Ioannis},\n"
            "  journal={IEEE Journal of Selected Topics in Applied Earth Observations and Remote "
            "Sensing},\n"
            "  volume={15},\n  year={2022}\n}"
        ),
        url="https://arxiv.org/abs/2204.00951",
        deviations=(
            "Samples hold monthly medians; the original ships every acquisition and leaves months to "
            "its reader.",
            "Clouds and shadows stay out of the medians, by the scene's own mask. Without one the "
            "decision tree of Hollstein et al. looks for them, on Level-1C; `mask_by` says which.",
            "Months without a clear observation lie on a straight line in time through the two nearest, as "
            "in the original's reader, and count.geotiff marks them by 0. Values stay within what the "
            "type holds.",
            "Images of 1 January belong to January; the original's reader drops them.",
            "Level-2A imagery has no B10: 12 bands in the rasters, null in oad.parquet, whose columns stay "
            "315.",
            "A pixel belongs to the parcel that holds its centre; the original's rule is unknown. Where "
            "parcels overlap the smaller keeps the pixel.",
            "Parcel numbers count within a patch; patch_parcels.parquet names the parcels.",
            "oad.parquet has no row for the background, and its label is the declared crop. The original "
            "has a row for parcel 0 and takes the first value met.",
            "Statistics leave out a rim of 10 m within each parcel, and pixels count by the share that the "
            "parcel covers.",
            "Splits are spatial with a buffer; the original draws patches at random, stratified by class, "
            "so that parcels at patch borders are in two splits.",
            "The classes of a scenario are those that training and test both have; the original takes all "
            "that either has.",
        ),
    ),
    start=samplers.Tiles(px=PX, coarsest=10, finest=10),
    plan=(
        samplers.Acquisitions(max_cloud=100),
        samplers.Patch(),
        crops.Join(),
        crops.Mapped(unmapped=0.5),
        crops.Least(parcels=1, mapped=1),
        splits.ByCell(km=20, buffer_km=5, val=0.2, test=0.2),
        crops.OneSide(reach_m=1000),
    ),
    make=(
        crops.Months(),
        crops.Labels(rule="centre"),
        crops.Statistics(inner_m=10, pixels="exact"),
    ),
    pack=Pack(
        members={
            "ms.geotiff": encode.GeoTiff(),
            "count.geotiff": encode.GeoTiff(image="count"),
            "labels.geotiff": encode.GeoTiff(image="labels"),
            "json": encode.Json(),
        },
    ),
    tables=(
        crops.Oad(),
        crops.Numbers(),
        crops.Parcels(),
        crops.Lost(),
        crops.Mapping(),
        crops.Scenarios(),
    ),
    roles=("imagery", "parcels", "codes"),
    label="main_class",
    block=16,  # about 300 MB of members
)

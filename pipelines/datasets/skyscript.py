"""SkyScript: open imagery x OpenStreetMap tags, captions built by rule.

Wang et al., SkyScript: A Large and Semantically Diverse Vision-Language Dataset for Remote Sensing,
AAAI 2024, arXiv 2312.12856. The code that built the original is unpublished; what is ours is listed
under `deviations` and in docs/datasets/skyscript.md.

    python -m pipelines.build --dataset skyscript --imagery IMAGES --osm EXTRACT.osm.pbf
"""

from schemas.recipes import Card, Pack, Recipe
from transforms import (
    embeddings,
    encode,
    gates,
    hashes,
    imagery,
    osm,
    quotas,
    scores,
    splits,
    windows,
)
from transforms.packing import TopShare, Unlike

RECIPE = Recipe(
    card=Card(
        name="skyscript",
        version="1.0.0",
        title="SkyScript, rebuilt: image-text pairs from open imagery and OpenStreetMap",
        summary=(
            "Every sample is one OpenStreetMap object seen in one image: a window on the image's own "
            "pixel grid that holds the object whole, a caption of the object (title) and one that also "
            "names what surrounds it (title_multi_objects). Only tags that can be seen at the image's "
            "ground sampling distance enter a caption."
        ),
        tasks=("image-to-text", "zero-shot-image-classification"),
        cite=(
            "@inproceedings{wang2024skyscript,\n"
            "  title={SkyScript: A Large and Semantically Diverse Vision-Language Dataset for Remote "
            "Sensing},\n"
            "  author={Wang, Zhecheng and Prabha, Rajanie and Huang, Tianyuan and Wu, Jiajun and "
            "Rajagopal, Ram},\n"
            "  booktitle={Proceedings of the AAAI Conference on Artificial Intelligence},\n"
            "  year={2024}\n}"
        ),
        url="https://arxiv.org/abs/2312.12856",
        deviations=(
            "Object sampling, window size and offset of the original are unpublished: ours are recipe "
            "arguments with documented defaults.",
            "Which tag is visible at which GSD comes from a table, not from the original's trained "
            "classifier.",
            "Splits are spatial with a buffer; the original states no spatial split.",
            "Captions are the rule-built ones; the original's later polishing by a language model is "
            "not applied.",
            "Captions of aircraft pictures begin with 'an aerial image of' instead of 'a satellite "
            "image of'.",
            "The cut by an image-text score is made only where the build names a model; its share is an "
            "argument.",
            "Metadata is one table instead of one pickle for each image.",
        ),
    ),
    start=osm.Objects(),
    plan=(
        imagery.Find(max_cloud=20),
        osm.Visible(),
        windows.Around(min_px=64, max_px=768, margin=0.25, jitter=0.5),
        gates.DateGap(years=0),
        windows.Thin(px=64),
        quotas.PerClass(by="main_tag", cap=5000),
        osm.Nearby(most=10),
        splits.ByCell(km=20, buffer_km=5, val=0.1, test=0.1),
    ),
    make=(
        imagery.Read(bands=("red", "green", "blue", "nir")),
        gates.Valid(share=0.98),
        gates.NotBlank(),
        osm.Captions(),
        hashes.Perceptual(),
    ),
    annotate=(  # each where a model is named: --set scores.model, --set embeddings.model
        scores.ImageText(text="title"),
        embeddings.Images(),
    ),
    pack=Pack(
        keep=(TopShare("clip_score", 0.5), Unlike()),
        members={
            "rgb.jpg": encode.Jpeg(quality=90),
            "ms.geotiff": encode.GeoTiff(),
            "txt": encode.Text("title"),
            "json": encode.Json(),
        },
    ),
    label="main_tag",
)

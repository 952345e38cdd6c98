"""RSTeller: captions of aerial patches from OpenStreetMap tags and geometry.

Ge et al., RSTeller: Scaling up visual language modeling in remote sensing with rich linguistic
semantics from openly available data and large language models, arXiv 2408.14744. What is ours is
listed under `deviations` and in docs/datasets/rsteller.md.

    python -m pipelines.build --dataset rsteller --imagery IMAGES --osm EXTRACT.osm.pbf
"""

from schemas.recipes import Card, Pack, Recipe
from transforms import elements, encode, gates, hashes, imagery, patches, splits, telling

PX, GSD = 448, 0.6

RECIPE = Recipe(
    card=Card(
        name="rsteller",
        version="1.0.0",
        title="RSTeller, rebuilt: captions of aerial patches from OpenStreetMap tags and geometry",
        summary=(
            "Every sample is a patch of 448 x 448 pixels of 0.6 m with one element of the map in it, an "
            "area or a line, and two captions: one that says what it is, where it lies and how it "
            "runs, and one that says so otherwise. Whoever writes a caption knows only tags and "
            "geometry, never the picture. What can be seen and what only the map knows stand apart."
        ),
        tasks=("image-to-text", "zero-shot-image-classification"),
        cite=(
            "@article{ge2024rsteller,\n"
            "  title={RSTeller: Scaling Up Visual Language Modeling in Remote Sensing with Rich "
            "Linguistic Semantics from Openly Available Data and Large Language Models},\n"
            "  author={Ge, Junyao and Zhang, Xu and Zheng, Yang and Guo, Kaitai and Liang, Jimin},\n"
            "  journal={arXiv preprint arXiv:2408.14744},\n"
            "  year={2024}\n}"
        ),
        url="https://arxiv.org/abs/2408.14744",
        deviations=(
            "Without a captioner captions are made by rule; with one by that one. The original's are "
            "written by two language models, whichever was free.",
            "Left is west. The original's prompts tell the model that left is east, so east and west "
            "in its captions may be swapped; `telling.Prompts.mirrored` repeats that on request.",
            "Straight lines are straight: the original's rounding calls some of them broken.",
            "Lengths and areas are measured on the ellipsoid at each patch. The original measures "
            "American ground in a Spanish projection, up to 3 % off.",
            "Every choice is a hash of the seed and the patch. The original has no seed.",
            "Places lie on one grid of the globe, so overlapping images give no near-identical patches.",
            "What can be seen and what only the map knows are separate columns; the original mixes "
            "both, and lets a rewrite add outside knowledge.",
            "Checks of texts know all of Unicode: a name keeps its spelling. The original refuses "
            "names beyond English letters.",
            "Tags, object ids, prompts, coordinates, dates and splits stand beside each caption, "
            "which the original leaves out or ships elsewhere.",
            "Splits are spatial with a buffer, and no element is in two splits; the original has none.",
            "Whatever is underground, indoors, planned or gone is not told of.",
            "The map is the extract that was given, not that of thirty days after each image; "
            "`date_gap_days` tells how far both are apart.",
        ),
    ),
    start=patches.Grid(side_m=PX * GSD, step=2, drop=0.0, coarsest=GSD),
    plan=(
        imagery.Find(max_cloud=20, coarsest=GSD),
        patches.Square(px=PX, gsd=GSD),
        elements.Choose(area=0.05, length=0.3, top=3, areas=0.6),
        elements.Describe(few=2),
        gates.DateGap(years=0),
        splits.ByCell(km=20, buffer_km=5, val=0.1, test=0.1),
        splits.OneSide(reach_m=1000),
    ),
    make=(
        imagery.Read(bands=("red", "green", "blue"), resampling="average", planned=True),
        gates.Valid(share=0.98),
        gates.NotBlank(),
        hashes.Perceptual(),
        telling.Captions(),
        telling.Prompts(),
    ),
    annotate=(telling.Written(), telling.Rewrites(), telling.Rewritten()),
    pack=Pack(
        members={
            "jpg": encode.Jpeg(quality=90),
            "json": encode.Json(
                without=("prompt", "rewrite_prompt"),
                groups={
                    "metadata": {"patch_id": "patch_id", "image_name": "image_name"},
                    "annotations": [
                        {"task": "task", "text": "caption", "annotator": "annotator"},
                        {"task": 3, "text": "rewrite", "annotator": "rewrite_annotator"},
                    ],
                },
            ),
        },
    ),
    label="element_tag",
)

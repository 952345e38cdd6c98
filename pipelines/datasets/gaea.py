"""GAEA-style questions: where is it, what is it, what is around it, answered from OpenStreetMap.

Campos et al., GAEA: A Geolocation Aware Conversational Assistant, WACV 2026, arXiv 2503.16423. The
original asks about photos taken on the ground and published no code; here the pictures are windows of
satellite or aerial images, and the questions come from templates.

    python -m pipelines.build --dataset gaea --imagery IMAGES --osm EXTRACT.osm.pbf
"""

from schemas.recipes import Card, Pack, Recipe
from transforms import (
    encode,
    gates,
    hashes,
    imagery,
    osm,
    places,
    questions,
    quotas,
    splits,
    windows,
)

RECIPE = Recipe(
    card=Card(
        name="gaea",
        version="1.0.0",
        title="GAEA-style questions about places seen from above",
        summary=(
            "Every sample is one OpenStreetMap object seen in one image, with questions of the kinds "
            "that GAEA asks: where the image lies, a long answer, short answers, multiple choice, true "
            "or false. Questions come from templates, and every answer can be computed again from the "
            "map attributes that stand beside it with the ids of their objects."
        ),
        tasks=("visual-question-answering", "image-to-text"),
        cite=(
            "@misc{campos2025gaea,\n"
            "  title={{GAEA}: A Geolocation Aware Conversational Assistant},\n"
            "  author={Campos, Ron and Vayani, Ashmal and Kulkarni, Parth Parag and Gupta, Rohit and "
            "Dutta, Aritra and Shah, Mubarak},\n"
            "  year={2025},\n  eprint={2503.16423},\n  archivePrefix={arXiv}\n}"
        ),
        url="https://arxiv.org/abs/2503.16423",
        deviations=(
            "Pictures are windows of satellite or aerial images; the original's are photos taken on the "
            "ground (MP-16, GLDv2, CityGuessr), which cannot be passed on.",
            "Questions and answers come from templates; the original had them written by language "
            "models, and published neither code nor prompts.",
            "The attributes that an answer rests on are stored with the ids of their objects; the "
            "original stores none.",
            "Wrong alternatives are of the right one's category and surely not on the map within the "
            "image; radius and rule of the original are unpublished.",
            "Climate zones and clues of the country are not used.",
            "Splits are spatial with a buffer, so that no image and no place is on two sides.",
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
        osm.Present(),
        places.Near(most=10, km=100),
        splits.ByCell(km=20, buffer_km=5, val=0.1, test=0.1),
    ),
    make=(
        imagery.Read(bands=("red", "green", "blue")),
        gates.Valid(share=0.98),
        gates.NotBlank(),
        questions.Questions(),
        hashes.Perceptual(),
    ),
    pack=Pack(
        members={
            "rgb.jpg": encode.Jpeg(quality=90),
            "json": encode.Json(),
        },
    ),
    label="main_tag",
)

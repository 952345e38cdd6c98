"""Vectors of pictures by an encoder that comes in a package; the real one where it is installed."""

import importlib.util
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

import building
from building import arguments, release
from catalogs.files import read_json
from catalogs.releases.verify import verify
from catalogs.sources import models
from pipelines.datasets.skyscript import RECIPE
from schemas.errors import UsageError
from schemas.near import cosines
from small_world import World
from text_recipes import build, rows, text_recipe
from transforms.packing import Unlike

DATA = Path(__file__).parents[3] / "shared" / "data"
CUT = next(cut.cosine for cut in RECIPE.pack.keep if isinstance(cut, Unlike))
installed = pytest.mark.skipif(
    importlib.util.find_spec("geoembed") is None, reason="needs the extra `encoders`"
)


def test_a_package_that_is_not_installed_is_named(
    world: World,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(models.importlib.util, "find_spec", lambda name: None)
    argv = arguments(world, tmp_path, "--set", "embeddings.model=geoembed")
    assert building.main(argv) == 2
    assert "geoembed: the package is not installed: pip install 'earthloom[encoders]'" in (
        capsys.readouterr().err
    )


def test_a_folder_of_that_name_is_no_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "geoembed").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=r"holds no config\.json"):
        models.find("geoembed")
    assert not models.packaged("geoembed@sha256:0123456789abcdef")


@installed
def test_a_picture_encoder_gives_no_scores_and_no_texts(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = arguments(world, tmp_path, "--set", "scores.model=geoembed")
    assert building.main(argv) == 2
    assert "makes vectors of pictures alone; scores.ImageText needs" in capsys.readouterr().err
    assert build(text_recipe(), arguments(world, tmp_path, "--captioner", "geoembed")) == 2
    assert "--captioner geoembed: makes vectors of pictures, no texts" in capsys.readouterr().err


@installed
@pytest.mark.slow
def test_vectors_are_those_of_the_package(world: World, tmp_path: Path) -> None:
    argv = arguments(world, tmp_path, "--limit", "6", "--set", "embeddings.model=geoembed")
    assert building.main(argv) == 0
    assert verify(release(tmp_path)) == []
    from geoembed import Model, __version__

    encoder = Model.v3(device="cpu", num_workers=0)
    found = rows(tmp_path)
    assert found
    for row in found:
        data = (release(tmp_path) / "data" / row["shard"]).read_bytes()
        start = row["rgb_jpg_offset"]
        picture = Image.open(io.BytesIO(data[start : start + row["rgb_jpg_size"]]))
        expected = encoder.encode(picture)
        np.testing.assert_allclose(row["image_embedding"], expected, atol=2e-6)
        assert row["image_embedding_model"] == f"geoembed@{__version__}"
    told = read_json(release(tmp_path) / "provenance" / "models.json")
    assert "'weights': 'v3'" in str(told)
    table = pq.read_schema(release(tmp_path) / "metadata" / "samples.parquet")
    assert str(table.field("image_embedding").type) == "fixed_size_list<element: float>[256]"


@pytest.fixture(scope="module")
def chips() -> Iterator[list[Any]]:
    """Twelve real aerial chips, 256 px, of different places in one town."""
    files = sorted((DATA / "banepa_oam_osm" / "chips").glob("*.tif"))[::4]
    found = []
    for path in files:
        with Image.open(path) as picture:
            found.append(np.asarray(picture.convert("RGB")))
    yield found


@installed
@pytest.mark.slow
@pytest.mark.realdata
@pytest.mark.skipif(not DATA.is_dir(), reason="the real data is not beside the repository")
def test_the_cut_tells_copies_of_real_chips_from_other_chips(chips: list[Any]) -> None:
    from transforms.models.packaged import GeoEmbed

    encoder = GeoEmbed(models.find("geoembed").identity)

    def vectors(pictures: list[Any]) -> Any:
        ready = [encoder.prepared(Image.fromarray(p)) for p in pictures]
        return encoder.pictures([lambda one=one: one for one in ready])

    def recompressed(pixels: Any) -> Any:
        stream = io.BytesIO()
        Image.fromarray(pixels).save(stream, "JPEG", quality=75)
        return np.asarray(Image.open(stream))

    plain = vectors([chip[64:320, 64:320] for chip in chips])
    for copies in (
        [recompressed(chip[64:320, 64:320]) for chip in chips],
        [chip[72:328, 64:320] for chip in chips],
        [np.clip(chip[64:320, 64:320] * 1.1, 0, 255).astype(np.uint8) for chip in chips],
    ):
        alike = cosines(plain, vectors(copies))
        assert alike.min() >= CUT, alike
    a, b = np.triu_indices(len(chips), 1)
    others = cosines(plain[a], plain[b])
    assert others.max() < CUT, others.max()

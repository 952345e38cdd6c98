"""`provenance/`: the run, its configuration, its environment and every source it read."""

import importlib.metadata
import os
import platform
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from catalogs.files import write_bytes, write_json
from catalogs.releases.tables import WRITE
from catalogs.releases.times import aware
from schemas.release import Staging
from schemas.scenes import Scene
from schemas.sources import Version

FILES = pa.list_(
    pa.struct(
        [
            ("href", pa.string()),  # without query string
            ("etag", pa.string()),
            ("modified", pa.string()),  # Last-Modified as the server states it
            ("size", pa.int64()),
            ("checksum", pa.string()),  # sha256 as the catalogue declares it
        ]
    )
)
"""The files of a scene that were read over the network, as their servers told them apart."""

SOURCES = pa.schema(
    [
        ("id", pa.string()),  # `collection/id` of a scene, `role:NAME` of a role's source
        ("role", pa.string()),
        ("title", pa.string()),
        ("collection", pa.string()),
        ("href", pa.string()),  # without query string
        ("checksum", pa.string()),
        ("size", pa.int64()),
        ("baseline", pa.string()),
        ("platform", pa.string()),
        ("cloud", pa.float64()),
        ("datetime", pa.timestamp("us", tz="UTC")),
        ("license", pa.string()),
        ("attribution", pa.string()),
        ("generated", pa.bool_()),
        ("files", FILES),  # read over the network; none of a source on disk
        ("search", pa.string()),  # JSON: address, collections, area, counts; "" when not searched
    ]
)

ASKED = pa.schema(
    [
        ("sample", pa.string()),  # key of the sample, shipped or not
        ("text", pa.string()),  # column that the answer was for
        ("request", pa.string()),  # SHA-256 of the canonical question: the answer's name
        ("status", pa.int32()),  # of the HTTP answer
        ("retrieved", pa.string()),  # when it came, UTC
        ("server", pa.string()),  # what the server calls itself
        ("sha256", pa.string()),  # of the answer's body
        ("bytes", pa.int64()),  # of the answer's body
    ]
)
"""`requests.parquet`: one row for each question that a service has answered."""

PACKAGES = (
    "affine", "apache-beam", "deflate", "earthengine-api", "exactextract", "geoembed",
    "geopandas", "google-api-python-client", "google-auth", "h5py", "httplib2",
    "huggingface-hub", "jsonschema", "numpy", "onnxruntime", "osmium", "pillow", "pyarrow",
    "pyogrio", "pyproj", "pystac", "pystac-client", "pyyaml", "rasterio", "requests", "rich",
    "scipy", "shapely", "torch", "transformers", "ukis-csmask", "urllib3",
)  # fmt: skip
"""Distributions that the engine imports, where they are installed; a test compares them with its
imports."""


def write_provenance(folder: Path, staging: Staging) -> None:
    """Write run.json, config.yaml, environment.txt and sources.parquet; of models what there is to say."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "run.json", run_record(staging.run))
    write_bytes(folder / "config.yaml", config(staging.settings))
    write_bytes(folder / "environment.txt", environment().encode())
    table = pa.Table.from_pylist(sorted(sources(staging), key=lambda r: r["id"]), SOURCES)
    pq.write_table(table, folder / "sources.parquet", row_group_size=20_000, **WRITE)
    if staging.models:
        write_json(folder / "models.json", list(staging.models))
    if staging.asked:
        asked = pa.Table.from_pylist(list(staging.asked), ASKED)
        pq.write_table(asked, folder / "requests.parquet", row_group_size=20_000, **WRITE)


def run_record(run: dict[str, Any]) -> dict[str, Any]:
    """The run as told; its `volatile` part (times, hosts, paths) is left out where bytes must not
    differ between two runs, which `SOURCE_DATE_EPOCH` asks for."""
    if os.environ.get("SOURCE_DATE_EPOCH"):
        return {name: value for name, value in run.items() if name != "volatile"}
    return run


def config(settings: dict[str, Any]) -> bytes:
    """The resolved configuration as YAML with sorted keys."""
    text: str = yaml.safe_dump(plain(settings), sort_keys=True, allow_unicode=True)
    return text.encode()


def plain(value: Any) -> Any:
    """`value` in types that YAML and JSON know."""
    if isinstance(value, dict):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        items = sorted(value, key=str) if isinstance(value, set | frozenset) else value
        return [plain(item) for item in items]
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)


def environment() -> str:
    """Versions of Python, of the packages that the engine imports and of their libraries."""
    lines = [f"python=={platform.python_version()}"]
    for name in PACKAGES:
        try:
            lines.append(f"{name}=={importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    lines += [f"{name}=={version}" for name, version in libraries().items() if version]
    return "\n".join(lines) + "\n"


def libraries() -> dict[str, str]:
    """Versions of the C libraries in these packages, by `package:library`; "" where unknown.

    Each package brings its own: pixels go through rasterio's GDAL, tables through pyogrio's.
    """
    import pyogrio
    import pyproj
    import rasterio
    import shapely
    from PIL import features

    return {
        "pillow:libjpeg": features.version("jpg") or "",
        "pillow:libjpeg-turbo": features.version("libjpeg_turbo") or "",
        "pyogrio:gdal": pyogrio.__gdal_version_string__,
        "pyproj:proj": pyproj.proj_version_str,
        "rasterio:gdal": rasterio.__gdal_version__,
        "rasterio:geos": rasterio.__geos_version__,
        "rasterio:proj": rasterio.__proj_version__,
        "shapely:geos": shapely.geos_version_string,
    }


def sources(staging: Staging) -> Iterator[dict[str, Any]]:
    """One row for each scene and for each role's source."""
    imagery = {c.licence: c.generated for c in staging.credits if "pixels" in c.parts}
    for key, scene in staging.scenes.items():
        yield {
            "id": key,
            "role": "imagery",
            "title": scene.provider,
            "collection": scene.collection,
            "href": unsigned(scene.bands[0].href) if scene.bands else "",
            "checksum": scene.checksum,
            "size": scene.size,
            "baseline": scene.baseline,
            "platform": scene.platform,
            "cloud": scene.cloud,
            "datetime": scene.datetime,
            "license": scene.licence,
            "attribution": scene.attribution,
            "generated": imagery.get(scene.licence, False),
            "files": list(files(scene, staging.files)),
            "search": "",
        }
    for credit in staging.credits:
        yield {
            "id": f"role:{credit.role}",
            "role": credit.role,
            "title": credit.title,
            "collection": "",
            "href": unsigned(credit.location),
            "checksum": credit.checksum,
            "size": credit.size,
            "baseline": "",
            "platform": "",
            "cloud": None,
            "datetime": aware(credit.datetime) if credit.datetime else None,
            "license": credit.licence,
            "attribution": credit.attribution,
            "generated": credit.generated,
            "files": [],
            "search": credit.search,
        }


def files(scene: Scene, versions: Mapping[str, Version]) -> Iterator[dict[str, Any]]:
    """What is known of a scene's files that were read over the network, in the order of its bands."""
    declared = {band.href: band.checksum for band in scene.bands}
    for href in declared:
        if version := versions.get(href):
            yield {
                "href": unsigned(href),
                "etag": version.etag,
                "modified": version.modified,
                "size": version.size,
                "checksum": declared[href],
            }


def unsigned(href: str) -> str:
    """A location without query, fragment and user; of a local path only the file's name."""
    parts = urlsplit(href)
    if parts.scheme in ("", "file") or len(parts.scheme) == 1:
        return Path(parts.path).name
    return urlunsplit((parts.scheme, parts.netloc.rsplit("@", 1)[-1], parts.path, "", ""))

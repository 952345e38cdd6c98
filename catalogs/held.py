"""A raster that is open, and what is known of it."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from catalogs.rasters import open_raster, remote_of, said
from catalogs.sources.chunks import Remote
from schemas.errors import Fault
from schemas.scenes import Band

if TYPE_CHECKING:
    from rasterio.io import DatasetReader


@dataclass(slots=True)
class Held:
    """An open raster, and what has been asked of it.

    Attributes:
        dataset: open for reading.
        remote: the version of a remote file that its bytes are of, None of one on disk.
        size: bytes of its file.
        place: (width, height, six numbers of the affine).
        systems: by CRS, whether it is in it.
        mask: 1-based number of its alpha band (0: none), and whether it has a mask of its own; None
            until asked for.
        tiles: by band, bytes [start, stop) of the TIFF tiles at (column, row).
    """

    dataset: "DatasetReader"
    remote: Remote | None
    size: int
    place: tuple[float, ...]
    systems: dict[str, bool] = field(default_factory=dict)
    mask: tuple[int, bool] | None = None
    tiles: dict[int, dict[tuple[int, int], tuple[int, int] | None]] = field(default_factory=dict)


def opened(href: str) -> Held:
    """A raster opened.

    Raises:
        Fault: as `open_raster`.
    """
    remote = remote_of(href)
    dataset = open_raster(href, remote)
    size = Path(href).stat().st_size if remote is None else remote.size
    place = (dataset.width, dataset.height, *tuple(dataset.transform)[:6])
    return Held(dataset, remote, size, place)


def same_file(band: Band, held: Held) -> None:
    """Refuse a file that is not the one that the catalogue or the plan has seen.

    Raises:
        Fault: `checksum` where its size is not the declared one, `changed_source` where its entity
            tag is another than when the plan read its header.
    """
    if band.size and held.size != band.size:
        raise Fault(
            "checksum",
            f"{said(band.href)}: has {held.size:,} bytes, its catalogue says {band.size:,}; it was cut "
            "or replaced: mend it, or its catalogue",
            retryable=True,
        )
    if held.remote is not None and band.etag and held.remote.version.etag not in ("", band.etag):
        why = f"{said(band.href)}: changed after it was planned; run again"
        raise Fault("changed_source", why, retryable=True)


def masks_of(dataset: "DatasetReader") -> tuple[int, bool]:
    """The 1-based number of a file's alpha band (0: none), and whether it has a mask of its own.

    A mask lies inside a GeoTIFF, or on disk beside it (`.msk`); one beside a file on another host is
    not looked for. One that GDAL derives from nodata or alpha is not counted.
    """
    kinds = [kind.name for kind in dataset.colorinterp]
    flags = [{flag.name for flag in band} for band in dataset.mask_flag_enums]
    derived = {"all_valid", "nodata", "alpha"}
    alpha = kinds.index("alpha") + 1 if "alpha" in kinds else 0
    return alpha, any(not band & derived for band in flags)


def tile_of(dataset: Any, index: int, right: int, down: int) -> tuple[int, int] | None:
    """Bytes [start, stop) of a tile; None where it is empty or beyond the image."""
    at = f"{right}_{down}"
    start = dataset.get_tag_item(f"BLOCK_OFFSET_{at}", "TIFF", bidx=index)
    size = dataset.get_tag_item(f"BLOCK_SIZE_{at}", "TIFF", bidx=index)
    return (int(start), int(start) + int(size)) if start and size else None

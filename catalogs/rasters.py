"""The one place that opens rasters: drivers by content, sizes before reading, no outside access."""

import logging
import os
import threading
import warnings
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from catalogs.sources.chunks import Remote
from catalogs.sources.net.redact import bare, scrub
from catalogs.sources.remote import FAULTS, ahead, opened
from schemas.errors import Fault

if TYPE_CHECKING:
    import rasterio
    from rasterio.io import DatasetReader

MAGIC = {
    b"II*\x00": "GTiff",
    b"MM\x00*": "GTiff",
    b"II+\x00": "GTiff",
    b"MM\x00+": "GTiff",
    b"\x00\x00\x00\x0cjP": "JP2OpenJPEG",
    b"\xff\x4f\xff\x51": "JP2OpenJPEG",
    b"\x89PNG": "PNG",
    b"\xff\xd8\xff": "JPEG",
}
"""First bytes -> the only driver that may open such a file. Anything else is refused."""

EXPANSION = 2000
"""Largest believable ratio of declared to stored bytes; deflate itself ends at 1,032 (RFC 1951)."""

SUSPECT = 1 << 28
"""Declared bytes from which `EXPANSION` is held against a file."""

READ_LIMIT = 1 << 30
"""Largest single read in bytes."""

ENVIRONMENT = {
    "GDAL_SKIP": "VRT,WMS,WCS,WMTS,GTI,HTTP,PLMOSAIC,STACIT,STACTA,DAAS,EEDAI,PDF",
    "OGR_SKIP": "OGR_VRT,GDALG,WFS,OAPIF,OGCAPI,CSW,HTTP,EEDA,Elasticsearch,Carto,AmigoCloud,PLSCENES,"
    "NGW,ADBC,GPSBabel",
    "GDAL_NUM_THREADS": "1",
    "GDAL_CACHEMAX": "512",  # MB for each process: two rows of tiles of a four-band scene need 100
    "GDAL_DISABLE_READDIR_ON_OPEN": "TRUE",
    "GDAL_VRT_ENABLE_RAWRASTERBAND": "NO",
    "GDAL_PAM_ENABLED": "YES",
    "PROJ_NETWORK": "OFF",
    "GDAL_ERROR_ON_LIBJPEG_WARNING": "TRUE",  # grey stripes are no pixels
    "CPL_LOG": os.devnull,
}
"""Set before GDAL is loaded; some of these have no effect afterwards."""


def guard_environment() -> None:
    """Export `ENVIRONMENT` to this process and its children, keeping what the user has set."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    logging.getLogger("rasterio._env").addFilter(_told)


def _told(record: logging.LogRecord) -> bool:
    """Not that a driver to be left out is missing: GDAL is built with other drivers here than there."""
    return "unload from GDAL_SKIP" not in record.getMessage()


def driver_of(href: str, remote: Remote | None = None) -> str:
    """The GDAL driver that the file's first bytes call for.

    Args:
        remote: what is known of a remote file.

    Raises:
        Fault: `raster_missing`, `driver_not_allowed` for a VRT and other indirections,
            `not_a_raster` for the rest.
    """
    if remote is not None:
        head = remote.header[:64]
    elif (
        "://" in href
        or href.startswith("/vsi")
        or (":" in href and href.split(":", 1)[0].isupper())
    ):
        raise Fault("driver_not_allowed", f"{said(href)}: only plain raster files are opened")
    else:
        try:
            with Path(href).open("rb") as stream:
                head = stream.read(64)
        except OSError as error:
            raise Fault(
                "raster_missing", f"{said(href)}: {error.strerror}", retryable=True
            ) from error
    for magic, driver in MAGIC.items():
        if head.startswith(magic):
            return driver
    if head.lstrip()[:1] == b"<":
        raise Fault(
            "driver_not_allowed", f"{said(href)}: is XML (a VRT or service description), not pixels"
        )
    raise Fault("not_a_raster", f"{said(href)}: not a GeoTIFF, JPEG 2000, PNG or JPEG file")


def remote_of(href: str) -> Remote | None:
    """What is known of a remote file, None of one on disk.

    Raises:
        Fault: those of `net.client`.
    """
    return ahead().remote(href) if is_remote(href) else None


def open_raster(href: str, remote: Remote | None = None) -> "DatasetReader":
    """Open a raster for reading, with the one driver its content calls for.

    Args:
        remote: the version of a remote file that all bytes shall be of; None: the one there is now.

    Raises:
        Fault: as `driver_of` and `remote_of`, and `raster_unreadable`, `too_large`.
    """
    guard_environment()
    import rasterio
    from rasterio.errors import RasterioError

    _listen()
    remote = remote or remote_of(href)
    driver = driver_of(href, remote)
    how = {} if remote is None else {"opener": opened(remote)}
    try:
        dataset = rasterio.open(href, driver=driver, **how)
    except RasterioError as error:
        raise unreadable(href, error) from error
    itemsize = max(_itemsize(t) for t in dataset.dtypes)
    declared = dataset.width * dataset.height * dataset.count * itemsize
    stored = max(Path(href).stat().st_size if remote is None else remote.size, 1)
    if declared > SUSPECT and declared / stored > EXPANSION:
        dataset.close()
        raise Fault(
            "too_large",
            f"{said(href)}: declares {declared / 1e9:,.1f} GB of pixels in a file of {stored / 1e6:,.1f} MB",
        )
    return dataset


def said(href: str) -> str:
    """A location as a message may show it: what signs it may be part of a URL."""
    return bare(href) if is_remote(href) else href


def is_remote(href: str) -> bool:
    """Whether it is read over the network."""
    return href.startswith(("https://", "http://", "s3://", "gs://"))


def unreadable(href: str, error: Exception) -> Fault:
    """Why a raster could not be read: the network's reason where there is one, else GDAL's."""
    cause = error.__cause__ or error
    found = FAULTS.take(href) if is_remote(href) else None
    return found or Fault("raster_unreadable", f"{said(href)}: {scrub(str(cause))}", retryable=True)


@cache
def _listen() -> None:
    """Silence rasterio's warning of files without a place: the fault `no_crs` names them; hear the
    warnings of decoders, which go on with grey where the file is spoilt."""
    from rasterio.errors import NotGeoreferencedWarning

    warnings.filterwarnings("ignore", category=NotGeoreferencedWarning)
    logging.getLogger("rasterio").addHandler(_Spoilt(logging.WARNING))


class Noted(threading.local):
    """The latest complaint of a decoder in this thread."""

    text = ""


NOTED = Noted()


class _Spoilt(logging.Handler):
    """Notes what libjpeg says of spoilt data: in a TIFF it cannot be made an error by a setting."""

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the text of such a warning."""
        text = record.getMessage()
        if "JPEGLib:" in text or "libjpeg:" in text:
            NOTED.text = text.split(":", 1)[-1]


def _itemsize(dtype: str) -> int:
    return np.dtype(dtype).itemsize if dtype != "complex_int16" else 4


def session() -> "rasterio.Env":
    """A context in which many reads share one GDAL environment; each read sets one up otherwise."""
    guard_environment()
    import rasterio

    return rasterio.Env()

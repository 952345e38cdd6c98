"""Where a map lies, from its header alone: the file is neither read nor checked."""

from pathlib import Path

from catalogs.sources.feature_files import bounds_of_layers
from catalogs.sources.osm_files import sniff
from catalogs.sources.pbf_file import Pbf
from catalogs.sources.vector_kinds import table_of
from schemas.errors import SourceError
from schemas.windows import Bounds


def bounds_of(path: Path) -> Bounds | None:
    """(west, south, east, north) in degrees as an extract's header or a feature table states it.

    Returns:
        None where it states nothing.

    Raises:
        SourceError: missing, damaged, or no map.
    """
    if table_of(path):
        return bounds_of_layers(path)
    kind = sniff(path)
    if kind == "pbf":
        return Pbf(path).header.bbox
    import osmium

    try:
        with osmium.io.Reader(osmium.io.File(str(path), kind), osmium.osm.NOTHING) as reader:
            box = reader.header().box()
    except RuntimeError as error:
        raise SourceError(f"{path} cannot be read as OSM data ({error}): fetch it anew") from error
    if not box.valid():
        return None
    low, high = box.bottom_left, box.top_right
    return low.lon, low.lat, high.lon, high.lat

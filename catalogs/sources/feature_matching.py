"""Which objects of a feature table a question means: by bounding box, and by key."""

import json
import re
from collections.abc import Collection

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from schemas.errors import UsageError
from schemas.windows import Bounds

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


def has_key(tags: pa.Array, keys: Collection[str]) -> Mask:
    """Which of the JSON objects `tags` have one of the keys.

    Quotes within texts are escaped, so that an unescaped one after a brace or comma begins a key.
    """
    known = "|".join(re.escape(json.dumps(key, ensure_ascii=False)[1:-1]) for key in sorted(keys))
    found = pc.match_substring_regex(tags, f'[{{,]"(?:{known})":')
    bits = np.frombuffer(found.buffers()[1] or b"", np.uint8)
    flags = np.unpackbits(bits, bitorder="little")[found.offset :]
    result: Mask = flags[: len(found)].astype(bool)
    return result


def meeting(boxes: Floats, bounds: Bounds) -> Mask:
    """Which boxes (n, 4) meet `bounds`, borders included; west > east spans the antimeridian."""
    west, south, east, north = bounds
    starts, ends = boxes[:, 0] <= east, boxes[:, 2] >= west
    across = starts & ends if west <= east else starts | ends
    found: Mask = across & (boxes[:, 1] <= north) & (boxes[:, 3] >= south)
    return found


def wrapped(bounds: Bounds) -> Bounds:
    """A box with longitudes within 180 degrees; west > east where it spans the antimeridian.

    Raises:
        UsageError: the box is empty.
    """
    west, south, east, north = map(float, bounds)
    if not (south <= north and abs(west) < 1e3 and abs(east) < 1e3):
        raise UsageError(f"bounds {bounds}: empty, or not (west, south, east, north) in degrees")
    if east - west >= 360:
        return -180.0, south, 180.0, north
    return _turned(west), south, _turned(east), north


def _turned(lon: float) -> float:
    return lon if -180 <= lon <= 180 else (lon + 180) % 360 - 180

"""Members of made samples, read out of their block's payload when a step asks for them."""

import io
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from schemas.errors import Fault
from schemas.samples import Sample

if TYPE_CHECKING:
    from PIL.Image import Image


class Payload:
    """A block's bytes, opened at the first read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._handle: int | None = None

    def read(self, offset: int, size: int) -> bytes:
        """`size` bytes at `offset`; any thread may ask.

        Raises:
            Fault: `member_unreadable`.
        """
        try:
            if self._handle is None:
                self._handle = os.open(self.path, os.O_RDONLY)
            data = os.pread(self._handle, size, offset)
        except OSError as error:
            raise Fault("member_unreadable", f"{self.path.name}: {error.strerror}") from error
        if len(data) != size:
            raise Fault("member_unreadable", f"{self.path.name}: cut at {offset + len(data)}")
        return data

    def close(self) -> None:
        """Close the file."""
        handle, self._handle = self._handle, None
        if handle is not None:
            with suppress(OSError):
                os.close(handle)


class Members(Mapping[str, bytes]):
    """One sample's members by extension."""

    def __init__(self, payload: Payload, places: dict[str, tuple[int, int]]) -> None:
        self._payload, self._places = payload, places

    def __getitem__(self, extension: str) -> bytes:
        return self._payload.read(*self._places[extension])

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


def picture(sample: Sample, extension: str) -> "Image":
    """A member as an RGB picture with its pixels decoded.

    Raises:
        Fault: `member_unreadable`, `picture_unreadable`.
    """
    return opened(sample.members[extension])


def opened(data: bytes) -> "Image":
    """An encoded picture as RGB with its pixels decoded.

    Raises:
        Fault: `picture_unreadable`.
    """
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data)) as found:
            return found.convert("RGB")
    except Exception as error:  # Pillow raises whatever its decoders do
        fault = Fault("picture_unreadable", f"a picture cannot be decoded ({type(error).__name__})")
    raise fault

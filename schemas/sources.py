"""`Credit`: under which terms a source's content may be used, and whom to name for it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Credit:
    """Licence and attribution of one source in one role.

    Attributes:
        role: recipe role it fills: `imagery`, `osm`, ...
        title: what the source is, for people.
        location: where it was read from (path or URL without query).
        licence: SPDX id or LicenseRef-*.
        attribution: the exact credit line.
        parts: parts of a release that carry its content: `pixels`, `tables`, `texts`.
        checksum: sha256 of the file, "" when it is not one file.
        size: bytes, 0 when unknown.
        datetime: extract or acquisition time as ISO text, "" when unknown.
        generated: True for the sample world: the release must say that it depicts no real place.
        search: how it was searched and what was found, JSON text; "" when it was not searched.
        caveats: sentences on it that the card of a release must hold.
    """

    role: str
    title: str
    location: str
    licence: str
    attribution: str
    parts: tuple[str, ...]
    checksum: str = ""
    size: int = 0
    datetime: str = ""
    generated: bool = False
    search: str = ""
    caveats: tuple[str, ...] = ()

"""`Credit`: under which terms a source's content may be used; `Version`: which state of a file it was."""

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


@dataclass(frozen=True, slots=True)
class About:
    """What a source that is read from files says of itself.

    Attributes:
        title: what it is, for people.
        licence: SPDX id or LicenseRef-*.
        attribution: the exact credit line.
        checksum: sha256 of the content (of a folder: of the names and sums of its files).
        size: bytes.
        datetime: of the content, as ISO text; "" when unknown.
        parts: parts of a release that it feeds: `pixels`, `tables`, `texts`.
        notes: what people must be told, one sentence each.
    """

    title: str
    licence: str
    attribution: str
    checksum: str = ""
    size: int = 0
    datetime: str = ""
    parts: tuple[str, ...] = ("tables",)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Version:
    """One state of a remote file, as its server tells it from others.

    Attributes:
        size: bytes of the whole file.
        etag: strong entity tag with its quotes (RFC 9110, 8.8.3), "" when there is none.
        modified: `Last-Modified` as sent, "" when it is missing or too young to be trusted.
    """

    size: int
    etag: str = ""
    modified: str = ""

    def agrees(self, other: "Version") -> bool:
        """Whether nothing tells the two apart; what only one of them states tells nothing."""
        if self.size != other.size:
            return False
        if self.etag and other.etag:
            return self.etag == other.etag
        return not (self.modified and other.modified) or self.modified == other.modified

    def as_row(self) -> list[str | int]:
        """Plain JSON-able form: the fields in their order."""
        return [self.size, self.etag, self.modified]

    def __str__(self) -> str:
        """For people: tag or time, and size."""
        stated = self.etag or self.modified
        return f"{stated}, {self.size:,} bytes" if stated else f"{self.size:,} bytes"

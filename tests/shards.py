"""Samples of a release, read from its tar files with nothing but the standard library."""

import tarfile
from collections.abc import Iterator
from pathlib import Path


def samples(release: Path) -> Iterator[tuple[str, dict[str, bytes]]]:
    """(key, members by extension) of every sample, in the order of the tar files."""
    for path in sorted((release / "data").glob("*.tar")):
        held: dict[str, dict[str, bytes]] = {}
        with tarfile.open(path) as tar:
            for member in tar:
                key, _, extension = member.name.partition(".")
                stream = tar.extractfile(member)
                assert stream is not None
                held.setdefault(key, {})[extension] = stream.read()
        yield from held.items()

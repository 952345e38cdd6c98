"""Versions of remote files over all blocks: no release is made from two versions of one file."""

from collections.abc import Callable, Iterable, Mapping
from itertools import combinations

from catalogs.sources.net.redact import bare
from schemas.errors import BuildError, Fault
from schemas.sources import Version
from transforms.commits import Commit


def every(records: Iterable[Commit]) -> dict[str, set[Version]]:
    """The versions of each remote file that blocks were made from."""
    found: dict[str, set[Version]] = {}
    for record in records:
        for href, version in record.versions().items():
            found.setdefault(href, set()).add(version)
    return found


def mixed(records: Iterable[Commit]) -> list[str]:
    """Files that blocks saw in versions that do not agree."""
    return sorted(
        href for href, versions in every(records).items()
        if any(not one.agrees(two) for one, two in combinations(versions, 2))
    )  # fmt: skip


def known(records: Iterable[Commit]) -> dict[str, Version]:
    """The version of each remote file, as fully as any block saw it stated."""
    return {
        href: max(versions, key=lambda v: (bool(v.etag), bool(v.modified), v.as_row()))
        for href, versions in every(records).items()
    }


def outdated(
    records: Mapping[str, Commit], hrefs: Iterable[str], now: Callable[[str], Version]
) -> list[str]:
    """Blocks that were made from another version of these files than there is now.

    Args:
        records: by block.
        now: asks for a file's version.

    Raises:
        BuildError: a file cannot be asked.
    """
    current: dict[str, Version] = {}
    for href in hrefs:
        try:
            current[href] = now(href)
        except Fault as fault:
            raise BuildError(
                f"{bare(href)} changed while the build ran, and cannot be asked now: {fault.message}; "
                "what is made is kept: run again when it can"
            ) from fault
    return [
        name for name, record in records.items()
        if any(not version.agrees(current[href])
               for href, version in record.versions().items() if href in current)
    ]  # fmt: skip

"""What a file says of itself, together with what the command line says of it."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from catalogs.files import sha256
from catalogs.sources.terms import Override
from schemas.errors import SourceError, UsageError
from schemas.licences import licence
from schemas.sources import About


def content(location: Path, files: Sequence[Path], known: str = "") -> tuple[str, int]:
    """(SHA-256, bytes) of a file; of a folder over sums and names of its files, in that order.

    Args:
        location: the file, or the folder below which `files` lie.
        known: the sum, where it need not be worked out.
    """
    size = sum(path.stat().st_size for path in files)
    if known:
        return known, size
    if location.is_file() and len(files) == 1:
        return sha256(location), size
    below = location if location.is_dir() else location.parent
    named = ((path, path.relative_to(below).as_posix()) for path in files)
    lines = "".join(f"{sha256(path)}  {name}\n" for path, name in named)
    return hashlib.sha256(lines.encode()).hexdigest(), size


def about_file(location: Path, role: str, terms: Override, checksum: str, size: int) -> About:
    """The description of a file whose licence only the command line can tell.

    Raises:
        SourceError: it has no licence, an unknown one, or no credit line though that asks for one.
    """
    if not terms.licence:
        raise SourceError(
            f"--{role} {location}: carries no licence; say it with --license {role}=SPDX-ID"
        )
    try:
        found = licence(terms.licence, role)
    except UsageError as error:
        raise SourceError(f"--{role} {location}: {error}") from error
    if found.attribution and not terms.attribution:
        raise SourceError(
            f"--{role} {location}: {found.id} asks for a credit line; "
            f'say it with --attribution {role}="..."'
        )
    credit = terms.attribution or f"{location.name} ({found.title})"
    return About(location.stem, found.id, credit, checksum, size, terms.datetime)

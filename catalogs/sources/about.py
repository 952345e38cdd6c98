"""What a file says of itself, together with what the command line says of it."""

from pathlib import Path

from catalogs.sources.terms import Override
from schemas.errors import SourceError, UsageError
from schemas.licences import licence
from schemas.sources import About


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

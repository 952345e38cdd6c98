"""Licence, credit line and date of scenes: their own, else what the command line says."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from catalogs.sources.headers import parse_time
from schemas.errors import UsageError
from schemas.licences import licence
from schemas.scenes import Scene
from schemas.sources import Credit


@dataclass(frozen=True)
class Override:
    """What the command line says of a source that does not say it itself.

    Attributes:
        licence, attribution: for files that carry none.
        datetime: ISO time for images without a date.
        checksum: of the source's content where it is known already, so that workers do not read whole
            files for it again; no option of the command line.
    """

    licence: str = ""
    attribution: str = ""
    datetime: str = ""
    checksum: str = ""


def licensed(scene: Scene, override: Override, role: str = "imagery") -> Scene:
    """The scene with what only the command line knows; what the source says itself stands.

    Raises:
        UsageError: it has no licence, no credit line though its licence asks for one, or another
            licence than the command line says.
    """
    if not scene.licence and not override.licence:
        raise UsageError(
            f"--{role} {scene.id}: carries no licence; say it with --license {role}=SPDX-ID "
            f'(and --attribution {role}="...")'
        )
    if scene.licence and override.licence and scene.licence.lower() != override.licence.lower():
        raise UsageError(
            f"--license {role}={override.licence}: {scene.id} already declares {scene.licence}"
        )
    terms = licence(scene.licence or override.licence, role)
    credit = scene.attribution or override.attribution
    if terms.attribution and not credit:
        raise UsageError(
            f"--{role} {scene.id}: {terms.id} asks for a credit line; "
            f'say it with --attribution {role}="..."'
        )
    credit = credit or f"{scene.id} ({terms.title})"
    when = scene.datetime
    if when is None and override.datetime:
        try:
            when = parse_time(override.datetime)
        except ValueError as error:
            raise UsageError(f"--datetime {role}={override.datetime}: {error}") from error
    return replace(scene, licence=terms.id, attribution=credit, datetime=when)


def credits_of(
    scenes: Sequence[Scene],
    location: str,
    generated: bool = False,
    facts: str = "",
    caveats: tuple[str, ...] = (),
    role: str = "imagery",
) -> Iterator[Credit]:
    """One credit for each (collection, licence, attribution), as of its newest scene.

    Args:
        scenes: each with its terms.
        location, generated, caveats, role: as `Credit` has them.
        facts: `Credit.search`.
    """
    seen: dict[tuple[str, str, str], list[Scene]] = {}
    for scene in scenes:
        seen.setdefault((scene.collection, scene.licence, scene.attribution), []).append(scene)
    for (collection, terms, credit), group in sorted(seen.items()):
        times = sorted(s.datetime.date().isoformat() for s in group if s.datetime)
        yield Credit(
            role=role,
            title=collection if collection != "local" else Path(location).name,
            location=location,
            licence=terms,
            attribution=credit,
            parts=("pixels",),
            size=sum(s.size for s in group),
            datetime=times[-1] if times else "",
            generated=generated,
            search=facts,
            caveats=caveats,
        )

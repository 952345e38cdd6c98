"""When samples were seen: the span of their scenes, and what stands in when nobody recorded it."""

from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from schemas.release import Staging

Ints = npt.NDArray[np.int64]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NEVER = np.iinfo(np.int64).max


class Clock:
    """Looks up the time span of samples by their scene ids.

    Attributes:
        fallback: microseconds since 1970 that stand in for a sample whose scenes carry no time.
    """

    def __init__(self, staging: Staging) -> None:
        """Keep the times of the staging's dated scenes."""
        known = {key: s.datetime for key, s in staging.scenes.items() if s.datetime is not None}
        self.keys = pa.array(sorted(known), pa.string())
        self.micros = np.array([micros(known[key]) for key in sorted(known)], np.int64)
        self.fallback = micros(undated(staging))

    def spans(self, scene_ids: pa.ListArray) -> tuple[Ints, Ints, npt.NDArray[np.bool_]]:
        """(start, end, known) of each row: microseconds since 1970 UTC, the fallback if unknown."""
        rows, at = self._times(scene_ids)
        start, end = np.full(len(scene_ids), NEVER), np.full(len(scene_ids), -NEVER)
        np.minimum.at(start, rows, at)
        np.maximum.at(end, rows, at)
        known = start != NEVER
        start[~known] = end[~known] = self.fallback
        return start, end, known

    def years(self, scene_ids: pa.ListArray) -> list[tuple[int, str]]:
        """(row, year) of all dated scenes of the rows, each pair once."""
        rows, at = self._times(scene_ids)
        years = at.astype("datetime64[us]").astype("datetime64[Y]").astype(str)
        return sorted(set(zip(rows.tolist(), years.tolist(), strict=True)))

    def _times(self, scene_ids: pa.ListArray) -> tuple[Ints, Ints]:
        """(row, microseconds) of each dated scene."""
        rows = pc.list_parent_indices(scene_ids).to_numpy(zero_copy_only=False)
        places = pc.index_in(pc.list_flatten(scene_ids), value_set=self.keys)
        found = pc.is_valid(places).to_numpy(zero_copy_only=False)
        return rows[found], self.micros[pc.drop_null(places).to_numpy(zero_copy_only=False)]


def undated(staging: Staging) -> datetime:
    """What stands in for an unknown time: the extract time of the imagery, else of any source, else
    1970-01-01. Rows that use it say `datetime_unknown`."""
    credits = sorted(staging.credits, key=lambda c: ("pixels" not in c.parts, c.role))
    for credit in credits:
        if credit.datetime:
            return aware(credit.datetime)
    return EPOCH


def aware(text: str) -> datetime:
    """A UTC time from ISO text; a text without zone is taken as UTC."""
    when = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)


def micros(when: datetime) -> int:
    """Microseconds since 1970 UTC."""
    delta = aware(when.isoformat()) - EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


def iso(value: int) -> str:
    """RFC 3339 text, UTC with Z, of microseconds since 1970."""
    when = np.datetime64(int(value), "us").astype(datetime)
    text: str = when.isoformat(timespec="microseconds" if when.microsecond else "seconds")
    return text + "Z"

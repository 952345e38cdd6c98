"""Granules that lead elsewhere, are damaged, or are not what they seem."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from catalogs.sources import about as about_module
from catalogs.sources.gedi import GediError, open_shots
from catalogs.sources.terms import Override
from granules import L4A_NAME, l4a, line, read


def _external(file: Any, elsewhere: Path) -> None:
    file["BEAM0101/agbd"] = h5py.ExternalLink(str(elsewhere), "/BEAM0101/agbd")


def _soft_out(file: Any, elsewhere: Path) -> None:
    file["door"] = h5py.ExternalLink(str(elsewhere), "/")
    file["BEAM0101/agbd"] = h5py.SoftLink("/door/BEAM0101/agbd")


def _loop(file: Any, elsewhere: Path) -> None:
    file["BEAM0101/agbd"] = h5py.SoftLink("/BEAM0101/agbd")


def _virtual(file: Any, elsewhere: Path) -> None:
    layout = h5py.VirtualLayout((6,), np.float32)
    layout[:] = h5py.VirtualSource(str(elsewhere), "BEAM0101/agbd", (6,))
    file.create_virtual_dataset("BEAM0101/agbd", layout)


def _elsewhere(file: Any, elsewhere: Path) -> None:
    file.create_dataset("BEAM0101/agbd", (6,), np.float32, external=[(str(elsewhere), 0, 24)])


def _filter(file: Any, elsewhere: Path) -> None:
    file.create_dataset("BEAM0101/agbd", (6,), np.float32, chunks=(6,), compression="lzf")


def _huge(file: Any, elsewhere: Path) -> None:
    file.create_dataset(
        "BEAM0101/agbd", (1 << 30,), np.float32, chunks=(1 << 28,), compression="gzip"
    )


def _text(file: Any, elsewhere: Path) -> None:
    file.create_dataset("BEAM0101/agbd", data=[b"a"] * 6)


def _short(file: Any, elsewhere: Path) -> None:
    file["BEAM0101/agbd"] = np.zeros(5, np.float32)


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (_external, "external_link"), (_soft_out, "external_link"), (_loop, "link_loop"),
        (_virtual, "virtual_dataset"), (_elsewhere, "external_storage"), (_filter, "user_filter"),
        (_huge, "chunk_too_large"), (_text, "not_numbers"), (_short, "wrong_shape"),
    ],
    ids=lambda v: v if isinstance(v, str) else "",
)  # fmt: skip
def test_what_lies_elsewhere_is_not_read(tmp_path: Path, spoil: Any, code: str) -> None:
    """FAULTS 59: links and layers out of the file, foreign filters, wrong types and shapes."""
    secret = l4a(tmp_path / "secret" / "private.h5", {"BEAM0101": {**line(6), "agbd": 77.0}})
    path = l4a(tmp_path / "in" / L4A_NAME, {"BEAM0101": line(6)})
    with h5py.File(path, "a") as file:
        del file["BEAM0101/agbd"]
        spoil(file, secret)
    with pytest.raises(GediError) as caught:
        read(path, ("agbd",))
    assert caught.value.code == f"gedi:{code}"
    assert "door" in str(caught.value) or "BEAM0101/agbd" in str(caught.value)


def test_a_link_within_the_file_is_followed(tmp_path: Path) -> None:
    path = l4a(tmp_path / L4A_NAME, {"BEAM0101": {**line(3), "agbd": [1, 2, 3]}})
    with h5py.File(path, "a") as file:
        file.move("BEAM0101/agbd", "kept")
        file["BEAM0101/agbd"] = h5py.SoftLink("/kept")
    assert read(path, ("agbd",))["agbd"].to_pylist() == [1, 2, 3]


def test_one_bad_granule_of_several_is_told(tmp_path: Path) -> None:
    """The rest is used; the bad one is kept by name and reason for a row of losses."""
    l4a(tmp_path / L4A_NAME, {"BEAM0101": line(3)})
    path = l4a(tmp_path / "bad.h5", {"BEAM0101": line(3)})
    with h5py.File(path, "a") as file:
        del file["BEAM0101/delta_time"]
    source = open_shots(tmp_path)
    assert [(name, code) for name, code, _ in source.broken] == [("bad.h5", "gedi:dataset_missing")]
    assert "BEAM0101 has no dataset delta_time" in source.broken[0][2]
    assert any("unusable" in note for note in source.about.notes)


def test_a_sum_that_is_known_is_not_worked_out_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Granules are gigabytes: workers are told the sum of the process that began the build."""
    l4a(tmp_path / "a" / L4A_NAME, {"BEAM0101": line(3)})
    other = l4a(tmp_path / "b" / L4A_NAME.replace("O09168", "O09169"), {"BEAM0101": line(3)})
    first = open_shots(tmp_path).about
    monkeypatch.setattr(about_module, "sha256", lambda path: pytest.fail(f"{path} was read"))
    again = open_shots(tmp_path, Override(checksum=first.checksum)).about
    assert again == first and first.size > 0
    monkeypatch.undo()
    other.rename(tmp_path / "a" / other.name)
    assert open_shots(tmp_path).about.checksum != first.checksum


def test_spoilt_bytes_are_one_sentence(tmp_path: Path) -> None:
    """A file that is cut or has wrong bytes anywhere is read, or refused with a reason; nothing else."""
    whole = l4a(tmp_path / L4A_NAME, {b: line(50) for b in ("BEAM0101", "BEAM0110")}).read_bytes()
    rng = np.random.default_rng(8)
    path, codes = tmp_path / "spoilt.h5", set()
    for number in range(90):
        data = bytearray(whole)
        if number % 3 == 0:
            del data[rng.integers(len(data)) :]
        for place in rng.integers(len(data), size=5 * (number % 3)):
            data[place] = rng.integers(256)
        path.write_bytes(data)
        try:
            read(path, ("agbd", "pft_class"))
        except GediError as error:
            codes.add(error.code)
            assert "spoilt.h5" in str(error)
    assert "gedi:unreadable" in codes


def test_shot_numbers_as_floats_are_refused(tmp_path: Path) -> None:
    path = l4a(tmp_path / L4A_NAME, {"BEAM0101": line(3)})
    with h5py.File(path, "a") as file:
        del file["BEAM0101/shot_number"]
        file["BEAM0101/shot_number"] = np.zeros(3)
    with pytest.raises(GediError, match="loses digits"):
        open_shots(path)

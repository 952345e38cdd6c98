"""Shot numbers and file names, against the examples of the user guides and Python's whole numbers."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalogs.sources.gedi.names import (
    BEAMS,
    beam_number,
    beam_type,
    decode,
    encode,
    parsed,
    written,
)
from granules import L4A_NAME, shot_numbers


def test_the_example_of_the_user_guide() -> None:
    """Acceptance check 3: orbit 9168, beam 6 = BEAM0110, sub-granule 3, index 633870."""
    found = {name: int(value) for name, value in decode(np.uint64(91680600300633870)).items()}
    assert found == {"orbit": 9168, "beam": 6, "sub_granule": 3, "index": 633870}
    assert beam_number("BEAM0110") == 6
    assert encode(9168, 6, 3, [633870]).tolist() == [91680600300633870]
    assert written(np.array([91680600300633870], np.uint64)) == ["091680600300633870"]


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.integers(0, 99_999),
    st.integers(0, 11),
    st.integers(0, 99),
    st.lists(st.integers(0, 10**8 - 1)),
)
def test_round_trip(orbit: int, beam: int, sub: int, index: list[int]) -> None:
    """Every digit comes back, as Python's whole numbers say, for all beams 0 to 11."""
    numbers = encode(orbit, beam, sub, index)
    assert numbers.dtype == np.uint64
    assert numbers.tolist() == [int(f"{orbit:05d}{beam:02d}0{sub:02d}{i:08d}") for i in index]
    found = decode(numbers)
    assert all(v.dtype == np.uint64 for v in found.values())
    assert found["index"].tolist() == index
    assert set(found["orbit"].tolist()) <= {orbit}
    assert set(found["beam"].tolist()) <= {beam}
    assert set(found["sub_granule"].tolist()) <= {sub}


def test_a_float_is_refused() -> None:
    """float64 has 53 bits: 91680600300633871 would come back as another shot."""
    assert int(np.float64(91680600300633871)) != 91680600300633871
    with pytest.raises(TypeError, match="lost digits"):
        decode(np.array([9.168060030063387e16]))


def test_parts_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="orbit 100000"):
        encode(100_000, 0, 1, [1])


def test_beams() -> None:
    assert [beam_type(beam) for beam in BEAMS] == ["coverage"] * 4 + ["full"] * 4
    assert [beam_number(beam) for beam in BEAMS] == [0, 1, 2, 3, 5, 6, 8, 11]
    assert shot_numbers("BEAM1011", 1).tolist() == encode(9168, 11, 3, [0]).tolist()


def test_file_names() -> None:
    found = parsed(L4A_NAME)
    assert (found.product, found.start) == ("L4A", "2020213101112")
    assert (found.orbit, found.sub_granule, found.track) == (9168, 3, 1234)
    assert (found.ppds, found.release, found.production, found.version) == (2, 2, 2, 2)
    first = parsed("GEDI02_A_2019108080338_O01964_T05337_02_001_01_sub.h5")
    assert (first.product, first.orbit, first.sub_granule, first.track) == ("L2A", 1964, 0, 5337)
    assert (first.release, first.production, first.version) == (1, 1, 1)
    assert parsed("my_shots.h5") == parsed("")
    assert parsed("").production == 0

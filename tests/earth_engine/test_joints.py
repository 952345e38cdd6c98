"""Requests ahead of their reader: few, in order, in bounded memory, and never other pixels."""

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalogs.sources.earth_engine.joints import SPREAD, Ahead, joined
from schemas.errors import Fault
from schemas.scenes import Band, Box, Part, Scene
from schemas.windows import Grid

SIDE = 2_000
BOXES = st.lists(st.tuples(*[st.integers(0, 900)] * 2, *[st.integers(1, 300)] * 2), max_size=25)
BANDS = (Band("R", "ee://a/1", 1), Band("G", "ee://a/1", 2))
SCENE = Scene(
    "1", "a", None, Grid("EPSG:32632", (1.0, 0.0, 0.0, 0.0, -1.0, 0.0), SIDE, SIDE), "", BANDS,
    "CC0-1.0", "",
)  # fmt: skip
PIXELS = np.random.default_rng(1).integers(0, 256, (2, SIDE, SIDE)).astype("uint8")
VALID = PIXELS[0] > 40


class Assets:
    """Pixels in memory, and what was asked of them."""

    def __init__(self, refuse: Callable[[Part], Fault | None] = lambda part: None) -> None:
        self.asked: list[Box] = []
        self.refuse = refuse
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, part: Part) -> Any:
        self.asked.append(part.box)
        self.gate.wait(20)
        if (fault := self.refuse(part)) is not None:
            raise fault
        return cut(part.box)


def cut(box: Box) -> Any:
    col, row, width, height = box
    there = np.s_[row : row + height, col : col + width]
    return PIXELS[:, *there], VALID[there]


def part(*box: int) -> Part:
    col, row, width, height = box
    return Part(BANDS, SCENE, (col, row, width, height))


def same(found: Any, box: Box) -> None:
    for one, other in zip(found, cut(box), strict=True):
        np.testing.assert_array_equal(one, other)


@given(BOXES, st.integers(1, 300_000))
def test_few_boxes_hold_all_and_little_more(boxes: list[Box], most: int) -> None:
    found = joined(boxes, most)
    assert sorted(n for _, within in found for n in within) == list(range(len(boxes)))
    for (col, row, width, height), within in found:
        own = [boxes[number] for number in within]
        assert (col, row) == (min(b[0] for b in own), min(b[1] for b in own))
        assert col + width == max(b[0] + b[2] for b in own)
        assert row + height == max(b[1] + b[3] for b in own)
        if len(own) > 1:
            assert width * height <= min(most, SPREAD * sum(b[2] * b[3] for b in own))


def test_neighbours_join_whatever_lies_between_them_in_the_list() -> None:
    near = [(10 * n, 5 * n, 100, 100) for n in range(6)]
    far = [(800 + 10 * n, 700, 100, 100) for n in range(6)]
    mixed = [box for pair in zip(near, far, strict=True) for box in pair]
    assert len(joined(mixed, 1 << 20)) == 2


@given(BOXES, BOXES)
def test_what_is_read_is_what_lies_there(wanted: list[Box], others: list[Box]) -> None:
    assets = Assets()
    ahead = Ahead(assets, threads=3, budget=200_000)
    joints = ahead.want(part(*box) for box in wanted)
    for box in [*wanted, *others]:
        same(ahead.read(part(*box)), box)
    ahead.forget(joints)
    assert ahead.errands.held == 0 and not ahead.known
    assert len(assets.asked) <= len(joints) + len(others)
    ahead.errands.close()


def test_a_part_that_two_steps_read_is_asked_for_once() -> None:
    assets = Assets()
    ahead = Ahead(assets, threads=2)
    box = (5, 5, 60, 60)
    ahead.want([part(*box), part(*box)])
    for _ in range(2):
        same(ahead.read(part(*box)), box)
    assert assets.asked == [box]
    assert ahead.errands.held == 0
    ahead.errands.close()


def test_the_order_of_need_is_the_order_of_asking() -> None:
    assets = Assets()
    ahead = Ahead(assets, threads=1)
    boxes = [(1500, 0, 50, 50), (0, 0, 50, 50), (1540, 0, 50, 50), (0, 900, 50, 50)]
    for joint in ahead.want(part(*box) for box in boxes):
        joint.errand.found.result(20)
    assert assets.asked == [(1500, 0, 90, 50), (0, 0, 50, 50), (0, 900, 50, 50)]
    ahead.errands.close()


def test_memory_is_bounded_and_a_reader_never_waits_for_room() -> None:
    assets = Assets()
    ahead = Ahead(assets, threads=4, budget=70_000)
    boxes = [(0, 220 * n, 100, 100) for n in range(8)]  # 30,000 bytes each
    joints = ahead.want(part(*box) for box in boxes)
    same(ahead.read(part(*boxes[-1])), boxes[-1])
    assert ahead.errands.held <= 70_000
    for box in boxes[:-1]:
        same(ahead.read(part(*box)), box)
    assert ahead.errands.held == 0
    ahead.forget(joints)
    ahead.errands.close()


def test_what_is_forgotten_is_not_asked_for() -> None:
    assets = Assets()
    assets.gate.clear()
    ahead = Ahead(assets, threads=1, budget=40_000)
    joints = ahead.want(part(0, 220 * n, 100, 100) for n in range(6))
    ahead.forget(joints)
    assets.gate.set()
    ahead.errands.close()
    assert len(assets.asked) <= 1
    assert ahead.errands.held == 0 and not ahead.known


def refuse_large(code: str, retryable: bool) -> Callable[[Part], Fault | None]:
    return lambda part: Fault(code, "no", retryable=retryable) if part.box[2] > 100 else None


def test_a_joint_request_that_is_refused_says_nothing_of_its_parts() -> None:
    assets = Assets(refuse_large("ee_invalid", False))
    ahead = Ahead(assets, threads=1)
    boxes = [(0, 0, 100, 100), (50, 0, 100, 100)]
    ahead.want(part(*box) for box in boxes)
    for box in boxes:
        same(ahead.read(part(*box)), box)
    assert assets.asked == [(0, 0, 150, 100), *boxes]
    ahead.errands.close()


def test_a_service_that_is_down_is_not_asked_for_each_part_again() -> None:
    assets = Assets(refuse_large("ee_timeout", True))
    ahead = Ahead(assets, threads=1)
    boxes = [(0, 0, 100, 100), (50, 0, 100, 100)]
    ahead.want(part(*box) for box in boxes)
    for box in boxes:
        with pytest.raises(Fault) as fault:
            ahead.read(part(*box))
        assert fault.value.code == "ee_timeout"
    assert assets.asked == [(0, 0, 150, 100)]
    assert not ahead.known and ahead.errands.held == 0
    ahead.errands.close()

"""What is held of remote files: a budget that nobody waits for, and no chunk longer than it is wanted."""

import threading
import tracemalloc

import pytest

from catalogs.sources import remote
from catalogs.sources.chunks import Chunk
from catalogs.sources.remote import HEADER, Ahead
from remote_files import URL, Memory, noise


def test_memory_is_bounded_and_a_reader_never_waits_for_room() -> None:
    memory = Memory(a=noise(1 << 24))
    ahead = Ahead(memory, budget=2 << 20, connections=4)
    spans = [(at << 20, (at << 20) + (1 << 20)) for at in range(1, 15, 2)]
    chunks = ahead.want((URL, *span) for span in spans)
    last = spans[-1]  # its turn has not come: there is room for two only
    assert ahead.read(ahead.remote(URL), *last) == memory.files["a"][slice(*last)]
    assert ahead.errands.held <= 3 << 20, "what a reader needs is counted, and never waits"
    for span in spans[:-1]:
        assert ahead.read(ahead.remote(URL), *span) == memory.files["a"][slice(*span)]
    assert ahead.errands.held == 0
    ahead.forget(chunks)
    ahead.close()


def test_what_was_read_is_let_go_though_the_block_goes_on() -> None:
    """A block of a year is many times the budget, and its list of chunks lives to its end."""
    memory = Memory(a=noise(1 << 25))
    ahead = Ahead(memory, budget=2 << 20, connections=4)
    ahead.remote(URL)
    spans = [(at << 17, (at + 1) << 17) for at in range(1, 256)]
    tracemalloc.start()
    chunks = ahead.want((URL, *span) for span in spans)
    for span in spans:
        assert ahead.read(ahead.remote(URL), *span) == memory.files["a"][slice(*span)]
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 6 << 20, "of 32 MB"
    ahead.forget(chunks)
    ahead.close()


def test_forgetting_lets_go_of_all() -> None:
    memory = Memory(a=noise(1 << 22))
    ahead = Ahead(memory, budget=1 << 20, connections=2)
    chunks = ahead.want((URL, at << 18, (at << 18) + 1000) for at in range(1, 15))
    ahead.forget(chunks)
    assert ahead.errands.held == 0 and not ahead.remotes[URL].chunks
    assert all(isinstance(chunk, Chunk) and chunk.errand.taken for chunk in chunks)
    ahead.close()


def test_what_one_block_lets_go_of_stays_for_the_other() -> None:
    memory = Memory(a=noise(1 << 23))
    ahead = Ahead(memory)
    tiles = [(at << 18, (at << 18) + 200_000) for at in range(1, 10)]
    first = ahead.want((URL, *tile) for tile in tiles)
    second = ahead.want((URL, *tile) for tile in tiles)
    ahead.forget(first)
    for tile in tiles:
        assert ahead.read(ahead.remote(URL), *tile) == memory.files["a"][slice(*tile)]
    assert len([span for span in memory.asked if span != (0, HEADER)]) == len(second) < 4
    ahead.forget(second)
    assert ahead.errands.held == 0 and not ahead.remotes[URL].chunks
    ahead.close()


def test_first_bytes_of_few_files_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "FILES", 3)
    memory = Memory(**{f"f{n}": noise(1 << 17) for n in range(6)})
    ahead = Ahead(memory)
    for n in range(6):
        ahead.remote(f"https://example.org/f{n}.tif")
    assert len(ahead.remotes) == 3 and not ahead.opening
    ahead.close()


def test_what_is_forgotten_is_never_read_as_empty() -> None:
    """A reader that comes while a chunk is being forgotten gets its bytes, not none of them."""
    memory = Memory(a=noise(1 << 22))
    found: list[bytes] = []

    class Watched(Ahead):
        def _drop(self, chunk: Chunk) -> None:
            reader = threading.Thread(
                target=lambda: found.append(self.read(chunk.remote, chunk.start, chunk.start + 9))
            )
            reader.start()
            reader.join(0.1)
            super()._drop(chunk)
            readers.append(reader)

    readers: list[threading.Thread] = []
    ahead = Watched(memory, budget=1, connections=1)
    ahead.remote(URL)
    memory.gate.clear()  # the first of two chunks is under way, and the second one waits for room
    chunks = ahead.want([(URL, 1 << 20, (1 << 20) + 9), (URL, 3 << 20, (3 << 20) + 9)])
    waiting = threading.Thread(target=ahead.forget, args=(chunks[1:],))
    waiting.start()
    waiting.join(0.5)
    memory.gate.set()
    for thread in (waiting, *readers):
        thread.join(20)
    assert set(found) == {memory.files["a"][3 << 20 : (3 << 20) + 9]}
    ahead.close()

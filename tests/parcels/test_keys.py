"""Keys in few bytes: the same as a set, whatever their widths, their order and their number."""

import random
import tracemalloc

import numpy as np

from catalogs.keys import FRESH, Keys
from transforms.crops.tables import shown


def test_as_a_set() -> None:
    """Names of all widths, some twice, some of which begin as others do."""
    source = random.Random(5)
    names = ["k" + str(source.randrange(10**9))[: source.randrange(1, 10)] for _ in range(3000)]
    one, two = Keys(), Keys(names[2000:])
    for start in range(0, 2000, 37):
        one.add(names[start : min(start + 37, 2000)])
    held = set(names[:2000])
    asked = [*names, "k", "k" * 40, "", "kä"]
    assert one.has(asked).tolist() == [name in held for name in asked]
    assert [name.decode() for name in one.names().tolist()] == sorted(held)
    assert len(one) == len(held)
    assert one.shared(two) == two.shared(one) == sorted(held & set(names[2000:]))
    places = one.places(names[:50])
    assert [name.decode() for name in one.names()[places].tolist()] == names[:50]


def test_none() -> None:
    """Nothing is in an empty one."""
    assert not Keys().has(["a"]).any()
    assert Keys(["a"]).has([]).tolist() == []
    assert Keys().shared(Keys(["a"])) == []
    assert len(shown(iter([]))) == 0


def test_a_million_parcels_need_less_than_a_set_of_them() -> None:
    """At most four times their bytes, at any moment; a set of strings needs nine times."""
    count = 4 * FRESH
    tracemalloc.start()
    keys = Keys()
    for start in range(0, count, 2048):
        keys.add([f"fr-2021-{(i * 2654435761) % 2**64:016x}" for i in range(start, start + 2048)])
    names = keys.names()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert names.dtype == np.dtype("S24")
    assert len(names) == count
    assert peak < 4 * 24 * count

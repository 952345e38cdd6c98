"""The sample world: whole, small, and the same for the same seed."""

import errno
import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from catalogs.world import VERSION, complete, ensure
from catalogs.world.build import build, drawn_by
from catalogs.world.layout import lay_out
from catalogs.world.sentinel2 import PASSES
from catalogs.world.sites import SITES
from schemas.errors import BuildError


def test_every_file_is_listed_with_its_digest(world, facts):
    on_disk = {p.relative_to(world.root).as_posix() for p in world.root.rglob("*") if p.is_file()}
    assert on_disk - {"world.json"} == set(facts["files"])
    for name, entry in facts["files"].items():
        data = (world.root / name).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (entry["size"], entry["sha256"]), (
            name
        )


def test_it_is_small(facts):
    assert sum(entry["size"] for entry in facts["files"].values()) < 300e6


def test_ensure_builds_once(world, monkeypatch):
    monkeypatch.setattr("catalogs.world.build.build", None)
    assert ensure(world.root.parent) == world


def test_damage_is_noticed(tmp_path):
    (tmp_path / "a").write_text("abc")
    assert not complete(tmp_path)
    (tmp_path / "world.json").write_text('{"files": {"a": {"size": 3}}}')
    assert complete(tmp_path)
    (tmp_path / "a").write_text("ab")
    assert not complete(tmp_path)


def fake_build(root: Path, seed: int, version: int) -> None:
    root.mkdir(parents=True)
    (root / "a").write_text("abc")
    (root / "world.json").write_text('{"files": {"a": {"size": 3}}}')


@pytest.mark.parametrize("locks", [True, False])
def test_builders_at_once_agree_and_leave_nothing_behind(tmp_path, monkeypatch, locks):
    """One builds and the others wait; on a file system without locks all build, and one copy stays."""
    built = []

    def counted(root, seed, version):
        built.append(root)
        fake_build(root, seed, version)

    def refused(stream, operation):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("catalogs.world.build.build", counted)
    if not locks:
        monkeypatch.setattr("catalogs.files.fcntl.flock", refused)
    (tmp_path / f"world-v{VERSION}-seed7").mkdir()  # what a killed copy might leave
    with ThreadPoolExecutor(8) as pool:
        roots = set(pool.map(lambda _: ensure(tmp_path, seed=7).root, range(16)))
    assert len(roots) == 1
    assert complete(roots.pop())
    assert len(list(tmp_path.iterdir())) == 1
    assert len(built) == 1 or not locks


def test_a_process_that_ends_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    monkeypatch.setattr("sys.executable", "/bin/false")
    with pytest.raises(BuildError, match=r"a process that draws the sample world ended with 1"):
        build(tmp_path / "w", 0, VERSION, [s for s in SITES if not s.mapped][:2])
    assert not (tmp_path / "w" / "world.json").exists()


def test_modules_of_the_folder_one_stands_in_are_not_taken(tmp_path, monkeypatch):
    """Nor does it matter that the other process is a plain one: its path is that of this one."""
    (tmp_path / "schemas").mkdir()
    (tmp_path / "schemas" / "__init__.py").touch()
    (tmp_path / "shapely.py").write_text("raise SystemExit(3)")
    monkeypatch.chdir(tmp_path)
    some = [site for site in SITES if not site.mapped][:2]
    found = drawn_by(some, Path("a world"), 0, crew=2)
    assert [place.site for place, _ in found] == some
    assert not list((tmp_path / "a world").glob(".drawn*"))


@pytest.mark.slow
def test_two_builds_are_the_same_bytes(tmp_path, facts):
    """Of some places; what spans all of them has such a test beside its own."""
    names = ("kornau", "rebach", "wiesental")
    some = [site for site in SITES if site.id in names]
    some += [next(s for s in SITES if not s.mapped and s.epsg == zone) for zone in (32632, 32633)]
    build(tmp_path / "small", 0, VERSION, some)
    again = json.loads((tmp_path / "small" / "world.json").read_text(encoding="utf-8"))["files"]
    own = [name for name in again if any(site.id in name for site in some)]
    assert len(own) > 400
    assert {name: again[name] for name in own} == {name: facts["files"][name] for name in own}


def test_a_place_is_the_same_for_the_same_seed():
    first, second, other = lay_out(SITES[0], 3), lay_out(SITES[0], 3), lay_out(SITES[0], 4)
    assert [(f.geom.wkb, f.tags) for f in first.features] == [
        (f.geom.wkb, f.tags) for f in second.features
    ]
    assert [f.geom.wkb for f in first.features] != [f.geom.wkb for f in other.features]


def test_sites_try_the_split_rule():
    """Two zones; one pair about 8 km apart; a chain of 4 km steps across the zone boundary."""
    from pyproj import Geod

    geod = Geod(ellps="WGS84")
    gaps = sorted(
        geod.inv(a.lon, a.lat, b.lon, b.lat)[2] / 1000
        for n, a in enumerate(SITES)
        for b in SITES[n + 1 :]
    )
    assert len(SITES) == 26 and {site.epsg for site in SITES} == set(PASSES)
    assert sum(7 < gap < 9 for gap in gaps) >= 1
    assert sum(gap < 5 for gap in gaps) >= 4
    assert gaps[len(gaps) // 10] > 15

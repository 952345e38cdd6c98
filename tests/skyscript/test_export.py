"""The open_clip export: a plain CSV whose every path exists."""

import csv
import json
from pathlib import Path

from PIL import Image

from catalogs.releases.export import cell
from pipelines.commands.export import main
from tests.skyscript.conftest import Built


def test_acceptance_8_the_csv_opens_and_every_path_exists(built: Built, tmp_path: Path) -> None:
    target = tmp_path / "clip"
    assert main([str(built.release), str(target)]) == 0
    rows = {row["key"]: row for row in built.rows}
    seen = 0
    for split in ("train", "val", "test"):
        with (target / f"{split}.csv").open(encoding="utf-8", newline="") as stream:
            table = list(csv.DictReader(stream))
        assert list(table[0]) == ["filepath", "title", "title_multi_objects"]
        for line in table:
            row = rows[Path(line["filepath"]).stem]
            assert (line["title"], row["split"]) == (row["title"], split)
            assert line["title_multi_objects"].startswith(line["title"])
            assert (target / line["filepath"]).stat().st_size == row["rgb_jpg_size"]
            seen += 1
    assert seen == len(rows)
    with Image.open(target / line["filepath"]) as picture:
        assert picture.size == (row["width"], row["height"])


def test_acceptance_2_metadata_has_exactly_the_four_fields(built: Built, tmp_path: Path) -> None:
    main([str(built.release), str(tmp_path / "clip")])
    for text in (tmp_path / "clip" / "test-meta.jsonl").read_text("utf-8").splitlines():
        entry = json.loads(text)
        assert set(entry) == {"filepath", "box", "time", "center_tags", "surrounding_tags"}
        west, south, east, north = entry["box"]
        assert west < east
        assert south < north
        assert len(entry["time"]) == 5


def test_fault_58_formulas_are_disarmed() -> None:
    assert cell('=HYPERLINK("http://x")') == '\'=HYPERLINK("http://x")'
    assert cell("a satellite image of building") == "a satellite image of building"

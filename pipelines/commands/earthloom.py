"""The console command: `earthloom build ...` does what `python -m pipelines.build ...` does."""

import sys
from importlib import import_module

COMMANDS = {
    "build": "from recipe and sources to a verified release",
    "osm": "OpenStreetMap extracts as feature tables",
    "verify": "every promise recomputed from the released files",
    "export": "pictures in folders and caption CSVs, for open_clip",
    "groundable": "more rows for the table of visible tags, learnt by a text model",
}


def main() -> int:
    """Dispatch to a command."""
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name in COMMANDS:
        return int(import_module(f"pipelines.commands.{name}").main(sys.argv[2:]))
    print("usage: earthloom COMMAND [options]\n")
    for command, what in COMMANDS.items():
        print(f"  {command:<10} {what}")
    return 0 if name in ("", "-h", "--help") else 2

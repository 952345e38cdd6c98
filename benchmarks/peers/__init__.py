"""One script for each peer library, run with a Python that has it installed."""

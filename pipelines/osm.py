"""`python -m pipelines.osm`: only a call, so that nothing defined here needs to reach a worker."""

import sys

from pipelines.commands.osm import main

if __name__ == "__main__":
    sys.exit(main())

"""`python -m pipelines.export`: only a call, so that nothing defined here needs to reach a worker."""

import sys

from pipelines.commands.export import main

if __name__ == "__main__":
    sys.exit(main())

"""`python -m pipelines.groundable`: only a call, so that nothing defined here needs to reach a worker."""

import sys

from pipelines.commands.groundable import main

if __name__ == "__main__":
    sys.exit(main())

"""How many processes run the tests."""

import os


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores: builds wait for servers, for clocks and for each other."""
    return (os.cpu_count() or 1) + 1

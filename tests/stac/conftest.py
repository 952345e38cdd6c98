"""Loopback servers are asked as if they were catalogues; nothing else is."""

from pathlib import Path

import pytest

from catalogs.sources.net import client as net
from catalogs.sources.net.hosts import Policy

REAL = Path(__file__).resolve().parents[3] / "shared" / "data" / "stac"


@pytest.fixture(autouse=True)
def loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Addresses of this machine are allowed, and asked by a fresh and impatient client."""
    monkeypatch.setenv("EARTHLOOM_ALLOW_HOSTS", "127.0.0.1,localhost")
    made = net.Client(Policy(attempts=3, base_s=0.01, cap_s=0.02, pause_s=0.01, pause_cap_s=0.02))
    monkeypatch.setattr(net, "client", lambda: made)


@pytest.fixture(scope="session")
def real() -> Path:
    """Real items and recorded answers; skips where they are not beside the repository."""
    if not REAL.is_dir():
        pytest.skip("the real data is not beside the repository")
    return REAL

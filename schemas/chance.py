"""Every random choice of the engine: SHA-256 of (seed, stable id), so that neither order, worker
count nor runner can change it."""

import hashlib
import json
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt


def digest(*parts: Any) -> str:
    """SHA-256 in hex of the parts' canonical JSON (sorted keys, no blanks)."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def rank(seed: int, *parts: str) -> int:
    """A number in [0, 2**63) that is fixed by seed and parts; lower means better ranked."""
    text = "\x1f".join((str(seed), *parts))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def unit(seed: int, *parts: str) -> float:
    """A number in [0, 1) that is fixed by seed and parts."""
    return rank(seed, *parts) / 2.0**63


def units(seed: int, purpose: str, ids: Iterable[str]) -> npt.NDArray[np.float64]:
    """Four numbers in [0, 1) for each id, shape (n, 4): the quarters of one hash, 53 bits of each."""
    head = f"{seed}\x1f{purpose}\x1f"
    found = bytearray()
    for text in ids:
        found += hashlib.sha256((head + text).encode()).digest()
    whole = np.frombuffer(found, ">u8").reshape(-1, 4)
    return np.asarray((whole >> np.uint64(11)) / 2.0**53, np.float64)

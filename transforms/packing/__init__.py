"""Shards: which samples ship, where each goes, and the tar files themselves.

Only sidecar columns are held (some twenty bytes a sample); pixels are copied from block to shard by
offset. Every choice is a threshold or a hash, so the same blocks give the same shards.
"""

from transforms.packing.choose import (
    KEPT,
    SPLIT_NAMES,
    UNMADE,
    Survey,
    class_weights,
    survey,
)
from transforms.packing.cuts import TopShare, Unlike, top_share
from transforms.packing.deal import Shard, assign, gather, scatter
from transforms.packing.joined import Rows
from transforms.packing.shards import Payloads, build_shard, header

__all__ = [
    "KEPT",
    "SPLIT_NAMES",
    "UNMADE",
    "Payloads",
    "Rows",
    "Shard",
    "Survey",
    "TopShare",
    "Unlike",
    "assign",
    "build_shard",
    "class_weights",
    "gather",
    "header",
    "scatter",
    "survey",
    "top_share",
]

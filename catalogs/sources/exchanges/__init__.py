"""Questions to live services and their answers, kept by the hash of the question.

What a service says today it need not say tomorrow. A build that has written down every answer can
be made again from them, without a network and with the same bytes.
"""

from catalogs.sources.exchanges.asked import SECRET, Asked, asked
from catalogs.sources.exchanges.kept import Kept, Shelf
from catalogs.sources.exchanges.recorder import MODES, Recorder

__all__ = ["MODES", "SECRET", "Asked", "Kept", "Recorder", "Shelf", "asked"]

"""Words drawn at random, the same for a seed whatever batch, order or device they are drawn in.

Adding Gumbel noise to log-probabilities and taking the largest draws from their distribution
(Gumbel 1954; Maddison, Tarlow and Minka, A* Sampling, 2014). The noise is a hash of (seed, step, word),
so no generator is shared by the rows of a batch.
"""

from collections.abc import Sequence
from typing import Any

CANDIDATES = 256
"""A word is drawn from so many likeliest ones at most."""

_SEED, _STEP, _WORD = 0x9E3779B97F4A7C15 - 2**64, 0xD1B54A32D192ED03, 0x2545F4914F6CDD1D
_MIX = 0xBF58476D1CE4E5B9 - 2**64, 0x94D049BB133111EB - 2**64


def uniform(seeds: Any, step: int, words: Any) -> Any:
    """Numbers in (0, 1), float64, shape of `words`: the mixer of SplitMix64 (Steele et al. 2014).

    Args:
        seeds: int64 tensor `(row, 1)`.
        step: place in the text.
        words: int64 tensor `(row, candidate)`.
    """
    moved = (step * _STEP + 2**63) % 2**64 - 2**63  # as it would wrap around in 64 bits
    x = seeds * _SEED + moved + words * _WORD
    for shift, factor in ((30, _MIX[0]), (27, _MIX[1])):
        x = (x ^ _down(x, shift)) * factor
    x = x ^ _down(x, 31)
    return (_down(x, 11).double() + 0.5) * 2.0**-53


def _down(x: Any, bits: int) -> Any:
    """Shifted right as an unsigned number."""
    return (x >> bits) & ((1 << (64 - bits)) - 1)


def drawing(seeds: Sequence[int], temperature: float, top_p: float) -> Any:
    """A `LogitsProcessor` after which the likeliest word is a drawn one.

    Args:
        seeds: of each row of the batch.
        temperature: above 0.
        top_p: share of the probability that words are drawn from.
    """
    import torch
    from transformers import LogitsProcessor

    class Drawing(LogitsProcessor):
        step = 0

        def __call__(self, input_ids: Any, scores: Any) -> Any:
            """Scores with all but the drawn word at minus infinity or below it."""
            logits = scores.float() / temperature
            best, words = logits.topk(min(CANDIDATES, logits.shape[-1]), dim=-1)
            chance = (best - logits.logsumexp(dim=-1, keepdim=True)).exp()
            beyond = chance.cumsum(dim=-1) - chance >= top_p
            rows = torch.tensor(seeds, dtype=torch.int64, device=scores.device).unsqueeze(1)
            noise = -(-uniform(rows, self.step, words).log()).log()
            drawn = (best.double() + noise).masked_fill(beyond, float("-inf")).float()
            self.step += 1
            return torch.full_like(logits, float("-inf")).scatter(1, words, drawn)

    return Drawing()

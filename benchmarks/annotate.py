"""Captions and scores a second: blocks through `annotate`, against the model's own batched loop.

    python -m benchmarks.annotate --device cuda --size real

Both work on the same loaded weights (random: only their shapes matter here), pictures, prompts, batch
size, cores and device, in turns; medians, by the clock and by the processor's time (which a busy
machine disturbs less; of a GPU it says little). The loop is what one writes by hand: pictures decoded and prepared in
threads, two batches ahead, prompts sorted by length, results kept in a list. The act does all of that,
and reads its blocks from disk, checks each text, and writes a synced table with a commit record for
each block. It needs torch, transformers, numpy, pyarrow and Pillow; nothing is fetched.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.annotate_engine import Act
from benchmarks.annotate_inputs import clip, llama, made
from benchmarks.annotate_loop import CaptionLoop, ScoreLoop
from transforms import scores, texts
from transforms.models.device import quiet
from transforms.texts import Captioner


@dataclass(frozen=True)
class Size:
    """Shapes of the models and amounts of work."""

    clip: dict[str, Any]
    llama: dict[str, Any]
    scored: int
    captioned: int
    score_batch: int
    caption_batch: int
    tokens: int


SIZES = {
    # CLIP ViT-B/32 (151 million weights); a language model of half a billion (Qwen2.5-0.5B's shape).
    "real": Size(
        {},
        {"vocab_size": 151_936, "hidden_size": 896, "intermediate_size": 4864,
         "num_hidden_layers": 24, "num_attention_heads": 14, "num_key_value_heads": 2},
        scored=8192, captioned=1024, score_batch=256, caption_batch=128, tokens=48,
    ),
    "small": Size(
        {"text_config": {"hidden_size": 192, "intermediate_size": 768, "num_hidden_layers": 4,
                         "num_attention_heads": 4},
         "vision_config": {"hidden_size": 256, "intermediate_size": 1024, "num_hidden_layers": 6,
                           "num_attention_heads": 4},
         "projection_dim": 128},
        {"vocab_size": 8000, "hidden_size": 256, "intermediate_size": 768, "num_hidden_layers": 4,
         "num_attention_heads": 4, "num_key_value_heads": 2},
        scored=512, captioned=96, score_batch=32, caption_batch=16, tokens=24,
    ),
}  # fmt: skip


def main() -> None:
    """Make models and blocks, run both sides in turns, print a table and a line of JSON each."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--device", default="", help="cpu, cuda, cuda:1; default: a GPU if there is one"
    )
    parser.add_argument(
        "--size", choices=SIZES, default="", help="default: real on a GPU, else small"
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--only", choices=("scores", "captions"), default="")
    options = parser.parse_args()
    quiet()
    import torch

    options.device = options.device or ("cuda" if torch.cuda.is_available() else "cpu")
    options.size = options.size or ("real" if options.device.startswith("cuda") else "small")
    size = SIZES[options.size]
    home = Path(tempfile.mkdtemp(prefix="annotate-bench-"))
    try:
        for name, run in (("scores", run_scores), ("captions", run_captions)):
            if options.only in ("", name):
                run(home, size, options)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def run_scores(home: Path, size: Size, options: argparse.Namespace) -> None:
    """Image-text scores by a CLIP."""
    folder = clip(home / "clip", size.clip)
    samples = made(home / "scored", size.scored)
    step = scores.ImageText(model="clip", batch=size.score_batch)
    act = Act(home, "scored", step, options, models={"clip": folder})
    encoder = act.annotator.models[0]
    loop = ScoreLoop(encoder, samples, size.score_batch, options.threads)
    report("scores", act, loop, len(samples), options, encoder.computed)


def run_captions(home: Path, size: Size, options: argparse.Namespace) -> None:
    """Texts by a causal language model."""
    folder = llama(home / "llama", size.llama)
    samples = made(home / "captioned", size.captioned)
    step = texts.ByModel(tries=1, claims=False, tokens=size.tokens, batch=size.caption_batch)
    act = Act(home, "captioned", step, options, models={"llama": folder},
              captioner=Captioner(model="llama"))  # fmt: skip
    writer = act.annotator.models[0]
    loop = CaptionLoop(writer, samples, size.caption_batch, size.tokens)
    report("captions", act, loop, len(samples), options, writer.computed)


def report(
    name: str, act: Callable[[], None], loop: Callable[[], None], count: int,
    options: argparse.Namespace, computed: dict[str, Any],
) -> None:  # fmt: skip
    """Run both sides in turns after a warm-up each; medians."""
    act()
    loop()
    rates: dict[str, list[float]] = {"act": [], "loop": []}
    spent: dict[str, list[float]] = {"act": [], "loop": []}
    for number in range(options.rounds):
        sides = [("act", act), ("loop", loop)]
        for side, work in sides if number % 2 else sides[::-1]:
            begun, used = time.perf_counter(), time.process_time()
            work()
            spent[side].append((time.process_time() - used) / count * 1000)
            rates[side].append(count / (time.perf_counter() - begun))
    mine, theirs = (statistics.median(rates[side]) for side in ("act", "loop"))
    own, other = (statistics.median(spent[side]) for side in ("act", "loop"))
    print(
        f"{name:<9} act {mine:9.1f}/s   loop {theirs:9.1f}/s   ratio {mine / theirs:.3f}   "
        f"CPU {own:.2f} and {other:.2f} ms each   ratio {other / own:.3f}",
        flush=True,
    )
    row = {"name": name, "size": options.size, "samples": count, "threads": options.threads,
           "act_per_s": round(mine, 2), "loop_per_s": round(theirs, 2),
           "ratio": round(mine / theirs, 4), "act_cpu_ms": round(own, 3),
           "loop_cpu_ms": round(other, 3), "cpu_ratio": round(other / own, 4), "rounds": options.rounds,
           "act_all": [round(r, 1) for r in rates["act"]],
           "loop_all": [round(r, 1) for r in rates["loop"]], **computed}  # fmt: skip
    print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()

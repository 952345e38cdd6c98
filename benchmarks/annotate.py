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
import io
import json
import os
import shutil
import statistics
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from schemas.recipes import Card, Pack, Recipe
from schemas.tables import PLACE, arrow_type, member_columns
from transforms import scores, texts
from transforms.annotating import Annotator
from transforms.context import Context
from transforms.models.device import quiet
from transforms.texts import Captioner

BLOCK = 256
WORDS = (
    "forest water building road field river park school house tree meadow track roof wall yard pond "
    "garden wood farm lake hill bridge square lane north south east west large small long narrow"
).split()
FACTS = {"title": "string", "prompt": "string", "caption_template": "string"}


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


@dataclass(frozen=True)
class Given:
    """What the blocks hold, as if steps had made it."""

    needs: tuple[str, ...] = ()
    gives: dict[str, str] = field(default_factory=lambda: {"image": "noun", **FACTS})


@dataclass(frozen=True)
class Picture:
    """The picture, encoded as if `make` had done so."""

    needs: tuple[str, ...] = ("image",)
    gives: dict[str, str] = field(default_factory=dict)


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


class Act:
    """The act on blocks as a lane works on them: told of one ahead, closed by a thread of its own."""

    def __init__(
        self, home: Path, name: str, step: Any, options: argparse.Namespace, **more: Any
    ) -> None:
        card = Card("bench", "1.0.0", "Bench", "", ())
        pack = Pack(members={"rgb.jpg": Picture()})
        recipe = Recipe(card, Given(), (), (), pack, annotate=(step,))
        device = "cuda:0" if options.device == "cuda" else options.device
        ctx = Context(device=device, threads=options.threads, **more)
        self.made, self.out = home / name, home / f"{name}-annotated"
        self.annotator = Annotator(recipe, ctx, self.made, self.out)
        self.names = sorted(path.stem for path in self.made.glob("*.parquet"))

    def __call__(self) -> None:
        """Annotate every block anew."""
        shutil.rmtree(self.out, ignore_errors=True)
        told: deque[str] = deque()
        coming = iter(self.names)
        with ThreadPoolExecutor(1) as closing:
            done = []
            while True:
                while len(told) < 2 and (name := next(coming, None)) is not None:
                    told.append(name)
                    self.annotator.expect(name)
                if not told:
                    break
                self.annotator.annotate(
                    told.popleft(), "bench", lambda work: done.append(closing.submit(work))
                )
            rows = sum(future.result().rows for future in done)
        if rows != sum(pq.read_metadata(p).num_rows for p in self.made.glob("*.parquet")):
            raise AssertionError("samples are missing")


class ScoreLoop:
    """Pictures and titles through a CLIP, as one writes it by hand."""

    def __init__(
        self, encoder: Any, samples: Sequence[dict[str, Any]], batch: int, threads: int
    ) -> None:
        self.encoder, self.samples, self.batch = encoder, samples, batch
        self.pool = ThreadPoolExecutor(threads)

    def _prepared(self, sample: dict[str, Any]) -> Any:
        from PIL import Image

        picture = Image.open(io.BytesIO(sample["picture"])).convert("RGB")
        return self.encoder.processor(picture, return_tensors="pt")["pixel_values"]

    def _batches(self) -> Iterator[tuple[list[dict[str, Any]], list[Any]]]:
        """Batches with their pictures on the way, two ahead."""
        under_way: deque[Any] = deque()
        for start in range(0, len(self.samples), self.batch):
            part = self.samples[start : start + self.batch]
            under_way.append((part, [self.pool.submit(self._prepared, s) for s in part]))
            if len(under_way) > 2:
                yield under_way.popleft()
        yield from under_way

    def __call__(self) -> None:
        """Score everything."""
        import torch
        from torch.nn.functional import normalize

        model, at = self.encoder.model, self.encoder.at
        found: list[float] = []
        with torch.inference_mode():
            for part, pictures in self._batches():
                pixels = torch.cat([future.result() for future in pictures])
                given = self.encoder.tokenizer(
                    [s["title"] for s in part], padding=True, truncation=True, return_tensors="pt"
                ).to(at.device)
                seen = model.get_image_features(
                    pixel_values=pixels.to(at.device).to(at.torch_dtype)
                ).pooler_output
                said = model.get_text_features(
                    input_ids=given["input_ids"], attention_mask=given["attention_mask"]
                ).pooler_output
                cosines = (normalize(seen.float(), dim=-1) * normalize(said.float(), dim=-1)).sum(
                    -1
                )
                found += cosines.tolist()
        if len(found) != len(self.samples):
            raise AssertionError("scores are missing")


class CaptionLoop:
    """Prompts through a language model, as one writes it by hand."""

    def __init__(
        self, writer: Any, samples: Sequence[dict[str, Any]], batch: int, tokens: int
    ) -> None:
        self.writer, self.batch, self.tokens = writer, batch, tokens
        tokenizer = writer.tokenizer
        self.prompts = sorted(
            (self._chat(tokenizer, s["prompt"]) for s in samples), key=lambda p: len(p.split())
        )

    @staticmethod
    def _chat(tokenizer: Any, prompt: str) -> str:
        talk = [{"role": "user", "content": prompt}]
        return str(tokenizer.apply_chat_template(talk, tokenize=False, add_generation_prompt=True))

    def __call__(self) -> None:
        """Caption everything."""
        import torch

        found: list[str] = []
        with torch.inference_mode():
            for start in range(0, len(self.prompts), self.batch):
                given = self.writer.tokenizer(
                    self.prompts[start : start + self.batch], padding=True, return_tensors="pt",
                    add_special_tokens=False, return_token_type_ids=False,
                ).to(self.writer.at.device)  # fmt: skip
                written = self.writer.model.generate(
                    **given, max_new_tokens=self.tokens, do_sample=True, temperature=0.7, top_p=0.95
                )
                found += self.writer.tokenizer.batch_decode(
                    written[:, given["input_ids"].shape[1] :], skip_special_tokens=True
                )
        if len(found) != len(self.prompts):
            raise AssertionError("captions are missing")


def made(folder: Path, count: int) -> list[dict[str, Any]]:
    """Blocks as `make` leaves them, and their samples in memory for the loop."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    found = [_sample(rng, number) for number in range(count)]
    for start in range(0, count, BLOCK):
        part = found[start : start + BLOCK]
        name = f"{start:020d}"
        begin = np.cumsum([0, *(len(s["picture"]) for s in part)])
        (folder / f"{name}.bin").write_bytes(b"".join(s["picture"] for s in part))
        own = {"key": [s["key"] for s in part], "lon": [0.0] * len(part), "lat": [0.0] * len(part),
               "scene_ids": [[]] * len(part), "transform": [[0.0] * 6] * len(part)}  # fmt: skip
        arrays = [pa.array(own.get(f.name, [None] * len(part)), f.type) for f in PLACE]
        arrays += [pa.array([s[n] for s in part], arrow_type(k)) for n, k in FACTS.items()]
        arrays.append(pa.array(["made"] * len(part)))
        arrays += [pa.array(begin[:-1]), pa.array(np.diff(begin))]
        names = [*PLACE.names, *FACTS, "outcome", *member_columns("rgb.jpg")]
        pq.write_table(pa.table(dict(zip(names, arrays, strict=True))), folder / f"{name}.parquet")
    return found


def _sample(rng: np.random.Generator, number: int) -> dict[str, Any]:
    """A picture of 256 x 256 px, and words of many lengths."""
    from PIL import Image

    coarse = Image.fromarray(rng.integers(0, 255, (16, 16, 3), dtype=np.uint8))
    stream = io.BytesIO()
    coarse.resize((256, 256), Image.Resampling.BICUBIC).save(stream, "JPEG", quality=90)
    said = rng.choice(WORDS, int(rng.integers(6, 20)))
    facts = rng.choice(WORDS, int(rng.integers(40, 160)))
    return {
        "key": f"s{number:06d}", "picture": stream.getvalue(),
        "title": f"an aerial image of {' and '.join(said)} {number}"[:70],
        "prompt": f"Describe this place in about forty words. Facts: {', '.join(facts)}.",
        "caption_template": f"an aerial image of {said[0]}",
    }  # fmt: skip


def clip(folder: Path, changes: dict[str, Any]) -> Path:
    """A CLIP with random weights and a byte-level vocabulary."""
    import torch
    from tokenizers.pre_tokenizers import ByteLevel
    from transformers import CLIPConfig, CLIPModel, CLIPTokenizer
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    torch.manual_seed(0)
    letters = sorted(ByteLevel.alphabet())
    whole = ["an", "aerial", "image", "of", "and", *WORDS]
    names = ["<|startoftext|>", "<|endoftext|>", *letters, *(f"{one}</w>" for one in letters)]
    merges = []
    for word in whole:  # so that a word is a token, as it mostly is in the real vocabulary
        parts = [*word[:-1], f"{word[-1]}</w>"]
        while len(parts) > 1:
            pair = (parts[0], parts[1])
            if pair not in merges:
                merges.append(pair)
            parts = ["".join(pair), *parts[2:]]
            if parts[0] not in names:
                names.append(parts[0])
    text = {
        **changes.get("text_config", {}),
        "bos_token_id": 0,
        "eos_token_id": 1,
        "pad_token_id": 1,
    }
    model = CLIPModel(CLIPConfig(**{**changes, "text_config": text}))
    model.save_pretrained(folder)
    vocabulary = {name: place for place, name in enumerate(names)}
    CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=77).save_pretrained(folder)
    CLIPImageProcessorPil().save_pretrained(folder)
    return folder


def llama(folder: Path, shape: dict[str, Any]) -> Path:
    """A Llama with random weights and a vocabulary of whole words."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    torch.manual_seed(0)
    names = ["<pad>", "<s>", "</s>", "<unk>", *WORDS]
    names += [f"w{number}" for number in range(shape["vocab_size"] - len(names))]
    inner = Tokenizer(
        models.WordLevel({name: place for place, name in enumerate(names)}, unk_token="<unk>")
    )
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token="<pad>", bos_token="<s>", eos_token="</s>",
        unk_token="<unk>", model_max_length=1024, padding_side="left",
    )  # fmt: skip
    tokenizer.chat_template = "{% for m in messages %}<s> {{ m['content'] }} {% endfor %}"
    tokenizer.save_pretrained(folder)
    config = LlamaConfig(
        **shape, max_position_embeddings=1024, pad_token_id=0, bos_token_id=1, eos_token_id=2
    )
    LlamaForCausalLM(config).to(torch.bfloat16).save_pretrained(folder)
    return folder


if __name__ == "__main__":
    main()

"""What both sides of `annotate` work on: blocks, their samples, and models of random weights."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from schemas.tables import PLACE, arrow_type, member_columns

BLOCK = 256
WORDS = (
    "forest water building road field river park school house tree meadow track roof wall yard pond "
    "garden wood farm lake hill bridge square lane north south east west large small long narrow"
).split()
FACTS = {"title": "string", "prompt": "string", "caption_template": "string"}


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

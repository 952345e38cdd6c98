"""Models of real architectures with random weights, small enough to be written by a test."""

from pathlib import Path
from typing import Any

WORDS = [
    "a",
    "an",
    "the",
    "of",
    "with",
    "in",
    "on",
    "and",
    "near",
    "large",
    "small",
    "green",
    "grey",
    "wide",
    "bright",
    "forest",
    "water",
    "building",
    "road",
    "field",
    "roof",
    "river",
    "house",
    "school",
    "park",
    "image",
    "aerial",
    "satellite",
    "shows",
    "stands",
    "lies",
    "surrounded",
    "by",
    "trees",
]


def seeded(seed: int) -> None:
    import torch

    torch.manual_seed(seed)


def loud(model: Any) -> Any:
    """The model with weights so large that what it is given shapes what it says."""
    for weight in model.parameters():
        if weight.dim() > 1:
            weight.data.mul_(8)
    return model


def quiet() -> None:
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()


def clip(folder: Path, seed: int = 0, spoilt: bool = False) -> Path:
    """A CLIP: pictures of 32 px, byte-level words, vectors of 16 numbers; all NaN when spoilt."""
    from tokenizers.pre_tokenizers import ByteLevel
    from transformers import CLIPConfig, CLIPModel, CLIPTokenizer
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    quiet()
    seeded(seed)
    letters = sorted(ByteLevel.alphabet())
    names = ["<|startoftext|>", "<|endoftext|>", *letters, *(f"{one}</w>" for one in letters)]
    small = {
        "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
        "num_attention_heads": 2,
    }  # fmt: skip
    model = CLIPModel(
        CLIPConfig(
            text_config={**small, "vocab_size": len(names), "max_position_embeddings": 77,
                         "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1},
            vision_config={**small, "image_size": 32, "patch_size": 8},
            projection_dim=16,
        )
    )  # fmt: skip
    if spoilt:
        model.visual_projection.weight.data.fill_(float("nan"))
    model.save_pretrained(folder)
    CLIPTokenizer(
        vocab={name: place for place, name in enumerate(names)}, merges=[], model_max_length=77
    ).save_pretrained(folder)
    side = {"height": 32, "width": 32}
    CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size=side).save_pretrained(folder)
    return folder


def words(folder: Path, extra: tuple[str, ...] = (), chat: bool = True) -> Any:
    """A tokenizer of whole words, with a chat form."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    special = ["<pad>", "<s>", "</s>", "<unk>", *extra]
    vocabulary = {name: place for place, name in enumerate([*special, *WORDS, ".", ","])}
    inner = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    found = PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token="<pad>", bos_token="<s>", eos_token="</s>",
        unk_token="<unk>", additional_special_tokens=list(extra), model_max_length=512,
    )  # fmt: skip
    if chat:
        found.chat_template = (
            "{% for m in messages %}<s> {{ m['content'] if m['content'] is string else "
            "m['content'] | map(attribute='text') | join(' ') }} {% endfor %}"
        )
    found.save_pretrained(folder)
    return found


def llama(folder: Path, seed: int = 0) -> Path:
    """A Llama with a vocabulary of some forty words; it says them at random."""
    from transformers import LlamaConfig, LlamaForCausalLM

    quiet()
    seeded(seed)
    known = words(folder)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(known), hidden_size=32, intermediate_size=64, num_hidden_layers=2,
            num_attention_heads=2, max_position_embeddings=512, pad_token_id=0, bos_token_id=1,
            eos_token_id=2,
        )
    )  # fmt: skip
    loud(model).save_pretrained(folder)
    return folder


def blip(folder: Path, seed: int = 0) -> Path:
    """A BLIP captioner of pictures of 32 px."""
    from transformers import BertTokenizerFast, BlipConfig, BlipForConditionalGeneration
    from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil
    from transformers.models.blip.processing_blip import BlipProcessor

    quiet()
    seeded(seed)
    folder.mkdir(parents=True, exist_ok=True)
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    names = {name: place for place, name in enumerate([*special, *WORDS, ".", ","])}
    tokenizer = BertTokenizerFast(vocab=names)
    small = {
        "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2,
    }  # fmt: skip
    model = BlipForConditionalGeneration(
        BlipConfig(
            text_config={**small, "vocab_size": 64, "encoder_hidden_size": 32, "bos_token_id": 2,
                         "eos_token_id": 3, "sep_token_id": 3, "pad_token_id": 0,
                         "max_position_embeddings": 128},
            vision_config={**small, "image_size": 32, "patch_size": 8, "initializer_range": 0.02},
            projection_dim=16, image_text_hidden_size=16,
        )
    )  # fmt: skip
    loud(model).save_pretrained(folder)
    BlipProcessor(
        BlipImageProcessorPil(size={"height": 32, "width": 32}), tokenizer
    ).save_pretrained(folder)
    return folder


def llava(folder: Path, seed: int = 0) -> Path:
    """A LLaVA: a CLIP tower of pictures of 32 px before a Llama, with a chat form."""
    from transformers import (
        CLIPVisionConfig,
        LlamaConfig,
        LlavaConfig,
        LlavaForConditionalGeneration,
        LlavaProcessor,
    )
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    quiet()
    seeded(seed)
    known = words(folder, ("<image>",), chat=False)
    small = {
        "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2,
    }  # fmt: skip
    model = LlavaForConditionalGeneration(
        LlavaConfig(
            vision_config=CLIPVisionConfig(**small, image_size=32, patch_size=8),
            text_config=LlamaConfig(
                **small, vocab_size=len(known), max_position_embeddings=512, pad_token_id=0,
                bos_token_id=1, eos_token_id=2,
            ),
            image_token_id=known.convert_tokens_to_ids("<image>"),
            vision_feature_layer=-1,
        )
    )  # fmt: skip
    loud(model).save_pretrained(folder)
    side = {"height": 32, "width": 32}
    LlavaProcessor(
        CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size=side), known, patch_size=8,
        vision_feature_select_strategy="default", num_additional_image_tokens=1,
        chat_template=(
            "{% for m in messages %}<s> {% for p in m['content'] %}{% if p['type'] == 'image' %}"
            "<image> {% else %}{{ p['text'] }} {% endif %}{% endfor %}{% endfor %}"
        ),
    ).save_pretrained(folder)  # fmt: skip
    return folder

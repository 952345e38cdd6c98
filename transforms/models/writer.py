"""Texts written by a model in this process: from words, or from words and a picture."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from schemas.errors import BuildError, Fault
from transforms.annotating.members import opened
from transforms.models.device import place, roomy, versions
from transforms.models.loading import brief, loaded, part
from transforms.models.sampling import drawing
from transforms.texts.questions import Question, Reply, Sampling


class LocalWriter:
    """A causal language model, or one that also sees (BLIP, LLaVA, Qwen2-VL and their like).

    Questions are sorted by length and asked `batch` at a time. What is drawn depends on a question's
    own seed, not on its neighbours; padding can still change the last digit of a score, and so,
    seldom, a word.

    Attributes:
        computed: where and with what, for provenance.
    """

    def __init__(
        self, folder: Path, identity: str, device: str = "", threads: int = 1, batch: int = 32
    ) -> None:
        """Load the model from a folder; nothing else is asked.

        Raises:
            LoomError: libraries or memory are missing, or it writes no texts.
        """
        self.at, self.batch, self.identity = place(device, threads), batch, identity
        import transformers

        try:
            config = transformers.AutoConfig.from_pretrained(folder, local_files_only=True)
        except (OSError, ValueError, KeyError) as error:
            raise BuildError(f"model {identity}: cannot be loaded ({brief(error)})") from error
        self.sees = getattr(config, "vision_config", None) is not None
        kind = "AutoModelForImageTextToText" if self.sees else "AutoModelForCausalLM"
        if type(config) not in getattr(transformers, kind)._model_mapping:
            raise BuildError(f"model {identity}: a {config.model_type} writes no texts")
        self.model = loaded(getattr(transformers, kind), folder, identity, self.at)
        names = ("AutoProcessor", "tokenizer and processor")
        if not self.sees:
            names = ("AutoTokenizer", "tokenizer")
        self.processor = part(getattr(transformers, names[0]), names[1], folder, identity)
        self.tokenizer: Any = getattr(self.processor, "tokenizer", self.processor)
        self.tokenizer.padding_side = "left"
        if self.tokenizer.pad_token is None:
            self.tokenizer.pad_token = self.tokenizer.eos_token
        if self.model.generation_config.pad_token_id is None:
            self.model.generation_config.pad_token_id = self.tokenizer.pad_token_id
        self.chat = getattr(self.processor, "chat_template", None) is not None
        text = getattr(config, "text_config", None) or config
        self.room = int(getattr(text, "max_position_embeddings", 2048))
        self.computed = {"model": identity, "device": self.at.device.partition(":")[0],
                         "dtype": self.at.dtype, "batch": batch, **versions()}  # fmt: skip

    def write(self, questions: Sequence[Question], sampling: Sampling) -> list[Reply]:
        """One reply for each question, in order.

        Raises:
            BuildError: a batch does not fit into memory.
        """
        if not questions:
            return []
        prompts = [self._prompt(question) for question in questions]
        sizes = [len(ids) for ids in self.tokenizer(prompts)["input_ids"]]
        found = [Reply()] * len(questions)
        pictures: dict[int, Any] = {}
        todo = []
        for i in sorted(range(len(questions)), key=lambda i: (sizes[i], questions[i].sample)):
            if sizes[i] + sampling.tokens > self.room:
                said = f"{sizes[i]} tokens and {sampling.tokens} to write, at most {self.room}"
                found[i] = Reply(fault=Fault("prompt_too_long", said))
                continue
            try:
                pictures[i] = opened(questions[i].picture) if questions[i].picture else None
            except Fault as fault:
                found[i] = Reply(fault=fault)
            else:
                todo.append(i)
        name, _, revision = self.identity.partition("@")
        for start in range(0, len(todo), self.batch):
            part = todo[start : start + self.batch]
            with roomy(f"model {self.identity}, batch {self.batch}"):
                texts = self._texts(
                    [prompts[i] for i in part], [pictures[i] for i in part],
                    [questions[i].seed for i in part], sampling,
                )  # fmt: skip
            for i, (text, cut) in zip(part, texts, strict=True):
                found[i] = Reply(text, cut, model=name, revision=revision)
        return found

    def _prompt(self, question: Question) -> str:
        """What the model reads: in its own chat form where it has one."""
        if not self.chat:
            return f"{question.system}\n\n{question.prompt}" if question.system else question.prompt
        shown: list[dict[str, Any]] = [{"type": "image"}] if question.picture else []
        content: Any = [*shown, {"type": "text", "text": question.prompt}]
        lead: Any = [{"type": "text", "text": question.system}]
        if not self.sees:
            content, lead = question.prompt, question.system
        messages = [{"role": "user", "content": content}]
        if question.system:
            messages.insert(0, {"role": "system", "content": lead})
        text = self.processor.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=True
        )
        return str(text)

    def _texts(
        self, prompts: Sequence[str], pictures: Sequence[Any], seeds: Sequence[int],
        sampling: Sampling,
    ) -> list[tuple[str, bool]]:  # fmt: skip
        """(text, whether it was cut) of one batch."""
        import torch

        given = {k: v.to(self.at.device) for k, v in self._given(prompts, pictures).items()}
        if "pixel_values" in given:
            given["pixel_values"] = given["pixel_values"].to(self.at.torch_dtype)
        draws = []
        if sampling.temperature > 0:
            draws = [drawing(seeds, sampling.temperature, sampling.top_p)]
        with torch.inference_mode():
            written = self.model.generate(
                **given, max_new_tokens=sampling.tokens, do_sample=False, num_beams=1,
                logits_processor=draws,
            )  # fmt: skip
        if "input_ids" in given and not self.model.config.is_encoder_decoder:
            written = written[:, given["input_ids"].shape[1] :]
        ends = self._ends()
        cut = [not ends & set(row) and len(row) >= sampling.tokens for row in written.tolist()]
        texts = self.tokenizer.batch_decode(written, skip_special_tokens=True)
        return list(zip(texts, cut, strict=True))

    def _given(self, prompts: Sequence[str], shown: Sequence[Any]) -> dict[str, Any]:
        """The tensors of a batch. A captioner without a chat form is shown pictures and told nothing."""
        pictures = [picture for picture in shown if picture is not None]
        if self.sees and pictures and not self.chat:
            return dict(self.processor(images=pictures, return_tensors="pt"))
        options: dict[str, Any] = {"padding": True, "return_tensors": "pt"}
        if self.chat:  # the form has the model's own first token already
            options["add_special_tokens"] = False
        if self.sees and pictures:
            return dict(self.processor(images=pictures, text=list(prompts), **options))
        return dict(self.tokenizer(list(prompts), return_token_type_ids=False, **options))

    def _ends(self) -> set[int]:
        """Tokens that end a text."""
        stated = self.model.generation_config.eos_token_id
        ends = stated if isinstance(stated, list) else [stated]
        return {int(end) for end in [*ends, self.tokenizer.eos_token_id] if end is not None}

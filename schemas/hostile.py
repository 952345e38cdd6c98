"""What no text and no name may hold, whoever wrote it: a model, or a stranger on the map."""

import re

MARKUP = re.compile(r"[*#`{}<>|\\]|https?:|\bwww\.|^\s*[-•]\s", re.MULTILINE)
"""Remains of markup."""

LINK = re.compile(
    r"https?:|\bwww\.|\b[\w-]+\.(?:com|org|net|info|io|de|co\.uk)\b|\S@\S+\.\w|\+\d[\d ()./-]{6,}"
    r"|\b\d{3}[-. ]\d{3}[-. ]\d{4}\b|\b0\d{2,4}[-/ ]\d{4,}\b"
    r"|\b(?:phone|mobile|fax|e-?mail|changeset|uid)\b[\"']?\s*[=:]",
    re.IGNORECASE,
)
"""Addresses and numbers that lead to people or pages."""

CHATTER = re.compile(
    r"\bas an ai\b|language model|\bi(?:'m| am) (?:sorry|unable)|\bi can(?:not|'t)\b"
    r"|(?:ignore|disregard|forget)\b.{0,40}\binstructions?|system prompt|\bmy instructions"
    r"|\bhere(?: is|'s) (?:the|a|your) (?:caption|description|text|sentence|paragraph)"
    r"|^(?:sure|certainly|caption|output|answer)\s*[,!:]",
    re.IGNORECASE | re.DOTALL,
)
"""Words of an assistant about its task, and of who tries to give it another."""


def speaks(name: str) -> bool:
    """Whether what is called a name is an address, a number to call, or talk to a model."""
    return bool(LINK.search(name) or CHATTER.search(name))

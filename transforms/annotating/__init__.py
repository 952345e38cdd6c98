"""Made blocks, annotated: texts, scores and vectors that models give, one further table a block."""

from transforms.annotating.block import ABOUT, Annotator, annotated_schema
from transforms.annotating.members import picture
from transforms.annotating.steps import Annotates, Instead, Result

__all__ = [
    "ABOUT",
    "Annotates",
    "Annotator",
    "Instead",
    "Result",
    "annotated_schema",
    "picture",
]

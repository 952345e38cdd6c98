"""Samplers: where samples lie, before anybody looks at pixels. docs/samplers.md says which one when."""

from transforms.samplers.grid import Grid

__all__ = ["Grid"]

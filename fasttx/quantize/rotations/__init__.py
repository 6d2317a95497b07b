"""Rotations that spread large entries before numbers are quantized."""

from ._base import Identity, Rotation
from .hadamard import RandomizedHadamard

__all__ = ["Identity", "RandomizedHadamard", "Rotation"]

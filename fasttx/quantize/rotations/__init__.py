"""Rotations that spread large entries before numbers are quantized."""

from ._base import Identity, Rotation
from .choose import RotationChoice, RotationScore, choose_rotation
from .data import BlockRotation, KLTHadamard
from .hadamard import RandomizedHadamard
from .heads import GroupedHeadRotation
from .kronecker import KroneckerRotation
from .outliers import OutlierExtract, Split

__all__ = [
    "BlockRotation",
    "GroupedHeadRotation",
    "Identity",
    "KLTHadamard",
    "KroneckerRotation",
    "OutlierExtract",
    "RandomizedHadamard",
    "Rotation",
    "RotationChoice",
    "RotationScore",
    "Split",
    "choose_rotation",
]

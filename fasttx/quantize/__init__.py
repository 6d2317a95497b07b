"""Quantizers: rotated vector codes, codecs of key-value caches, 4-bit block formats."""

from ._codes import Codes
from ._vectors import VectorCodes
from .adapters import FourierAdapter, WHTAdapter
from .codebooks import Codebook, lloyd_max
from .formats import (
    AF4,
    E8,
    FP,
    FP4_UE5M3,
    INT2,
    INT3,
    INT4,
    INT8,
    ITQ3,
    MXFP4,
    MXFP6,
    MXFP8,
    NF4,
    NVFP4,
    BlockCodes,
    BlockFormat,
    dequantize,
    fake_quantize,
    gemm,
    quantize,
)
from .kv_cache import KVCache
from .power import PowerQuantizer
from .projections import QJL
from .rabitq import RaBitQ
from .rotations import (
    BlockRotation,
    GroupedHeadRotation,
    Identity,
    KLTHadamard,
    KroneckerRotation,
    OutlierExtract,
    RandomizedHadamard,
    Rotation,
    RotationChoice,
    RotationScore,
    Split,
    choose_rotation,
)
from .sigma_delta import FeatureCodes, SigmaDelta
from .turboquant import EDEN, TurboQuant, TwoStageCodes

__all__ = [
    "AF4",
    "E8",
    "EDEN",
    "FP",
    "FP4_UE5M3",
    "INT2",
    "INT3",
    "INT4",
    "INT8",
    "ITQ3",
    "MXFP4",
    "MXFP6",
    "MXFP8",
    "NF4",
    "NVFP4",
    "QJL",
    "BlockCodes",
    "BlockFormat",
    "BlockRotation",
    "Codebook",
    "Codes",
    "FeatureCodes",
    "FourierAdapter",
    "GroupedHeadRotation",
    "Identity",
    "KLTHadamard",
    "KVCache",
    "KroneckerRotation",
    "OutlierExtract",
    "PowerQuantizer",
    "RaBitQ",
    "RandomizedHadamard",
    "Rotation",
    "RotationChoice",
    "RotationScore",
    "SigmaDelta",
    "Split",
    "TurboQuant",
    "TwoStageCodes",
    "VectorCodes",
    "WHTAdapter",
    "choose_rotation",
    "dequantize",
    "fake_quantize",
    "gemm",
    "lloyd_max",
    "quantize",
]

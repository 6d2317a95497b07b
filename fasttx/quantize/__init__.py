"""Quantizers: rotated vector codes, codecs of key-value caches, 4-bit block formats."""

from ._codes import Codes
from ._vectors import VectorCodes
from .adapters import FourierAdapter, WHTAdapter
from .codebooks import Codebook, lloyd_max
from .kv_cache import KVCache
from .power import PowerQuantizer
from .projections import QJL
from .rabitq import RaBitQ
from .rotations import Identity, RandomizedHadamard
from .sigma_delta import FeatureCodes, SigmaDelta
from .turboquant import EDEN, TurboQuant, TwoStageCodes

__all__ = [
    "EDEN",
    "QJL",
    "Codebook",
    "Codes",
    "FeatureCodes",
    "FourierAdapter",
    "Identity",
    "KVCache",
    "PowerQuantizer",
    "RaBitQ",
    "RandomizedHadamard",
    "SigmaDelta",
    "TurboQuant",
    "TwoStageCodes",
    "VectorCodes",
    "WHTAdapter",
    "lloyd_max",
]

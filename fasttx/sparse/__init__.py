"""Sparse transforms: spectra with few terms from few, noisy queries."""

from .density import density_evolution, peeling_threshold
from .plan import SparsePlan
from .result import SparseResult
from .walsh import sparse_fwht

__all__ = [
    "SparsePlan",
    "SparseResult",
    "density_evolution",
    "peeling_threshold",
    "sparse_fwht",
]

"""Sparse transforms: spectra with few terms from few, noisy values of a function."""

from .density import density_evolution, peeling_threshold
from .fourier import SparseSpectrum, sparse_fft
from .moebius import MoebiusPlan, MoebiusResult, sparse_moebius
from .plan import SparsePlan
from .qary import QaryPlan, QaryResult, sparse_fft_qary
from .result import SparseResult
from .walsh import sparse_fwht

__all__ = [
    "MoebiusPlan",
    "MoebiusResult",
    "QaryPlan",
    "QaryResult",
    "SparsePlan",
    "SparseResult",
    "SparseSpectrum",
    "density_evolution",
    "peeling_threshold",
    "sparse_fft",
    "sparse_fft_qary",
    "sparse_fwht",
    "sparse_moebius",
]

"""Sparse transforms: spectra with few terms from few, noisy values of a function."""

from typing import TYPE_CHECKING

from .. import _lazy

if TYPE_CHECKING:
    from .density import density_evolution, peeling_threshold
    from .fourier import SparseSpectrum, sparse_fft
    from .moebius import MoebiusPlan, MoebiusResult, sparse_moebius
    from .plan import SparsePlan
    from .qary import QaryPlan, QaryResult, sparse_fft_qary
    from .result import SparseResult
    from .walsh import sparse_fwht

_HOME = {
    "MoebiusPlan": "moebius",
    "MoebiusResult": "moebius",
    "QaryPlan": "qary",
    "QaryResult": "qary",
    "SparsePlan": "plan",
    "SparseResult": "result",
    "SparseSpectrum": "fourier",
    "density_evolution": "density",
    "peeling_threshold": "density",
    "sparse_fft": "fourier",
    "sparse_fft_qary": "qary",
    "sparse_fwht": "walsh",
    "sparse_moebius": "moebius",
}

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

__getattr__, __dir__ = _lazy.attach(globals(), _HOME)

"""Dimension reduction and compression by fast transforms: sketches, random features, thinning.

Sketches and feature maps are transformers of scikit-learn, which is needed for these alone.
"""

from typing import TYPE_CHECKING

from .. import _lazy

if TYPE_CHECKING:
    from . import vsa
    from .apply import sketch
    from .designs import optimal_weighted_lstsq
    from .features import (
        Fastfood,
        OrthogonalFourierFeatures,
        QuasiRandomFeatures,
        RandomFourierFeatures,
    )
    from .lstsq import leverage_scores, sketched_lstsq
    from .products import kernel_matvec
    from .projections import FJLT, SRHT, CountSketch, GaussianSketch, SparseSign
    from .sigma_delta import SigmaDeltaFeatures
    from .svd import sketched_svd, update_svd
    from .thinning import Coreset, compress, kernel_thinning, mmd

_HOME = {
    "CountSketch": "projections",
    "FJLT": "projections",
    "GaussianSketch": "projections",
    "SRHT": "projections",
    "SparseSign": "projections",
    "Fastfood": "features",
    "OrthogonalFourierFeatures": "features",
    "QuasiRandomFeatures": "features",
    "RandomFourierFeatures": "features",
    "SigmaDeltaFeatures": "sigma_delta",
    "sketch": "apply",
    "kernel_matvec": "products",
    "leverage_scores": "lstsq",
    "sketched_lstsq": "lstsq",
    "sketched_svd": "svd",
    "update_svd": "svd",
    "Coreset": "thinning",
    "compress": "thinning",
    "kernel_thinning": "thinning",
    "mmd": "thinning",
    "optimal_weighted_lstsq": "designs",
}

__all__ = [
    "FJLT",
    "SRHT",
    "Coreset",
    "CountSketch",
    "Fastfood",
    "GaussianSketch",
    "OrthogonalFourierFeatures",
    "QuasiRandomFeatures",
    "RandomFourierFeatures",
    "SigmaDeltaFeatures",
    "SparseSign",
    "compress",
    "kernel_matvec",
    "kernel_thinning",
    "leverage_scores",
    "mmd",
    "optimal_weighted_lstsq",
    "sketch",
    "sketched_lstsq",
    "sketched_svd",
    "update_svd",
    "vsa",
]

__getattr__, __dir__ = _lazy.attach(globals(), _HOME, ("vsa",))

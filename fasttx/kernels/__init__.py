"""Covariance functions whose Gram matrices fast transforms diagonalise or apply.

`SIKernel` belongs to lattices and the Fourier transform, `DSIKernel` to digital nets and the
Walsh-Hadamard transform, `Gaussian`, `Matern` and `RationalQuadratic` to regular grids and Toeplitz
matrices. Kernels are added and multiplied; their hyperparameters follow scikit-learn's conventions.
"""

from typing import TYPE_CHECKING

from .. import _lazy

if TYPE_CHECKING:
    from ._algebra import ProductKernel, SumKernel
    from ._base import Kernel
    from .dsi import DSIKernel
    from .si import SIKernel
    from .stationary import Gaussian, Matern, RationalQuadratic

_HOME = {
    "DSIKernel": "dsi",
    "Gaussian": "stationary",
    "Kernel": "_base",
    "Matern": "stationary",
    "ProductKernel": "_algebra",
    "RationalQuadratic": "stationary",
    "SIKernel": "si",
    "SumKernel": "_algebra",
}

__all__ = [
    "DSIKernel",
    "Gaussian",
    "Kernel",
    "Matern",
    "ProductKernel",
    "RationalQuadratic",
    "SIKernel",
    "SumKernel",
]

__getattr__, __dir__ = _lazy.attach(globals(), _HOME)

"""Covariance functions whose Gram matrices fast transforms diagonalise or apply.

`SIKernel` belongs to lattices and the Fourier transform, `DSIKernel` to digital nets and the
Walsh-Hadamard transform, `Gaussian`, `Matern` and `RationalQuadratic` to regular grids and Toeplitz
matrices. Kernels are added and multiplied; their hyperparameters follow scikit-learn's conventions.
"""

from ._algebra import ProductKernel, SumKernel
from ._base import Kernel
from .dsi import DSIKernel
from .si import SIKernel
from .stationary import Gaussian, Matern, RationalQuadratic

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

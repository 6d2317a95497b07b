"""Gaussian processes and cubature on nets and lattices, whose Gram systems cost n log n."""

from typing import TYPE_CHECKING

from .. import _lazy

if TYPE_CHECKING:
    from ._adaptive import CubatureResult
    from .adaptive_qmc import qmc_cubature
    from .cubature import bayesian_cubature
    from .gram import FastGram
    from .regressor import FastGPRegressor

_HOME = {
    "CubatureResult": "_adaptive",
    "FastGPRegressor": "regressor",
    "FastGram": "gram",
    "bayesian_cubature": "cubature",
    "qmc_cubature": "adaptive_qmc",
}

__all__ = [
    "CubatureResult",
    "FastGPRegressor",
    "FastGram",
    "bayesian_cubature",
    "qmc_cubature",
]

__getattr__, __dir__ = _lazy.attach(globals(), _HOME)

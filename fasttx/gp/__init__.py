"""Gaussian processes and cubature on nets and lattices, whose Gram systems cost n log n."""

from typing import TYPE_CHECKING, Any

from ._adaptive import CubatureResult
from .cubature import bayesian_cubature
from .gram import FastGram
from .qmc_cubature import qmc_cubature

if TYPE_CHECKING:
    from .regressor import FastGPRegressor

__all__ = [
    "CubatureResult",
    "FastGPRegressor",
    "FastGram",
    "bayesian_cubature",
    "qmc_cubature",
]


def __getattr__(name: str) -> Any:
    # An estimator of scikit-learn, which is no requirement of the others and takes time to import.
    if name == "FastGPRegressor":
        try:
            from .regressor import FastGPRegressor
        except ModuleNotFoundError as error:
            if error.name and error.name.partition(".")[0] == "sklearn":
                raise ImportError(
                    "FastGPRegressor needs scikit-learn: pip install 'fasttx[sklearn]'"
                ) from error
            raise
        globals()[name] = FastGPRegressor
        return FastGPRegressor
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

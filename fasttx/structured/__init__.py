"""Structured matrices as linear operators: Toeplitz, circulant, Hankel, Kronecker and others.

Each is a ``scipy.sparse.linalg.LinearOperator`` that keeps its precision and knows, where there is
a fast way, how to solve, its determinant, its diagonal and its eigenvalues. `Toeplitz`,
`Circulant`, `Hankel`, `HadamardOperator` and `Kronecker` products of these multiply vectors on a
device too; all else is for NumPy arrays.
"""

from typing import TYPE_CHECKING

from .. import _lazy

if TYPE_CHECKING:
    from ._iterative import SolveInfo
    from .attention import kronecker_attention, toeplitz_attention
    from .butterfly import Butterfly, HadamardOperator
    from .circulant import Circulant, Hankel, ToeplitzPlusHankel
    from .gohberg_semencul import GohbergSemencul
    from .hamming import sliding_hamming
    from .kronecker import Kronecker, KroneckerSum
    from .kronecker_solve import KroneckerPlusDiagonal, LikelihoodResult
    from .multilevel import LogdetEstimate, MultilevelToeplitz
    from .state_space import StateSpace, toeplitz_to_ssm
    from .toeplitz import Toeplitz

_HOME = {
    "Butterfly": "butterfly",
    "Circulant": "circulant",
    "GohbergSemencul": "gohberg_semencul",
    "HadamardOperator": "butterfly",
    "Hankel": "circulant",
    "Kronecker": "kronecker",
    "KroneckerPlusDiagonal": "kronecker_solve",
    "KroneckerSum": "kronecker",
    "LikelihoodResult": "kronecker_solve",
    "LogdetEstimate": "multilevel",
    "MultilevelToeplitz": "multilevel",
    "SolveInfo": "_iterative",
    "StateSpace": "state_space",
    "Toeplitz": "toeplitz",
    "ToeplitzPlusHankel": "circulant",
    "kronecker_attention": "attention",
    "sliding_hamming": "hamming",
    "toeplitz_attention": "attention",
    "toeplitz_to_ssm": "state_space",
}

__all__ = [
    "Butterfly",
    "Circulant",
    "GohbergSemencul",
    "HadamardOperator",
    "Hankel",
    "Kronecker",
    "KroneckerPlusDiagonal",
    "KroneckerSum",
    "LikelihoodResult",
    "LogdetEstimate",
    "MultilevelToeplitz",
    "SolveInfo",
    "StateSpace",
    "Toeplitz",
    "ToeplitzPlusHankel",
    "kronecker_attention",
    "sliding_hamming",
    "toeplitz_attention",
    "toeplitz_to_ssm",
]

__getattr__, __dir__ = _lazy.attach(globals(), _HOME)

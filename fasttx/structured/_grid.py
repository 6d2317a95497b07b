"""Parts of covariances on grids: bases that diagonalise signal and noise, and gradients."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import scipy.linalg
from scipy.sparse.linalg import LinearOperator

from . import _factors
from ._base import as_entries
from .kronecker import Kronecker


class Basis(NamedTuple):
    """Eigenvectors of (K, D): Gᴴ K G = diag(values), Gᴴ D G = I; duals G⁻ᴴ; log det D."""

    values: np.ndarray
    vectors: np.ndarray
    duals: np.ndarray
    logdet: float


def basis(factor, noise, i) -> Basis:
    matrix = _hermitian(factor, f"factor {i}")
    if noise is None:
        values, vectors = np.linalg.eigh(matrix)
        return Basis(values, vectors, vectors, 0.0)
    if noise.ndim == 1:
        if not (noise > 0).all():
            raise np.linalg.LinAlgError(
                f"noise factor {i} is not positive definite: it has the entry {noise.min():.3e}"
            )
        root = np.sqrt(_factors.in_double(noise))[:, None]
        values, u = np.linalg.eigh(matrix / root / root.T)
        return Basis(values, u / root, u * root, 2 * float(np.log(root).sum()))
    try:
        lower = np.linalg.cholesky(_hermitian(noise, f"noise factor {i}"))
    except np.linalg.LinAlgError as error:
        raise np.linalg.LinAlgError(f"noise factor {i} is not positive definite") from error
    half = scipy.linalg.solve_triangular(lower, matrix, lower=True)
    white = scipy.linalg.solve_triangular(lower, half.conj().T, lower=True)
    values, u = np.linalg.eigh((white + white.conj().T) / 2)
    vectors = scipy.linalg.solve_triangular(lower, u, lower=True, trans="C")
    return Basis(values, vectors, lower @ u, 2 * float(np.log(np.diagonal(lower).real).sum()))


def _hermitian(factor, name):
    """The dense factor in double precision; it must be Hermitian up to its own rounding."""
    matrix = _factors.dense(factor)
    eps = np.finfo(matrix.dtype).eps
    matrix = _factors.in_double(matrix)
    gap = np.abs(matrix - matrix.conj().T).max(initial=0.0)
    if gap > 100 * eps * np.abs(matrix).max(initial=0.0):
        raise ValueError(f"{name} is not Hermitian: entries differ by {gap:.2e}")
    return (matrix + matrix.conj().T) / 2


def check_noise(noise: Any, sizes):
    """A finite number, or a tuple of arrays and operators of the right shapes."""
    if isinstance(noise, int | float | complex | np.number) or (
        isinstance(noise, np.ndarray) and not noise.ndim
    ):
        value = complex(noise)
        if value.imag or not math.isfinite(value.real):
            raise ValueError(f"noise must be a finite real number; got {noise}")
        return value.real
    if isinstance(noise, Kronecker):
        noise = noise.factors
    if not isinstance(noise, list | tuple) or len(noise) != len(sizes):
        raise ValueError(
            "noise must be a number, a list of one diagonal or matrix for each of the "
            f"{len(sizes)} factors, or a Kronecker operator of as many"
        )
    parts = []
    for i, (part, n) in enumerate(zip(noise, sizes, strict=True)):
        if not isinstance(part, LinearOperator):
            part = np.array(as_entries(part, f"noise factor {i}", None))
            part.flags.writeable = False
            if part.ndim == 1 and part.dtype.kind == "c":
                raise ValueError(f"noise factor {i}: a diagonal must be real")
        if part.shape not in ((n,), (n, n)):
            raise ValueError(
                f"noise factor {i} must have shape ({n},) or ({n}, {n}); got {part.shape}"
            )
        parts.append(part)
    return tuple(parts)


def check_positive(values, order: int, relative: bool) -> None:
    """Raise unless all eigenvalues, relative to the noise or not, are positive beyond rounding."""
    lowest = np.min(values, initial=np.inf)
    floor = order * np.finfo(float).eps * np.abs(values).max(initial=0.0)
    if not lowest > floor:
        raise np.linalg.LinAlgError(
            "the Kronecker product plus noise is not positive definite: its smallest "
            f"{'relative ' if relative else ''}eigenvalue is {lowest:.3e}, rounding is {floor:.1e}"
        )


def check_mask(mask, sizes):
    mask = np.asarray(mask)
    if mask.dtype != np.bool_:
        raise ValueError(f"mask must be boolean; got dtype {mask.dtype}")
    if mask.shape not in ((math.prod(sizes),), tuple(sizes)):
        raise ValueError(
            f"mask must have shape ({math.prod(sizes)},) or {tuple(sizes)}; got {mask.shape}"
        )
    return mask.reshape(-1)


def check_mode(factor: Any, count: int) -> int:
    if not (isinstance(factor, int | np.integer) and 0 <= factor < count):
        raise ValueError(f"factor must be an integer from 0 to {count - 1}; got {factor!r}")
    return int(factor)


def contract(vectors, values, beta, i, derivative, spectra, diagonal) -> Any:
    """``αᴴ dA α − tr(A⁻¹ dA)`` for dA = ⊗ of `derivative` in mode i and `spectra` in the others.

    `vectors` are the Gⱼ, `values` the eigenvalues of A in their basis and `beta` the coefficients
    of α. The derivative is a matrix or, if `diagonal`, a vector, or a stack of either.
    """
    sizes = [len(g) for g in vectors]
    n, total = sizes[i], math.prod(sizes)
    derivative = as_entries(derivative, "derivative", None)
    shape = (n,) if diagonal else (n, n)
    if derivative.shape != shape and derivative.shape[1:] != shape:
        raise ValueError(f"derivative must have shape {shape} or (p, ...); got {derivative.shape}")

    def unfold(x):
        return np.moveaxis(x.reshape(sizes), i, 0).reshape(n, total // n if n else 0)

    others = _factors.outer(np.multiply, [np.ones(1), *spectra[:i], *spectra[i + 1 :]])
    others = others if n else np.zeros(0)
    beta = unfold(beta)
    inner = (beta * others) @ beta.conj().T
    inner -= np.diag(unfold(1 / values) @ others)
    weights = vectors[i] @ inner @ vectors[i].conj().T
    weights = np.diagonal(weights) if diagonal else weights.T
    result = np.tensordot(derivative, weights, weights.ndim).real
    return float(result) if derivative.ndim == weights.ndim else result

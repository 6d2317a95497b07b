"""Factors of Kronecker products: arrays and operators, acting on one mode of a tensor."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias, cast

import numpy as np
import scipy.sparse
from scipy.linalg import get_lapack_funcs, solve_triangular
from scipy.sparse.linalg import LinearOperator, aslinearoperator

from ._base import StructuredOperator, as_entries

Factor: TypeAlias = Any  # a two-dimensional array or a LinearOperator


def check_factors(factors) -> tuple[Factor, ...]:
    """Factors as finite two-dimensional arrays and as operators."""
    if not factors:
        raise ValueError("at least one factor is needed")
    first = factors[0]
    if isinstance(first, (list, tuple)) and not all(map(_is_row, first)):
        raise TypeError(
            "factors are passed one by one, as in Kronecker(*factors); got a list of them"
        )
    checked: list[Factor] = []
    for i, factor in enumerate(factors):
        if scipy.sparse.issparse(factor):
            factor = aslinearoperator(factor)
        if not isinstance(factor, LinearOperator):
            factor = np.array(as_entries(factor, f"factor {i}", 2))
            factor.flags.writeable = False  # what is kept of a factor must stay true
        elif dtype_of(factor).char not in "fdFD":
            raise TypeError(f"factor {i} has dtype {factor.dtype}")
        checked.append(factor)
    return tuple(checked)


def _is_row(entries) -> bool:
    """Whether the entries of a list can be a row of a matrix, rather than a matrix of their own."""
    return not isinstance(entries, LinearOperator) and np.ndim(entries) < 2


def check_square_factors(factors: Sequence[Factor], what: str) -> list[int]:
    """Orders of square factors."""
    for i, factor in enumerate(factors):
        if factor.shape[0] != factor.shape[1]:
            raise ValueError(f"{what} needs square factors; factor {i} has shape {factor.shape}")
    return [factor.shape[0] for factor in factors]


def dtype_of(factor: Factor) -> np.dtype:
    """Floating dtype of a factor: an operator of integers, or of none, counts as float64."""
    if factor.dtype is None or factor.dtype.kind in "bui":
        return np.dtype(np.float64)
    return factor.dtype


def precision(dtype) -> np.dtype:
    """The real dtype of the same precision."""
    return np.finfo(dtype).dtype


def at_least(x: np.ndarray, dtype) -> np.ndarray:
    """Rows in at least the precision of an operator; they stay real as long as they can."""
    return x.astype(np.result_type(x.dtype, precision(dtype)), copy=False)


def owns(factor: Factor, method: str) -> bool:
    """Whether an operator has that method itself, beyond the defaults that raise."""
    own = getattr(type(factor), method, None)
    return (
        isinstance(factor, LinearOperator)
        and own is not None
        and own is not getattr(StructuredOperator, method)
    )


def dense(factor: Factor) -> np.ndarray:
    """The matrix of a factor."""
    if isinstance(factor, np.ndarray):
        return factor
    if hasattr(factor, "to_dense"):
        return factor.to_dense()
    matrix = np.asarray(factor.matmat(np.eye(factor.shape[1], dtype=dtype_of(factor))))
    return matrix.astype(dtype_of(factor), copy=False)


def in_double(matrix: np.ndarray) -> np.ndarray:
    """The matrix as float64 or complex128: decompositions of factors are cheap, so never single."""
    return matrix.astype(np.result_type(matrix.dtype, np.float64), copy=False)


def is_hermitian(matrix: np.ndarray) -> bool:
    """Whether the matrix is Hermitian to the last bit."""
    return bool(np.array_equal(matrix, matrix.conj().T))


def apply_factor(factor: Factor, x: np.ndarray, mode: int, adjoint: bool = False) -> np.ndarray:
    """The factor, or its adjoint, on one axis of the C-contiguous tensor `x`; C-contiguous."""
    n, tail = x.shape[mode], x.shape[mode + 1 :]
    blocks = x.reshape(-1, n, math.prod(tail))
    if isinstance(factor, np.ndarray):
        result = _multiply(factor.conj().T if adjoint else factor, blocks)
    else:
        rows = np.ascontiguousarray(blocks.transpose(0, 2, 1)).reshape(-1, n)
        moved = _operator_rows(factor, rows, adjoint).reshape(len(blocks), blocks.shape[2], -1)
        result = np.ascontiguousarray(moved.transpose(0, 2, 1))
    return result.reshape(*x.shape[:mode], result.shape[1], *tail)


def _multiply(matrix, blocks):
    """``matrix @ block`` for every block of shape (n, columns)."""
    if matrix.dtype.kind == "f" and blocks.dtype.kind == "c":
        # Real and imaginary parts are columns side by side: half the work of a complex product.
        result = _multiply(matrix, blocks.view(precision(blocks.dtype)))
        return result.view(np.result_type(result.dtype, np.complex64))
    count, n, columns = blocks.shape
    if columns == 1:  # one product instead of `count` with one column
        return (blocks.reshape(count, n) @ matrix.T)[:, :, None]
    return np.matmul(matrix, blocks)


def _operator_rows(operator, rows, adjoint):
    if isinstance(operator, StructuredOperator):
        return operator._rows(rows, adjoint)
    apply = operator.rmatmat if adjoint else operator.matmat
    if rows.dtype.kind == "c" and dtype_of(operator).kind == "f":
        # Others may write products into real arrays and lose the imaginary parts.
        result = np.asarray(apply(np.concatenate([rows.real, rows.imag]).T)).T
        return result[: len(rows)] + 1j * result[len(rows) :]
    return np.asarray(apply(rows.T)).T


def apply_on_device(factor: StructuredOperator, x, sizes: Sequence[int], mode: int, adjoint: bool):
    """The factor, or its adjoint, on one mode of the rows of a device array of that shape."""
    from .._cuda import transposition, wrap

    given = wrap(x)
    n, tail = sizes[mode], math.prod(sizes[mode + 1 :])
    outer = math.prod(x.shape) // (n * tail)
    rows = transposition.transpose(given, outer, n, tail, (outer * tail, n))
    result = wrap(factor._device_rows(rows.array, adjoint))
    m = result.shape[-1]
    return transposition.transpose(result, outer, tail, m, (outer, m, tail)).array


def kind_of(factor: Factor) -> str:
    """What a factor is, for messages."""
    return "an array" if isinstance(factor, np.ndarray) else f"a {type(factor).__name__}"


def apply_columns(
    function: Callable[[np.ndarray], np.ndarray], x: np.ndarray, mode: int
) -> np.ndarray:
    """A function of columns, (n, k) to (n, k), on one axis of a tensor; any strides."""
    rows = np.ascontiguousarray(np.moveaxis(x, mode, -1))
    # LAPACK takes columns that follow one another: rows, seen from the other side.
    result = function(rows.reshape(-1, rows.shape[-1]).T).T
    return np.moveaxis(result.reshape(rows.shape), -1, mode)


def apply_all(matrices: Sequence[np.ndarray], x: np.ndarray) -> np.ndarray:
    """Square matrices on all modes of the rows of `x`, (k, N) to (k, N), in its precision."""
    tensor = np.ascontiguousarray(x).reshape(-1, *(len(m) for m in matrices))
    for mode, matrix in enumerate(matrices):
        kind = np.result_type(precision(x.dtype), np.complex64 if matrix.dtype.kind == "c" else "f")
        tensor = apply_factor(matrix.astype(kind, copy=False), tensor, mode + 1)
    return tensor.reshape(x.shape)


def outer(operation: np.ufunc, vectors: Sequence[np.ndarray], dtype=None) -> np.ndarray:
    """Products or sums of all entries, in the order of `numpy.kron`."""
    result = functools.reduce(operation.outer, vectors).ravel()
    return result.astype(result.dtype if dtype is None else dtype, copy=len(vectors) == 1)


def diagonal(factor: Factor) -> np.ndarray:
    """Main diagonal of a factor."""
    if owns(factor, "diagonal"):
        return factor.diagonal()
    return np.diagonal(dense(factor))


def trace(factor: Factor) -> Any:
    """Trace of a factor."""
    if owns(factor, "trace") or owns(factor, "diagonal"):
        return factor.trace()
    return in_double(diagonal(factor)).sum()


def eigvals(factor: Factor, *, double: bool = False) -> np.ndarray:
    """Eigenvalues of a square factor, real if it is exactly Hermitian and dense."""
    if owns(factor, "eigvals"):
        return in_double(factor.eigvals()) if double else factor.eigvals()
    matrix = in_double(dense(factor)) if double else dense(factor)
    return np.linalg.eigvalsh(matrix) if is_hermitian(matrix) else np.linalg.eigvals(matrix)


def slogdet(factor: Factor) -> tuple[Any, float]:
    """Sign and logarithm of the magnitude of the determinant of a square factor."""
    if owns(factor, "slogdet"):
        return factor.slogdet()
    sign, value = np.linalg.slogdet(in_double(dense(factor)))
    return sign, float(value)


def dense_solver(matrix: np.ndarray, name: str) -> Callable[[np.ndarray], np.ndarray]:
    """Decompose a square matrix once: Cholesky if Hermitian positive definite, else LU.

    Raises
    ------
    numpy.linalg.LinAlgError
        If it is singular to working precision.
    """
    if not matrix.size:
        return lambda columns: columns
    norm = np.linalg.norm(matrix, 1)
    kind = precision(matrix.dtype)
    lapack = functools.partial(get_lapack_funcs, dtype=matrix.dtype)
    rcond, solve = 0.0, cast(Any, None)
    if is_hermitian(matrix):
        potrf, pocon = lapack(("potrf", "pocon"))
        triangle, failed = potrf(matrix, lower=False, clean=False)
        if not failed:
            rcond, _ = pocon(triangle, norm, uplo="U")

            def solve(columns):
                (potrs,) = get_lapack_funcs(("potrs",), (triangle, columns))
                return potrs(triangle, columns, lower=False)[0]

    if solve is None:
        getrf, gecon = lapack(("getrf", "gecon"))
        lu, pivots, zero = getrf(matrix)
        if not zero:
            rcond, _ = gecon(lu, norm)

        def solve(columns):
            (getrs,) = get_lapack_funcs(("getrs",), (lu, columns))
            return getrs(lu, pivots, columns)[0]

    if not rcond >= np.finfo(kind).eps:
        raise np.linalg.LinAlgError(
            f"{name} is singular to working precision: its reciprocal condition number is about "
            f"{rcond:.1e}"
        )
    return solve


def check_backward_error(operator: LinearOperator, x, b, norm: float, tol: float) -> None:
    """Raise unless ‖A x − b‖ / (‖A‖ ‖x‖ + ‖b‖) is at most `tol` for every column.

    With a matrix that is singular to working precision that is small for any large x: the residual
    must also be a fraction of `b`.

    Raises
    ------
    numpy.linalg.LinAlgError
        With the largest figure.
    """
    x, b = (in_double(a.reshape(len(a), -1)) for a in (x, b))
    residual, size = np.linalg.norm(operator.matmat(x) - b, axis=0), np.linalg.norm(b, axis=0)
    total = norm * np.linalg.norm(x, axis=0) + size
    figure = np.max(residual / np.where(total > 0, total, 1), initial=0.0)
    if not figure <= tol:
        raise np.linalg.LinAlgError(
            f"the backward error of the solution is {figure:.2e}, above tol = {tol:.2e}"
        )
    relative = np.max(residual / np.where(size > 0, size, 1), initial=0.0)
    if relative > 0.1:
        raise np.linalg.LinAlgError(
            "the operator is singular to working precision: the residual of the solution is "
            f"{relative:.1e} times the right-hand side"
        )


def back_substitute(triangles, x, shift):
    """Solve with the Kronecker sum of upper triangles plus `shift`, in place; x (n1, ..., nd, k).

    The unknowns of the first mode follow one another from the last, each a smaller such system.
    """
    first = triangles[0]
    if len(triangles) == 1:
        shifted = first + shift * np.eye(len(first))
        x[...] = solve_triangular(shifted, x, check_finite=False)
        return
    for i in range(len(first) - 1, -1, -1):
        if i + 1 < len(first):
            x[i] -= np.tensordot(first[i, i + 1 :], x[i + 1 :], 1)
        back_substitute(triangles[1:], x[i], shift + first[i, i])

"""Truncated singular value decompositions: by sketches, in one pass, and of growing matrices."""

from __future__ import annotations

import dataclasses
import operator
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import scipy.linalg
import scipy.sparse
from numpy.typing import ArrayLike, NDArray
from scipy.sparse.linalg import LinearOperator

from .._array import check_finite, check_host
from ._make import NONZEROS, hashes, make, seed_from
from ._operators import (
    HashedSums,
    SketchOperator,
    as_floats,
    as_real,
    check_range,
)

Array = NDArray[Any]

PROBES = 10  # vectors that the error is estimated with


@dataclasses.dataclass(frozen=True)
class SketchedSVD:
    """Approximate truncated singular value decomposition ``A ~ (U * S) @ Vh``.

    Attributes
    ----------
    U : ndarray of shape (m, k)
        Orthonormal columns.
    S : ndarray of shape (k,)
        Singular values, not increasing.
    Vh : ndarray of shape (k, n)
        Orthonormal rows.
    error : float
        Estimate of ``||A - (U * S) @ Vh||`` in the Frobenius norm, from ten random vectors that
        took no part in the approximation. Its square is unbiased, of a relative standard deviation
        of ``sqrt(0.2 / r)``, r the stable rank of the difference: at most 45 percent.
    passes : int
        How often A was read.
    """

    U: Array
    S: Array
    Vh: Array
    error: float
    passes: int


def sketched_svd(
    A: Any,
    k: int,
    *,
    iterations: int = 2,
    oversampling: int = 16,
    single_pass: bool = False,
    rng: Any = None,
    workers: int | None = None,
) -> SketchedSVD:
    """Truncated singular value decomposition by sketching.

    Parameters
    ----------
    A : array_like, SciPy sparse array or LinearOperator, shape (m, n)
        Real; float32 is kept. With `single_pass`, also an iterable of blocks of rows.
    k : int
        Number of singular values, at most min(m, n).
    iterations : int, optional
        Blocks of the Krylov space [1]_ beyond the sketch; 0 is the plain range finder [2]_.
    oversampling : int, optional
        Columns of a block beyond `k`.
    single_pass : bool, optional
        Read A once, row by row: from sketches of rows, columns and both [3]_. Less accurate;
        `iterations` is not used and `oversampling` neither: sketches have 4 k + 1 and 8 k + 3.
    rng : int, numpy.random.Generator or None, optional
        Random state.
    workers : int, optional
        Number of threads of the sketches; the products are the BLAS's.

    Returns
    -------
    SketchedSVD

    Raises
    ------
    ValueError
        If `k` is not between 1 and min(m, n), or A has NaN or infinities.

    Notes
    -----
    Host only. The first product is a sketch of the columns, A is read 2 `iterations` + 3
    times, and these products cost 2 m n (k + oversampling) operations each, but for the first and
    that with the vectors of the estimate. After i iterations the
    space has all polynomials of degree 2 i + 1 in A, instead of the one power of a subspace
    iteration, and is as good as that after some i**2.

    References
    ----------
    .. [1] C. Musco and C. Musco, "Randomized block Krylov methods for stronger and faster
       approximate singular value decomposition", 2015. :arxiv:`1504.05477`
    .. [2] N. Halko, P.-G. Martinsson and J. A. Tropp, "Finding structure with randomness:
       probabilistic algorithms for constructing approximate matrix decompositions", 2011.
       :arxiv:`0909.4061`
    .. [3] J. A. Tropp, A. Yurtsever, M. Udell and V. Cevher, "Streaming low-rank matrix
       approximation with an application to scientific simulation", 2019, section 2.
       :arxiv:`1902.08651`

    Examples
    --------
    >>> import numpy as np
    >>> from fasttx.sketch import sketched_svd
    >>> x = np.linspace(0, 1, 500)
    >>> A = 1 / (1 + x[:, None] + x[:400])
    >>> result = sketched_svd(A, 5, rng=0)
    >>> exact = np.linalg.svd(A, compute_uv=False)
    >>> bool(np.allclose(result.S, exact[:5]))
    True
    >>> bool(0.5 < result.error / np.linalg.norm(exact[5:]) < 2)
    True
    """
    generator = np.random.default_rng(rng)
    k, iterations, oversampling = map(operator.index, (k, iterations, oversampling))
    if iterations < 0 or oversampling < 0:
        raise ValueError(
            f"iterations and oversampling must not be negative; got {iterations}, {oversampling}"
        )
    if single_pass:
        return _one_pass(_blocks(A), k, generator)
    if not isinstance(A, LinearOperator):
        A = as_real(A, "the matrix")
    elif np.dtype(A.dtype).kind == "c":
        raise TypeError(f"expected a real operator; got {A.dtype}")
    m, n = A.shape
    _check_rank(k, m, n)
    return _krylov(A, k, min(k + oversampling, m, n), iterations, generator, workers)


def update_svd(
    U: ArrayLike, S: ArrayLike, V: ArrayLike, rows: Any, *, k: int | None = None
) -> tuple[Array, Array, Array]:
    """Truncated singular value decomposition after rows are appended to a matrix.

    Parameters
    ----------
    U : array_like of shape (m, r)
    S : array_like of shape (r,)
    V : array_like of shape (r, n) or (n, r)
        Rows, as from ``numpy.linalg.svd``, or columns; taken for rows where r = n. U and V are
        orthonormal: U S V stands for the matrix so far.
    rows : array_like or SciPy sparse array, shape (p, n)
        The new rows.
    k : int, optional
        Number of singular values to keep; default r. There are fewer if the rank is.

    Returns
    -------
    U : ndarray of shape (m + p, k)
    S : ndarray of shape (k,)
    V : ndarray of shape (k, n) or (n, k), as it came
        The best approximation of rank k of ``[U S V; rows]``, and that matrix itself, up to
        rounding, for k >= r + p. What is discarded has the norm
        ``sqrt(norm(S)**2 + norm(rows)**2 - norm(S_new)**2)``.

    Raises
    ------
    ValueError
        If shapes do not fit, U or V is not orthonormal, or `rows` has NaN or infinities.

    Notes
    -----
    Host only. O((m + n + p)(r + p)**2) operations and memory for p rows of n numbers: many rows are
    better appended a few at a time. New directions are orthogonalised twice, so that U and V stay
    orthonormal over any number of updates.

    References
    ----------
    .. [1] M. Brand, "Fast low-rank modifications of the thin singular value decomposition", Linear
       Algebra and its Applications 415, 20-30, 2006.

    Examples
    --------
    >>> import numpy as np
    >>> from fasttx.sketch import update_svd
    >>> A = np.random.default_rng(0).standard_normal((30, 8))
    >>> U, S, V = np.linalg.svd(A[:20], full_matrices=False)
    >>> U, S, V = update_svd(U, S, V, rows=A[20:])
    >>> bool(np.allclose((U * S) @ V, A))
    True
    """
    for factor in (U, S, V):
        check_host(factor, "update_svd")
    left, values, right = (as_floats(np.atleast_2d(x)) for x in (U, S, V))
    if np.ndim(S) != 1:
        raise ValueError(f"S must have one dimension; got shape {np.shape(S)}")
    values, new = values[0], as_real(rows, "the matrix")
    r, (p, n) = len(values), new.shape
    upright = right.shape == (n, r) and n != r
    if upright:
        right = right.T
    if left.shape[1] != r or right.shape != (r, n):
        raise ValueError(
            f"U, S, V and rows have the shapes {left.shape}, {values.shape}, {np.shape(V)} and "
            f"{new.shape}; expected (m, r), (r,), (r, n) and (p, n)"
        )
    dtype = np.result_type(left, values, right, new.dtype)
    for name, basis in (("U", left.T), ("V", right)):
        off = np.abs(basis @ basis.T - np.eye(r)).max(initial=0)
        if not off < 1e3 * np.finfo(dtype).eps * max(basis.shape):
            raise ValueError(f"{name} is not orthonormal: its Gram matrix is off by {off:.1e}")
    most = min(left.shape[0] + p, r + p, n)
    k = r if k is None else operator.index(k)
    if not 1 <= k <= most:
        raise ValueError(f"k must be between 1 and {most}; got {k}")
    inside = np.asarray(new @ right.T)
    beyond = (new.toarray() if scipy.sparse.issparse(new) else new) - inside @ right
    size = np.linalg.norm(inside) + np.linalg.norm(beyond)
    _, lengths, found = scipy.linalg.svd(beyond, full_matrices=False)
    found = found[lengths > np.finfo(dtype).eps * max(new.shape) * size]
    J = _orthogonal(found.T, right.T)  # the directions that are new
    core = np.zeros((r + p, r + J.shape[1]), dtype)
    core[np.arange(r), np.arange(r)] = values
    core[r:, :r], core[r:, r:] = inside, beyond @ J
    u, s, vt = scipy.linalg.svd(core, full_matrices=False)
    k = min(k, len(s))
    top = np.concatenate([left @ u[:r, :k], u[r:, :k]])
    bottom = vt[:k, :r] @ right + vt[:k, r:] @ J.T
    return top, s[:k], bottom.T if upright else bottom


def _krylov(
    A: Any, k: int, width: int, iterations: int, rng: np.random.Generator, workers: int | None
) -> SketchedSVD:
    m, n = A.shape
    if isinstance(A, LinearOperator):
        dtype = np.float32 if A.dtype == np.float32 else np.float64
        products = A @ rng.standard_normal((n, width)).astype(dtype)
    else:
        kind = "sparse-sign" if scipy.sparse.issparse(A) else "srht"
        S = make(kind, n, width, rng, A.dtype, workers)
        products = S.rows(A)
    check_finite(products, "the matrix")
    check_range(products, "the matrix")
    probes = rng.standard_normal((n, PROBES)).astype(products.dtype)
    seen = A @ probes
    adjoint = A.T if not isinstance(A, LinearOperator) else A.H
    basis = np.empty((m, 0), products.dtype)
    images = np.empty((n, 0), products.dtype)  # A.T @ basis
    for turn in range(iterations + 1):
        if turn:
            products = A @ images[:, -width:]
        block = _orthogonal(products, basis)
        basis = np.concatenate([basis, block], axis=1)
        images = np.concatenate([images, adjoint @ block], axis=1)
        if basis.shape[1] + width > min(m, n):
            break
    Q, R = np.linalg.qr(images)
    left, values, right = scipy.linalg.svd(R.T)
    U, Vh = basis @ left[:, :k], right[:k] @ Q.T
    return _result(U, values[:k], Vh, probes, seen, 2 * turn + 3)


def _orthogonal(block: Array, basis: Array) -> Array:
    """Orthonormal basis of a block's part that is orthogonal to a basis, to rounding."""
    block = np.linalg.qr(block - basis @ (basis.T @ block))[0]
    block = block - basis @ (basis.T @ block)
    gram = block.T @ block
    if np.abs(gram - np.eye(len(gram))).max(initial=0) > 0.1:  # directions were lost
        return np.linalg.qr(block)[0]
    # What is nearly orthonormal is made so by a Cholesky factor, five times as fast.
    root = np.linalg.cholesky(gram)
    return scipy.linalg.solve_triangular(root, block.T, lower=True, check_finite=False).T


def _one_pass(blocks: Iterator[Any], k: int, rng: np.random.Generator) -> SketchedSVD:
    """From X = Y A, A W and Z = F A G, with Y, F, W and G sparse sign matrices."""
    if k < 1:
        raise ValueError(f"k must be positive; got {k}")
    small, large = 4 * k + 1, 8 * k + 3
    row_seeds = seed_from(rng), seed_from(rng)
    count, ranges, seen = 0, [], []
    for rows in blocks:
        if not count:
            n, dtype = rows.shape[1], rows.dtype
            W, G = (make("sparse-sign", n, size, rng, dtype) for size in (small, large))
            probes = rng.standard_normal((n, PROBES)).astype(dtype)
            X, Z = np.zeros((small, n), dtype), np.zeros((large, large), dtype)
        elif rows.shape[1] != n:
            raise ValueError(f"blocks of rows must have {n} columns; got shape {rows.shape}")
        ranges.append(W.rows(rows))
        check_finite(ranges[-1], "the matrix")
        check_range(ranges[-1], "the matrix")
        seen.append(rows @ probes)
        Y, F = (
            _row_sketch(seed, count, rows.shape[0], size, dtype)
            for seed, size in zip(row_seeds, (small, large), strict=True)
        )
        Y.add_columns(rows, X)
        F.add_columns(G.rows(rows), Z)
        count += rows.shape[0]
    if not count:
        raise ValueError("there are no rows")
    _check_rank(k, count, n)
    Q, P = np.linalg.qr(np.concatenate(ranges))[0], np.linalg.qr(X.T)[0]
    F = _row_sketch(row_seeds[1], 0, count, large, dtype)
    half = scipy.linalg.lstsq(F.columns(Q), Z)[0]
    core = scipy.linalg.lstsq(G.columns(P), half.T)[0].T
    left, values, right = scipy.linalg.svd(core)
    U, Vh = Q @ left[:, :k], right[:k] @ P.T
    return _result(U, values[:k], Vh, probes, np.concatenate(seen), 1)


def _row_sketch(seed: np.uint64, start: int, count: int, k: int, dtype: Any) -> SketchOperator:
    return HashedSums(*hashes(seed, start, count, k, min(NONZEROS, k)), k, dtype)


def _result(U: Array, S: Array, Vh: Array, probes: Array, seen: Array, passes: int) -> SketchedSVD:
    difference = seen - (U * S) @ (Vh @ probes)
    error = float(np.linalg.norm(difference)) / PROBES**0.5
    return SketchedSVD(U, S, Vh, error, passes)


def _blocks(A: Any) -> Iterator[Any]:
    """Blocks of rows, of a matrix or of an iterable of these."""
    if isinstance(A, Iterable) and not hasattr(A, "shape") and not isinstance(A, list):
        for rows in A:
            yield as_real(rows, "the matrix")
        return
    yield as_real(A, "the matrix")


def _check_rank(k: int, m: int, n: int) -> None:
    if not 1 <= k <= min(m, n):
        raise ValueError(f"k must be between 1 and {min(m, n)}; got {k}")

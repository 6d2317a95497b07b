"""Least squares and leverage scores of tall matrices, by sketches of their rows."""

from __future__ import annotations

import dataclasses
import math
import operator
import warnings
from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import ArrayLike, NDArray

from .._array import check_finite, check_host
from ._least_squares import Factor, Tall, Wide, iterate
from ._make import make
from ._operators import as_real, check_range

Array = NDArray[Any]

METHODS = ("blendenpik", "lsrn", "sketch-and-solve")
KINDS = ("auto", "srht", "sparse-sign", "countsketch")

LEAST, MOST = 4, 40  # rows of a sketch for each column
BLOCK_BYTES = 1 << 22


@dataclasses.dataclass(frozen=True)
class SketchedLstsqResult:
    """Solution of a least-squares problem.

    Attributes
    ----------
    x : ndarray of shape (n,) or (n, k)
        The solution, the shortest one where there are many.
    residual : float, or ndarray of shape (k,)
        ``||b - A x||``.
    iterations : int
        Products with A.T A, those of the column that took most.
    condition : float
        Estimate of the ratio of the largest and the smallest singular value of A that is not zero,
        to within the distortion of the sketch.
    rank : int
        Numerical rank of A.
    optimality : float
        Norm of the gradient in the coordinates of the preconditioner, over the norm of the
        residual, which is larger than the smallest one by a share of about half the square of this.
        For more columns than rows, over the norm of that gradient for x = 0.
    converged : bool
        Whether `optimality` is at most `tol`, or what rounding errors allow.
    """

    x: Array
    residual: Any
    iterations: int
    condition: float
    rank: int
    optimality: float
    converged: bool


def sketched_lstsq(
    A: Any,
    b: ArrayLike,
    *,
    method: str = "blendenpik",
    sketch_size: int | None = None,
    sketch: str = "auto",
    tol: float | None = None,
    max_iterations: int = 100,
    rng: Any = None,
    workers: int | None = None,
) -> SketchedLstsqResult:
    """Solve min ||b - A x|| by a sketch of the rows of A.

    Parameters
    ----------
    A : array_like or SciPy sparse array, shape (m, n)
        Real; float32 is kept. Rows need to be many more than columns but for "lsrn".
    b : array_like of shape (m,) or (m, k)
    method : {"blendenpik", "lsrn", "sketch-and-solve"}, optional
        "blendenpik" [1]_: a factorisation of the sketch S A preconditions an iteration with A; A
        must have full rank. "lsrn" [2]_: that of a Gaussian sketch; any rank and any shape, the
        shortest solution. "sketch-and-solve": min ||S b - S A x|| and no iteration; the residual is
        larger than the best by a share of about n / (2 sketch_size), and `converged` False.
    sketch_size : int, optional
        Rows of S A, more than n. By default between 4 n and 40 n, more for taller matrices; for
        "lsrn" twice the smaller dimension.
    sketch : {"auto", "srht", "sparse-sign", "countsketch"}, optional
        Kind of the sketch, but for "lsrn". By default "srht", for sparse matrices "sparse-sign".
    tol : float, optional
        Accepted `optimality`; default 1e-12, in float32 1e-5.
    max_iterations : int, optional
    rng : int, numpy.random.Generator or None, optional
        Random state.
    workers : int, optional
        Number of threads, as for `fasttx.fwht`; bits do not depend on it, but for the BLAS's.

    Returns
    -------
    SketchedLstsqResult

    Raises
    ------
    ValueError
        If shapes do not fit, or entries are not finite.
    numpy.linalg.LinAlgError
        If A is numerically rank deficient, but for "lsrn"; all-zero A has rank 0.

    Notes
    -----
    Host only. The preconditioned system has a condition number of about (1 + r)/(1 - r), r =
    sqrt(n / sketch_size), whatever that of A, and the error decreases by r in an iteration of
    conjugate gradients. Each reads a C-contiguous A once, 4 m n operations; others twice. The
    gradient is computed anew after a reduction by 1e-8, so that rounding errors do not add up: the
    error is within what backward stable methods guarantee [3]_. Memory beyond A is a sketch's.

    References
    ----------
    .. [1] H. Avron, P. Maymounkov and S. Toledo, "Blendenpik: supercharging LAPACK's least-squares
       solver", SIAM Journal on Scientific Computing 32, 1217-1236, 2010.
    .. [2] X. Meng, M. A. Saunders and M. W. Mahoney, "LSRN: a parallel iterative solver for
       strongly over- or underdetermined systems", 2014. :arxiv:`1109.5981`
    .. [3] E. N. Epperly, M. Meier and Y. Nakatsukasa, "Fast randomized least-squares solvers can
       be just as accurate and stable as classical direct solvers", 2024. :arxiv:`2406.03468`

    Examples
    --------
    >>> import numpy as np
    >>> from fasttx.sketch import sketched_lstsq
    >>> rng = np.random.default_rng(0)
    >>> A, x = rng.standard_normal((20_000, 30)) * np.logspace(0, 6, 30), np.ones(30)
    >>> result = sketched_lstsq(A, A @ x + rng.standard_normal(20_000), rng=1)
    >>> result.converged, bool(result.condition > 1e5), result.iterations < 20
    (True, True, True)
    """
    if method not in METHODS:
        raise ValueError(f"method must be one of {METHODS}; got {method!r}")
    A, columns, one = _checked(A, b)
    m, n = A.shape
    tol = _tolerance(tol, A.dtype)
    if max_iterations < 1:
        raise ValueError(f"max_iterations must be positive; got {max_iterations}")
    if sketch not in KINDS:
        raise ValueError(f"sketch must be one of {KINDS}; got {sketch!r}")
    size = _sketch_size(sketch_size, m, n, method)
    kind = "gaussian" if method == "lsrn" else sketch
    across = method == "lsrn" and m < n
    tall = A.T if across else A
    S, SA = _sketched(tall, size, kind, np.random.default_rng(rng), workers)
    check_range(SA, "A")
    # By powers of two, which are exact: squares of small and large numbers fit then.
    scales = [2.0 ** -np.frexp(np.abs(column).max())[1] for column in columns.T]
    factor = Factor(SA)
    if factor.rank < n and method != "lsrn":
        raise np.linalg.LinAlgError(
            f"A of {n} columns has the numerical rank {factor.rank}; method='lsrn' gives the "
            "shortest solution"
        )
    most = 0 if method == "sketch-and-solve" else max_iterations
    found = []
    for column, scale in zip(columns.T, scales, strict=True):
        column = column * columns.dtype.type(scale)
        if across:
            problem: Tall | Wide = Wide(A, column, factor)
            start = np.zeros(n)
        else:
            problem = Tall(A, column, factor, workers)
            start = factor.solution(S.columns(column[:, None])[:, 0] if S else column)
        solution, residual, *rest = iterate(problem, start, tol, most)
        found.append((solution / scale, residual / scale, *rest))
    x, residuals, iterations, optimality, converged = zip(*found, strict=True)
    if most and not all(converged):
        warnings.warn(
            f"sketched_lstsq did not converge in {max(iterations)} iterations: the optimality is "
            f"{max(optimality):.1e}",
            RuntimeWarning,
            stacklevel=2,
        )
    return SketchedLstsqResult(
        x[0].astype(A.dtype) if one else np.stack(x, axis=1).astype(A.dtype),
        residuals[0] if one else np.array(residuals),
        max(iterations),
        factor.condition,
        factor.rank,
        max(optimality),
        all(converged),
    )


def leverage_scores(
    A: Any,
    *,
    method: str = "exact",
    error: float = 0.1,
    rng: Any = None,
    workers: int | None = None,
) -> NDArray[np.float64]:
    """Leverage scores: the diagonal of the projection onto the columns of A.

    Parameters
    ----------
    A : array_like or SciPy sparse array, shape (m, n)
    method : {"exact", "sketch"}, optional
        "exact": a QR factorisation of A gives R, and row i the score ||a_i R^-1||^2. "sketch": R is
        that of a sketch of A, and R^-1 is multiplied by a random matrix of few columns [1]_.
    error : float, optional
        Relative error of "sketch", of all scores with high probability; between 0 and 1.
    rng, workers
        As for `sketched_lstsq`.

    Returns
    -------
    ndarray of float64, shape (m,)
        Between 0 and 1; their sum is the rank, but for "sketch" about it.

    Raises
    ------
    ValueError
        If entries are not finite, or an argument is not one of the accepted.

    Notes
    -----
    Host only. 4 m n**2 operations for "exact". "sketch" takes a sketch of A of 40 n / error**2 rows
    and 16 log(m) / error**2 columns instead of n; it pays for n of thousands.

    References
    ----------
    .. [1] P. Drineas, M. Magdon-Ismail, M. W. Mahoney and D. P. Woodruff, "Fast approximation of
       matrix coherence and statistical leverage", 2012. :arxiv:`1109.3843`

    Examples
    --------
    >>> import numpy as np
    >>> from fasttx.sketch import leverage_scores
    >>> A = np.vstack([np.ones((9, 1)) * [1, 0], [[1, 5]]])
    >>> leverage_scores(A).round(3)
    array([0.111, 0.111, 0.111, 0.111, 0.111, 0.111, 0.111, 0.111, 0.111,
           1.   ])
    """
    if method not in ("exact", "sketch"):
        raise ValueError(f'method must be "exact" or "sketch"; got {method!r}')
    if not 0 < error < 1:
        raise ValueError(f"error must lie between 0 and 1; got {error}")
    A = as_real(A, "A")
    (m, n), generator = A.shape, np.random.default_rng(rng)
    if m == 0 or n == 0:
        return np.zeros(m)
    # Half of the error for the lengths of a_i R^-1 as they are, half for those of the products.
    rows = m if method == "exact" else math.ceil(40 * n / error**2)
    _, SA = _sketched(A, rows, "auto", generator, workers)
    P = Factor(SA).matrix
    columns = math.ceil(16 * math.log(max(m, 2)) / error**2)
    if method == "sketch" and columns < P.shape[1]:
        P = P @ generator.standard_normal((P.shape[1], columns)) / math.sqrt(columns)
    out = np.empty(m)
    step = max(1, BLOCK_BYTES // (8 * max(n, P.shape[1])))
    for start in range(0, m, step):
        part = A[start : start + step] @ P
        out[start : start + step] = np.einsum("ij,ij->i", part, part)
    return np.minimum(out, 1.0)


def _sketched(
    A: Any, size: int, kind: str, rng: np.random.Generator, workers: int | None
) -> tuple[Any, Array]:
    """The sketch of rows, and of those of A; no sketch where it would not be smaller."""
    m, sparse = A.shape[0], scipy.sparse.issparse(A)
    if size >= m:
        return None, A.toarray() if sparse else A
    if kind == "auto":
        kind = "sparse-sign" if sparse else "srht"
    S = make(kind, m, size, rng, A.dtype, workers)
    SA = S.columns(A)
    check_finite(SA, "A")
    return S, SA


def _sketch_size(size: int | None, m: int, n: int, method: str) -> int:
    if size is None:
        if method == "lsrn":
            return 2 * min(m, n)
        return n * int(min(MOST, max(LEAST, m // max(1, n * n))))
    least = min(m, n)
    if size <= least:
        raise ValueError(f"sketch_size must be more than {least}; got {size}")
    return operator.index(size)


def _tolerance(tol: float | None, dtype: np.dtype) -> float:
    if tol is None:
        return 1e-5 if dtype == np.float32 else 1e-12
    if not 0 < tol < 1:
        raise ValueError(f"tol must lie between 0 and 1; got {tol}")
    return float(tol)


def _checked(A: Any, b: ArrayLike) -> tuple[Any, Array, bool]:
    """The matrix, the right-hand sides as columns, and whether there is one alone."""
    A = as_real(A, "A")
    check_host(b, "sketched least squares")
    right = np.asarray(b)
    if right.ndim not in (1, 2) or len(right) != A.shape[0]:
        raise ValueError(
            f"b must have shape ({A.shape[0]},) or ({A.shape[0]}, k); got {right.shape}"
        )
    if right.dtype.kind not in "fbui":
        raise TypeError(f"b must be real; got {right.dtype}")
    if not np.isfinite(right).all():
        raise ValueError("b contains NaN or infinity")
    if 0 in A.shape or right.size == 0:
        raise ValueError(f"A and b must not be empty; got shapes {A.shape} and {right.shape}")
    columns = right.astype(A.dtype).reshape(len(right), -1)
    return A, columns, right.ndim == 1

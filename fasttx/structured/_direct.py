"""Direct solvers of square Toeplitz systems and exact determinants, n**2 operations each."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.fft
from scipy.linalg import get_lapack_funcs, solve_triangular

from .._cpu import toeplitz as loops
from ._base import BLOCK_BYTES
from .gohberg_semencul import GohbergSemencul, Residual

__all__ = ["GohbergSemencul", "durbin_slogdet", "gko", "levinson"]

# Steps of the recursion between two products with all right-hand sides: their polynomials stay in
# the second cache.
_BLOCK = 64
_BLOCK_ENTRIES = 1 << 17
_EPS = np.finfo(np.float64).eps
# A quotient of leading minors below this, relative to the largest entry, is rounding error.
_NEGLIGIBLE = 4 * _EPS
# Sign that digits were lost at a small minor, in matrices that are not positive definite: the
# largest quotient of minors, or entry, is this much above the smallest quotient but the last.
_GROWTH = 1e4
# Largest backward error of a solution that is returned.
_TOLERANCE = 1e-10
# Coefficients of solutions, relative to the right-hand side, that are set to zero (subnormals).
_SMALLEST = 1e-100


def levinson(c: np.ndarray, r: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Solution of a Toeplitz system by the Levinson recursion.

    Parameters
    ----------
    c, r : ndarray of shape (n,)
        First column and first row, ``r[0] == c[0]``; float32, float64, complex64 or complex128.
    b : ndarray of shape (n, k) or (n,)
        Right-hand sides.

    Returns
    -------
    x : ndarray of b's shape
        Of the common dtype; all arithmetic is in double precision.

    Raises
    ------
    ValueError
        If the shapes do not fit or c[0] and r[0] differ.
    numpy.linalg.LinAlgError
        If a leading minor vanishes or is negligible, or is so small that a solution has a backward
        error above 1e-10; its order is named. `gko` has no such limit.

    Notes
    -----
    The recursion of Levinson [1]_ in a form without inner products: with each prediction polynomial
    goes its product with the rows of the matrix to come, which are the generators of Schur's
    algorithm [2]_, and with each solution the residual of these rows. The polynomials of up to 64
    steps are applied to all right-hand sides as one matrix product. About 4 n**2 flops, and 2 n**2
    for each right-hand side (6 n**2 + 2 n**2 where the matrix is not Hermitian; four times that for
    complex numbers); memory for 64 n numbers and three times the right-hand sides.

    Stable for positive definite matrices; for others a small leading minor costs digits.

    References
    ----------
    .. [1] N. Levinson, "The Wiener RMS error criterion in filter design and prediction", J. Math.
       Phys. 25, 1946.
    .. [2] T. Kailath, A. H. Sayed, "Displacement structure: theory and applications", SIAM Review
       37(3), 1995.

    Examples
    --------
    >>> import numpy as np
    >>> from fasttx.structured._direct import levinson
    >>> levinson(np.array([2.0, 1.0]), np.array([2.0, 1.0]), np.array([4.0, 5.0]))
    array([1., 2.])
    """
    c, r = _checked(c, r)
    b, n = np.asarray(b), c.size
    if b.ndim not in (1, 2) or b.shape[0] != n:
        raise ValueError(f"b must have shape ({n},) or ({n}, k); got {b.shape}")
    dtype = np.result_type(c, r, b, np.float32)
    work = np.dtype(np.complex128 if dtype.kind == "c" else np.float64)
    if b.size == 0:
        return np.zeros(b.shape, dtype)
    sides = b.reshape(n, -1)
    scales = _power_of_two(np.abs(sides).max(axis=0))
    # Residuals of the rows to come, followed by the coefficients of the solutions so far.
    state = np.zeros((2 * n, sides.shape[1]), work)
    np.divide(sides, scales, out=state[:n])

    start = _Start(c, r, work, polynomials=True)
    block = min(n, _BLOCK, max(8, _BLOCK_ENTRIES // n))
    columns = np.zeros((block, n + block), work)
    (solve_block,) = get_lapack_funcs(("trtrs",), (columns,))
    for first in range(0, n, block):
        steps = min(block, n - first)
        done = start.run(first, columns[:steps])
        if done < steps:
            raise _vanishing(first + done + 1)
        lower = columns[:steps, :steps].T
        coefficients, _ = solve_block(lower, state[first : first + steps], lower=1)
        coefficients[np.abs(coefficients) < _SMALLEST] = 0
        state[first + steps : first + steps + n] -= (
            columns[:steps, steps : steps + n].T @ coefficients
        )
    x = state[n:] * (scales / start.scale)
    del state
    order = int(np.abs(start.errors).argmin()) + 1
    _check(c, r, sides.T, x.T, f"the leading minor of order {order} is too small for the recursion")
    return x.reshape(b.shape).astype(dtype, copy=False)


def durbin_slogdet(c: np.ndarray, r: np.ndarray) -> tuple[Any, float]:
    """Sign and logarithm of the magnitude of the determinant of a Toeplitz matrix.

    Parameters
    ----------
    c, r : ndarray of shape (n,)
        First column and first row, ``r[0] == c[0]``.

    Returns
    -------
    sign : float or complex
        1.0, -1.0 or, for complex entries, a number of magnitude 1; zero for a singular matrix.
    logabsdet : float
        ``-inf`` for a matrix that is singular to working precision.

    Notes
    -----
    The product of the prediction errors, which are the quotients of successive leading minors,
    found by Schur's algorithm in double precision: 2 n**2 flops for a Hermitian matrix, twice that
    otherwise, four times for complex entries. Where a leading minor of an indefinite matrix
    vanishes, or is so small that digits were lost, the pivots of `gko` are used.

    References
    ----------
    .. [1] J. Durbin, "The fitting of time-series models", Rev. Inst. Int. Stat. 28(3), 1960.
    .. [2] I. Schur, "Ueber Potenzreihen, die im Innern des Einheitskreises beschraenkt sind",
       J. reine angew. Math. 147, 1917.

    Examples
    --------
    >>> import numpy as np
    >>> from fasttx.structured._direct import durbin_slogdet
    >>> sign, value = durbin_slogdet(np.array([2.0, 1.0, 0.0]), np.array([2.0, 1.0, 0.0]))
    >>> sign, round(float(np.exp(value)), 12)
    (1.0, 4.0)
    """
    c, r = _checked(c, r)
    n = c.size
    is_complex = np.result_type(c, r).kind == "c"
    if n == 0:
        return (1 + 0j if is_complex else 1.0), 0.0
    work = np.dtype(np.complex128 if is_complex else np.float64)
    start = _Start(c, r, work, polynomials=False)
    done = start.run(0, np.zeros((n, 0), work))
    quotients, scale = start.errors, start.scale
    definite = start.hermitian and bool((quotients[:done].real > 0).all())
    sizes = np.abs(quotients)
    lossless = max(1.0, sizes.max()) < _GROWTH * sizes[:-1].min(initial=1.0)
    if done < n or not (definite or lossless):
        quotients, scale = _Cauchy(c, r).eliminate(np.empty((0, n)), keep=False)[1:]
        sizes = np.abs(quotients)
        if sizes.min() <= n * _EPS * sizes.max():
            return (0j if is_complex else 0.0), -np.inf
    value = float(np.log(sizes).sum() + n * np.log(scale))
    sign = np.prod(quotients / sizes)
    if not is_complex:
        return (1.0 if sign.real > 0 else -1.0), value
    return complex(sign / abs(sign)), value


def gko(c: np.ndarray, r: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Solution of a Toeplitz system whose leading minors may vanish.

    Parameters
    ----------
    c, r : ndarray of shape (n,)
        First column and first row, ``r[0] == c[0]``; float32, float64, complex64 or complex128.
    b : ndarray of shape (n, k) or (n,)
        Right-hand sides.

    Returns
    -------
    x : ndarray of b's shape
        Of the common dtype; all arithmetic is in double precision.

    Raises
    ------
    ValueError
        If the shapes do not fit or c[0] and r[0] differ.
    numpy.linalg.LinAlgError
        If the matrix is singular to working precision (the smallest pivot is at most n eps times
        the largest), or a solution has a backward error above 1e-10.

    Notes
    -----
    Fourier transforms bring the matrix into a Cauchy-like form of displacement rank two, whose rows
    can be exchanged without loss of the structure; elimination with partial pivoting works on its
    generators [1]_. About 50 n**2 flops and 8 n**2 for each right-hand side, in complex arithmetic
    for real entries too; 16 n**2 bytes for the upper triangular factor.

    References
    ----------
    .. [1] I. Gohberg, T. Kailath, V. Olshevsky, "Fast Gaussian elimination with partial pivoting
       for matrices with displacement structure", Math. Comp. 64, 1995.

    Examples
    --------
    The leading minor of order two vanishes:

    >>> import numpy as np
    >>> from fasttx.structured._direct import gko
    >>> c = np.array([2.0, 2.0, 1.0])
    >>> gko(c, c, np.array([5.0, 6.0, 5.0])).round(12)
    array([1., 1., 1.])
    """
    c, r = _checked(c, r)
    b, n = np.asarray(b), c.size
    if b.ndim not in (1, 2) or b.shape[0] != n:
        raise ValueError(f"b must have shape ({n},) or ({n}, k); got {b.shape}")
    dtype = np.result_type(c, r, b, np.float32)
    if b.size == 0:
        return np.zeros(b.shape, dtype)
    rows = b.reshape(n, -1).T.astype(np.complex128)
    scales = _power_of_two(np.abs(rows).max(axis=1))[:, None]
    spectra = scipy.fft.fft(rows / scales, norm="ortho")
    sides = np.empty((2 * rows.shape[0], n))
    sides[::2], sides[1::2] = spectra.real, spectra.imag
    system = _Cauchy(c, r)
    upper, pivots, scale = system.eliminate(sides, keep=True)
    sizes = np.abs(pivots)
    if not sizes.min() > n * _EPS * sizes.max():
        ratio = sizes.min() / sizes.max() if sizes.max() > 0 else 0.0
        raise np.linalg.LinAlgError(
            f"the matrix is singular to working precision: the ratio of the smallest to the "
            f"largest pivot is {ratio:.1e}"
        )
    # Row-major and upper is column-major and lower, transposed: no copy is made.
    y = solve_triangular(
        upper.T, (sides[::2] + 1j * sides[1::2]).T, trans=1, lower=True, check_finite=False
    )
    x = scipy.fft.ifft(y.T, norm="ortho") * system.twist * (scales / scale)
    given = rows if dtype.kind == "c" else rows.real
    x = x if dtype.kind == "c" else x.real
    _check(c, r, given, x, "the elimination lost its digits")
    return x.T.reshape(b.shape).astype(dtype)


class _Start:
    """State of the recursion, scaled so that the largest entry is between one and two."""

    def __init__(self, c, r, dtype, *, polynomials):
        n = c.size
        self.scale = _power_of_two(max(np.abs(c).max(), np.abs(r).max()))
        self.hermitian = is_hermitian(c, r)
        column, row = (np.divide(t, self.scale, dtype=dtype) for t in (c, r))
        ends = np.zeros(2 * n if polynomials else n, dtype)
        ends[:n] = column
        if polynomials:
            ends[n] = -1
        self.u, self.v = ends[: n + 1].copy(), ends
        empty = np.empty(0, dtype)
        self.before = (empty, empty) if self.hermitian else (row, row.copy())
        self.errors = np.zeros(n, dtype)
        self.loop = loops.recursion(dtype.name)

    def run(self, first, columns):
        return self.loop(self.u, self.v, *self.before, first, columns, self.errors, _NEGLIGIBLE)


class _Cauchy:
    """A Toeplitz matrix as a Cauchy-like one, C = F T D F*, with F the unitary DFT.

    Z T - T Z', with Z the cyclic shift downwards and Z' that with the sign of the wrapped entry
    changed, has rank two. F makes Z diagonal, and after D = diag(exp(pi i k / n)) also Z', so that
    C[i, j] = (g_i . h_j) / (exp(-2 pi i i / n) - exp(-2 pi i (j + 1/2) / n)). The divisor is split
    into phases and a sine, which is exact where the difference of two nodes would cancel.
    """

    def __init__(self, c, r):
        n = c.size
        self.scale = _power_of_two(max(np.abs(c).max(), np.abs(r).max()))
        column, row = c.astype(np.complex128) / self.scale, r.astype(np.complex128) / self.scale
        k = np.arange(n)
        self.twist = np.exp(1j * np.pi * k / n)
        g, h = np.zeros((2, n), np.complex128), np.zeros((2, n), np.complex128)
        g[0, 0] = h[1, -1] = 1
        g[1] = column
        g[1, 1:] += row[:0:-1]
        h[0] = column[::-1]
        h[0, :-1] -= row[1:]
        self.g = _parts(scipy.fft.fft(g, norm="ortho"))
        self.h = _parts(scipy.fft.ifft(h * self.twist, norm="ortho"))
        half = np.exp(1j * np.pi * (k + 0.5) / n) / 2j
        self.phases = np.vstack([_parts(self.twist[None]), _parts(half[None])])
        self.weights = 1 / np.sin(np.pi * (np.arange(1 - n, n) + 0.5) / n)

    def eliminate(self, sides, *, keep):
        """The upper triangle if wanted, the pivots as factors of det T up to a real power, scale.

        The product of what is returned as pivots, times scale**n, is the determinant.
        """
        n = self.g.shape[1]
        order = np.arange(n)
        pivots = np.zeros(n, np.complex128)
        upper = np.empty((n, n) if keep else (0, 0), np.complex128)
        loops.cauchy_elimination(
            self.g, self.h, self.phases, self.weights, order, sides, upper, pivots
        )
        # det C = det T exp(i pi (n - 1) / 2), and the exchanges of rows have a sign.
        factor = (1, -1j, -1, 1j)[(n - 1) % 4]
        pivots[0] *= factor * _parity(order)
        return upper, pivots, self.scale


def _checked(c, r):
    c, r = np.asarray(c), np.asarray(r)
    if c.ndim != 1 or c.shape != r.shape:
        raise ValueError(
            f"c and r must be vectors of the same length; got shapes {c.shape} and {r.shape}"
        )
    if c.size and c[0] != r[0]:
        raise ValueError(f"c[0] and r[0] must be equal; got {c[0]} and {r[0]}")
    return c, r


def is_hermitian(c: np.ndarray, r: np.ndarray) -> bool:
    """Whether the square Toeplitz matrix with this first column and row is Hermitian."""
    return bool(np.array_equal(np.conj(c), r))


def _power_of_two(sizes):
    """The largest powers of two not above `sizes`, which scale without rounding; 1 for zero."""
    sizes = np.asarray(sizes, np.float64)
    return np.ldexp(1.0, np.where(sizes > 0, np.frexp(sizes)[1] - 1, 0))


def _parts(rows):
    """Real and imaginary parts of complex rows, in turn."""
    return np.stack([rows.real, rows.imag], axis=1).reshape(-1, rows.shape[1])


def _parity(order):
    """Sign of a permutation."""
    seen = np.zeros(order.size, bool)
    sign, order = 1, order.tolist()
    for start in range(len(order)):
        length, at = 0, start
        while not seen[at]:
            seen[at] = True
            at = order[at]
            length += 1
        if length and length % 2 == 0:
            sign = -sign
    return sign


def _check(c, r, b, x, reason):
    """Raise unless the rows x solve their systems."""
    residual, work = Residual(c, r), x.dtype
    step = max(1, BLOCK_BYTES // (16 * c.size))
    for start in range(0, len(x), step):
        block = slice(start, start + step)
        rows = (np.ascontiguousarray(v[block], work) for v in (b, x))
        _, error = residual(*rows)
        if not error.max() <= _TOLERANCE:
            raise np.linalg.LinAlgError(
                f"{reason}: the backward error is {error.max():.1e}, accepted is {_TOLERANCE:.0e}"
            )


def _vanishing(order):
    return np.linalg.LinAlgError(
        f"the leading minor of order {order} vanishes or is negligible: the recursion ends there"
    )

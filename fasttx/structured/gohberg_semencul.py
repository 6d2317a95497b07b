"""The inverse of a Toeplitz matrix from two of its columns."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .. import _threads
from ..transforms.circular import CircularFilter
from ._base import BLOCK_BYTES, as_entries, check_rhs, padded_length

_EPS = np.finfo(np.float64).eps
# Refinement ends at this backward error, or when a step gains less than a factor of two.
_REACHED = 16 * _EPS
_MOST_STEPS = 4
# Columns of the inverse with a larger backward error after refinement are refused.
_WORST_COLUMNS = 1e-8


class Residual:
    """What solutions leave over in ``T x = b``, with T given by its first column and row."""

    def __init__(self, c, r, workers=None):
        n = c.size
        work = np.result_type(c, r, np.float64)
        kernel = np.zeros(padded_length(2 * n - 1), work)
        kernel[:n] = c
        kernel[kernel.size - n + 1 :] = -r[:0:-1]  # what goes around changes its sign
        self.product = CircularFilter(kernel, skew=True)
        # Row i of T holds the lags from i - n + 1 to i.
        sums = np.cumsum(np.concatenate([[0.0], np.abs(r[:0:-1]), np.abs(c)], dtype=np.float64))
        self.norm = float((sums[n:] - sums[:n]).max())
        self.workers = workers

    def __call__(self, b, x):
        """Rows b - T x, and their backward errors."""
        residual = b - self.product(x, b.shape[1], workers=self.workers)
        allowed = self.norm * np.abs(x).max(axis=1) + np.abs(b).max(axis=1)
        size = np.abs(residual).max(axis=1)
        return residual, np.divide(size, allowed, out=np.zeros_like(size), where=size != 0)


class GohbergSemencul:
    """Inverse of a square Toeplitz matrix T, kept as its first and its last column.

    Parameters
    ----------
    c, r : array_like of shape (n,)
        First column and first row of T, ``r[0] == c[0]``.
    first_column : array_like of shape (n,)
        Solution x of ``T x = e_0``; ``x[0]`` must not vanish.
    last_column : array_like of shape (n,), optional
        Solution y of ``T y = e_{n-1}``. A Hermitian T does without: y is the conjugate of x in
        reverse order.
    workers : int, optional
        Number of threads, see `fasttx.fwht`.

    Attributes
    ----------
    shape : tuple of int
    dtype : dtype
        Common dtype of all arguments, that of `diagonal`, `to_dense` and of solutions for
        right-hand sides no wider.
    first_column, last_column : ndarray of shape (n,)
        After refinement, in double precision.
    backward_error : float
        The larger one of the two columns, as defined for `solve`.

    Raises
    ------
    ValueError
        If shapes do not fit, c[0] and r[0] differ, entries are not finite, or the last column is
        missing though T is not Hermitian.
    TypeError
        If a dtype is not accepted.
    numpy.linalg.LinAlgError
        If x[0] vanishes, as it does where the leading minor of order n - 1 does, or the columns do
        not solve their systems to a backward error of 1e-8.

    Notes
    -----
    Let x and y be the two columns, and x^ and y^ the same in reverse order. Then [1]_ ::

        x[0] T^-1 = L(x) U(y^) - L(0, y[0], ..., y[n-2]) U(0, x^[0], ..., x^[n-2])

    with lower and upper triangular Toeplitz matrices of the given first column and row. The
    identity ``x[0] (1 - z w) sum_ij T^-1[i, j] z^i w^j = x(z) y^(w) - z w y(z) x^(w)`` gives the
    same with z^n = -1 and w^n = 1, that is by skew-circulant and circulant matrices [2]_ ::

        2 x[0] T^-1 = S(x) C(y^) - S(-y[n-1], y[0], ..., y[n-2]) C(x^[n-1], x^[0], ..., x^[n-2])

    This one is used where n is a power of two. For a real T the two terms are the real part of one
    product of complex matrices, so that a solution takes two circular convolutions, of length n or,
    with the first formula, of the power of two from 2n - 1 on. One more is the residual.
    All arithmetic is in double precision. Columns found by an iterative method are refined with the
    inverse that they give, which converges quadratically.

    References
    ----------
    .. [1] I. Gohberg, A. Semencul, "On the inversion of finite Toeplitz matrices and their
       continuous analogs", Mat. Issled. 7(2), 1972.
    .. [2] G. Ammar, P. Gader, "A variant of the Gohberg-Semencul formula involving circulant
       matrices", SIAM J. Matrix Anal. Appl. 12(3), 1991.

    Examples
    --------
    The inverse of the matrix with entries 0.5**abs(i - j) is tridiagonal:

    >>> import numpy as np
    >>> from fasttx.structured import GohbergSemencul
    >>> c = 0.5 ** np.arange(4)
    >>> inverse = GohbergSemencul(c, c, np.array([4, -2, 0, 0]) / 3)
    >>> (3 * inverse.solve([0, 1, 0, 0])).round(12) + 0
    array([-2.,  5., -2.,  0.])
    >>> (3 * inverse.diagonal()).round(12)
    array([4., 5., 5., 4.])
    >>> round(float(np.exp(inverse.logdet())), 12)  # (1 - 0.25)**3
    0.421875
    """

    def __init__(
        self,
        c: ArrayLike,
        r: ArrayLike,
        first_column: ArrayLike,
        last_column: ArrayLike | None = None,
        *,
        workers: int | None = None,
    ):
        self.workers = None if workers is None else _threads.check_workers(workers)
        c, r, x = (
            as_entries(v, name) for v, name in ((c, "c"), (r, "r"), (first_column, "first_column"))
        )
        y = None if last_column is None else as_entries(last_column, "last_column")
        n = c.size
        if n == 0:
            raise ValueError("c is empty: the matrix must be of order 1 or more")
        for v, name in ((r, "r"), (x, "first_column"), (y, "last_column")):
            if v is not None and v.size != n:
                raise ValueError(f"{name} must have shape ({n},), as c has; got {v.shape}")
        if c[0] != r[0]:
            raise ValueError(f"c[0] and r[0] must be equal; got {c[0]} and {r[0]}")
        self._hermitian = bool(np.array_equal(c.conj(), r))
        if y is None and not self._hermitian:
            raise ValueError("last_column is needed: the matrix is not Hermitian")
        self._c, self._r = c.copy(), r.copy()
        self.shape = (n, n)
        given = (c, r, x) if y is None else (c, r, x, y)
        self.dtype = np.result_type(*given)
        self._work = np.result_type(self.dtype, np.float64)

        self._residual = Residual(c, r, self.workers)
        columns = (x,) if self._hermitian else (x, y)
        self._refine(np.array(columns, self._work))

    def _refine(self, columns):
        """Set the columns, after steps of refinement by the inverse that they give themselves."""
        n = self.shape[0]
        units = np.zeros(columns.shape, self._work)
        units[0, 0] = units[-1, -1 if len(units) == 2 else 0] = 1
        residual, error = self._residual(units, columns)
        self._set(columns)
        for _ in range(_MOST_STEPS):
            if error.max() <= _REACHED:
                break
            better = columns + self._apply(residual)
            residual, new = self._residual(units, better)
            if not new.max() < error.max():
                break
            columns, error = better, new
            self._set(columns)
        self.backward_error = float(error.max())
        if not self.backward_error <= _WORST_COLUMNS:
            raise np.linalg.LinAlgError(
                f"the columns given are not those of the inverse, or the matrix of order {n} is "
                f"too ill-conditioned: their backward error is {self.backward_error:.1e} after "
                f"refinement, accepted is {_WORST_COLUMNS:.0e}"
            )

    def _set(self, columns):
        """Set both columns and the filters of the products with the inverse."""
        x = columns[0]
        y = x[::-1].conj() if self._hermitian else columns[1]
        n = x.size
        if not abs(x[0]) > _EPS * np.abs(x).max():
            raise np.linalg.LinAlgError(
                f"the first entry of the inverse is negligible ({abs(x[0]):.1e}), as it is where "
                f"the leading minor of order {n - 1} vanishes: two columns do not give the inverse"
            )
        self.first_column, self.last_column = x, y
        cyclic = n > 1 and n & (n - 1) == 0
        size = n if cyclic else padded_length(2 * n - 1)
        # First columns of the outer matrices, and of the inner ones: of first rows read backwards.
        outer, inner = np.zeros((2, n), self._work), np.zeros((2, size), self._work)
        outer[0], outer[1, 1:] = x, y[:-1]
        inner[0, size + 1 - n :], inner[1, size + 1 - n :] = y[:-1], x[1:]
        inner[0, 0] = y[-1]
        if cyclic:
            outer[1, 0], inner[1, 0] = -y[-1], x[0]
        inner /= (2 if cyclic else 1) * x[0]
        if self._work.kind == "c":
            outer[1] *= -1
        else:
            outer, inner = outer[0] + 1j * outer[1], inner[0] + 1j * inner[1]
        self._inner, self._outer = CircularFilter(inner), CircularFilter(outer, size, skew=cyclic)

    def _apply(self, rows):
        """T^-1 applied to the rows, an array of shape (k, n) in double precision."""
        n = self.shape[0]
        if self._work.kind == "c":
            rows = np.repeat(rows[:, None], 2, axis=1).astype(self._work, copy=False)
        elif rows.dtype.kind == "c":
            parts = self._apply(np.concatenate([rows.real, rows.imag]))
            return parts[: len(rows)] + 1j * parts[len(rows) :]
        between = self._inner(rows, n, workers=self.workers)
        out = self._outer(between, n, workers=self.workers)
        return out.sum(axis=1) if self._work.kind == "c" else out.real.copy()

    def solve(self, b: ArrayLike, *, tol: float = 1e-10) -> np.ndarray:
        """Solution x of ``T x = b``.

        Parameters
        ----------
        b : array_like of shape (n,) or (n, k)
            Right-hand sides.
        tol : float, optional
            Largest accepted backward error
            ``max|b - T x| / (norm(T, inf) max|x| + max|b|)`` of a column, in double precision.

        Returns
        -------
        x : ndarray of b's shape
            Of the common dtype of the inverse and b.

        Raises
        ------
        ValueError
            If the shape does not fit, an entry is not finite, or tol is not positive.
        TypeError
            If the dtype is not accepted.
        numpy.linalg.LinAlgError
            If the backward error stays above `tol` after iterative refinement.
        """
        if not tol > 0:
            raise ValueError(f"tol must be positive; got {tol}")
        n = self.shape[0]
        b = check_rhs(b, n, self.dtype)
        columns = b.reshape(n, -1)
        out = np.empty(columns.shape, b.dtype)
        work = np.result_type(b.dtype, np.float64)
        step = max(1, BLOCK_BYTES // (16 * n))
        worst = 0.0
        for start in range(0, columns.shape[1], step):
            block = slice(start, start + step)
            x, error = self._solve_rows(np.ascontiguousarray(columns[:, block].T, work))
            worst = max(worst, float(error.max()))
            if not worst <= tol:
                raise np.linalg.LinAlgError(
                    f"the solution reached a backward error of {worst:.1e}, tol is {tol:.1e}"
                )
            out[:, block] = x.T
        return out.reshape(b.shape)

    def _solve_rows(self, b):
        x = self._apply(b)
        residual, error = self._residual(b, x)
        for _ in range(_MOST_STEPS):
            (rows,) = np.nonzero(error > _REACHED)
            if rows.size == 0:
                break
            better = x[rows] + self._apply(residual[rows])
            left, new = self._residual(b[rows], better)
            gained = new < error[rows]
            enough = (new < 0.5 * error[rows]).any()
            rows = rows[gained]
            x[rows], residual[rows], error[rows] = better[gained], left[gained], new[gained]
            if not enough:
                break
        return x, error

    @functools.cached_property
    def _slogdet(self):
        from ._direct import durbin_slogdet  # which exports this class

        return durbin_slogdet(self._c, self._r)

    def slogdet(self) -> tuple[Any, float]:
        """Sign (or phase) of the determinant of T, and the logarithm of its magnitude.

        Returns
        -------
        sign : float or complex
        logabsdet : float

        Notes
        -----
        Exact: the product of the prediction errors by Schur's algorithm, about 2 n**2 flops for
        real symmetric matrices. Computed once.
        """
        return self._slogdet

    def logdet(self) -> float:
        """Logarithm of the determinant of T, see `slogdet`.

        Raises
        ------
        numpy.linalg.LinAlgError
            If the determinant is not positive.
        """
        sign, value = self._slogdet
        if not (sign.real > 0 and abs(sign.imag) <= 1e-6):
            raise np.linalg.LinAlgError(f"the determinant is not positive: its sign is {sign}")
        return value

    def diagonal_sums(self, max_lag: int | None = None, *, two_sided: bool = False) -> np.ndarray:
        """Sums ``s_k = sum_i (T^-1)[i, i + k]`` along the diagonals of the inverse.

        They are the derivatives of the log-determinant: where t_k, the entry of T with row - column
        = k, depends on a parameter, ``d logdet T = tr(T^-1 dT) = sum_k s_k dt_k`` over all lags k.

        Parameters
        ----------
        max_lag : int, optional
            Largest lag K, from 0 to n - 1, which is the default.
        two_sided : bool, optional
            Return the lags -K, ..., K, lag 0 at the centre, instead of 0, ..., K. A Hermitian T has
            ``s_{-k} = conj(s_k)``.

        Returns
        -------
        s : ndarray of shape (K + 1,) or (2 K + 1,)
            In double precision.

        Raises
        ------
        ValueError
            If max_lag is out of range.

        Notes
        -----
        By the formula of Gohberg and Semencul ``s_k = sum_a (n - k - 2 a) x[a] y[n-1-k-a] / x[0]``,
        where a runs from max(0, -k): two convolutions, n log n operations.

        Examples
        --------
        The gradient of log det T = (n - 1) log(1 - a**2) for ``T[i, j] = a**abs(i - j)``:

        >>> import numpy as np
        >>> from fasttx.structured import GohbergSemencul
        >>> a, k = 0.5, np.arange(4)
        >>> inverse = GohbergSemencul(a**k, a**k, np.array([4, -2, 0, 0]) / 3)
        >>> s, dt = inverse.diagonal_sums(), k * a ** (k - 1.0)
        >>> round(float(s[0] * dt[0] + 2 * s[1:] @ dt[1:]), 12)  # -2 a (n - 1) / (1 - a**2)
        -4.0
        """
        n = self.shape[0]
        most = n - 1 if max_lag is None else max_lag
        if not 0 <= most < n:
            raise ValueError(f"max_lag must be from 0 to {n - 1}; got {max_lag}")
        x, y = self.first_column, self.last_column
        centred = 2.0 * np.arange(n) - (n - 1)
        times_y = CircularFilter(y, padded_length(2 * n - 1))
        plain, weighted = times_y(np.stack([x, centred * x]), 2 * n - 1, workers=self.workers)
        lags = np.arange(-most if two_sided else 0, most + 1)
        at = n - 1 - lags
        return ((1 - lags) * plain[at] - weighted[at]) / x[0]

    def diagonal(self) -> np.ndarray:
        """The main diagonal of the inverse: one running sum of n terms."""
        x, y = self.first_column, self.last_column
        terms = x * y[::-1]
        terms[1:] -= y[:-1] * x[:0:-1]
        return np.cumsum(terms / x[0]).astype(self.dtype, copy=False)

    def to_dense(self) -> np.ndarray:
        """The inverse as an array of shape (n, n): running sums along the diagonals."""
        x, y = self.first_column, self.last_column
        out = np.multiply.outer(x / x[0], y[::-1])
        out[1:, 1:] -= np.multiply.outer(y[:-1] / x[0], x[:0:-1])
        for i in range(1, len(out)):
            out[i, 1:] += out[i - 1, :-1]
        return out.astype(self.dtype, copy=False)

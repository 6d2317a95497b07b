"""Toeplitz matrices: products by planned circular convolutions, solvers and determinants."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import fft

from ..transforms.circular import CircularFilter
from . import _iterative
from ._base import StructuredOperator, as_entries, check_rhs, check_square, padded_length

METHODS = ("auto", "levinson", "pcg", "gko", "gohberg-semencul")
# Up to here the recursion of Levinson is about as fast as a few transforms.
_SMALL = 256
# Up to here the n**2 numbers of GKO's factor may be spent where iterations fail.
_MOST_GKO = 4096


class Toeplitz(StructuredOperator):
    """Toeplitz matrix, ``T[i, j] = c[i - j]`` on and below the diagonal, ``r[j - i]`` above.

    Parameters
    ----------
    c : (m,) array_like
        First column: float32, float64, complex64 or complex128; integers become float64.
    r : (n,) array_like, optional
        First row; ``r[0]`` is ignored. Default is ``conj(c)``, which makes T Hermitian where
        ``c[0]`` is real.
    workers : int, optional
        Number of threads, see `fasttx.fwht`.

    Attributes
    ----------
    c, r : ndarray
        First column and first row, of the dtype of the operator, with ``r[0] == c[0]``.

    Raises
    ------
    ValueError
        If `c` or `r` is not one-dimensional or has entries that are not finite.
    TypeError
        If a dtype is not accepted.

    Notes
    -----
    A product embeds T in a skew-circulant matrix of order N, the power of two from m + n − 1 on,
    whose spectrum is kept: O(N log N) for each right-hand side, made in cache row by row. float32
    and complex64 are multiplied in single precision. Vectors on a device are multiplied there; the
    spectrum is kept on it. Solutions and determinants are found on the host.

    References
    ----------
    .. [1] R. H. Chan and M. K. Ng, "Conjugate gradient methods for Toeplitz systems", SIAM Review
       38(3), 1996.

    Examples
    --------
    >>> import numpy as np
    >>> from fasttx.structured import Toeplitz
    >>> T = Toeplitz([2.0, 1.0, 0.0])
    >>> np.round(T @ [1.0, 2.0, 3.0], 12)
    array([4., 8., 8.])
    >>> np.round(T.solve([4.0, 8.0, 8.0]), 12)
    array([1., 2., 3.])
    >>> round(float(np.exp(T.logdet())), 12)
    4.0
    """

    def __init__(self, c: ArrayLike, r: ArrayLike | None = None, *, workers: int | None = None):
        c = as_entries(c, "c")
        r = c.conj() if r is None else as_entries(r, "r")
        dtype = np.result_type(c, r)
        self.c, self.r = c.astype(dtype), r.astype(dtype)
        if c.size and r.size:
            self.r[0] = self.c[0]
        super().__init__(dtype, (c.size, r.size), workers=workers)

    @functools.cached_property
    def _filter(self):
        m, n = self.shape
        size = padded_length(m + n - 1)
        kernel = np.zeros(size, self.dtype)
        kernel[:m] = self.c
        if n > 1:
            kernel[size - n + 1 :] = -self.r[:0:-1]  # what goes around changes its sign
        return CircularFilter(kernel, skew=True)

    def _rows(self, x, adjoint):
        length = self.shape[1 if adjoint else 0]
        if 0 in self.shape:
            return np.zeros((len(x), length), np.result_type(self.dtype, x))
        return self._filter(x, length, adjoint=adjoint, workers=self.workers)

    def _device_rows(self, x, adjoint):
        return self._filter(x, self.shape[1 if adjoint else 0], adjoint=adjoint)

    def _transpose(self):
        return Toeplitz(self.r, self.c, workers=self.workers)

    def _adjoint(self):
        return Toeplitz(self.r.conj(), self.c.conj(), workers=self.workers)

    def to_dense(self) -> np.ndarray:
        """The matrix as an array of shape (m, n)."""
        m, n = self.shape
        if 0 in self.shape:
            return np.zeros((m, n), self.dtype)
        lags = np.concatenate([self.r[:0:-1], self.c])
        return lags[np.subtract.outer(np.arange(m), np.arange(n)) + n - 1]

    def diagonal(self) -> np.ndarray:
        """The main diagonal, of length min(m, n)."""
        return np.full(min(self.shape), self.c[0] if self.c.size else 0, self.dtype)

    def eigvals(self) -> np.ndarray:
        """Eigenvalues of a tridiagonal or a triangular Toeplitz matrix.

        Returns
        -------
        values : (n,) ndarray
            ``c[0] + 2 sqrt(c[1] r[1]) cos(k π / (n + 1))`` for k = 1, …, n; n times ``c[0]`` for a
            triangular matrix. Complex for a complex matrix, and where ``c[1] r[1]`` is negative.

        Raises
        ------
        NotImplementedError
            For other matrices: take the eigenvalues of `to_dense`.
        """
        n = check_square(self, "eigvals")
        if not self.c[1:].any() or not self.r[1:].any():
            return self.diagonal()
        if self.c[2:].any() or self.r[2:].any():
            raise NotImplementedError(
                "eigenvalues are known for tridiagonal and triangular Toeplitz matrices only; "
                "numpy.linalg.eigvals of to_dense() gives them for others"
            )
        work = np.result_type(self.dtype, np.float64)
        lower, upper = (np.asarray(v, work) for v in (self.c[1], self.r[1]))
        product = lower * upper
        if work.kind == "c" or product < 0:
            product = product.astype(np.complex128)
        angles = np.pi * np.arange(1, n + 1) / (n + 1)
        values = self.c[0] + 2 * np.sqrt(product) * np.cos(angles)
        single = self.dtype.char in "fF"
        return values.astype(f"{values.dtype.kind}{values.itemsize // (2 if single else 1)}")

    def slogdet(self) -> tuple[Any, float]:
        """Sign (or phase) of the determinant and the logarithm of its magnitude.

        Notes
        -----
        Exact: Schur's algorithm in O(n²), in double precision; GKO's pivots where a leading minor
        vanishes.
        """
        from ._direct import durbin_slogdet

        check_square(self, "slogdet")
        return durbin_slogdet(self.c, self.r)

    @functools.cached_property
    def _hermitian(self):
        return bool(np.array_equal(self.c.conj(), self.r))

    @functools.cached_property
    def _lags(self):
        return np.concatenate([self.r[:0:-1], self.c])

    @functools.cached_property
    def _norm(self):
        """A lower bound of the spectral norm, which makes the backward error an upper bound.

        The eigenvalues of T. Chan's circulant are vᴴ T v at Fourier vectors v: for a continuous
        symbol the largest tends to the norm.
        """
        double = np.result_type(self.dtype, np.float64)
        column = _iterative.circulant_column(self._lags.astype(double), "chan")
        spectrum = fft.fft(column) if double.kind == "c" else fft.rfft(column)
        ends = (np.linalg.norm(v.astype(double)) for v in (self.c, self.r))
        return float(max(np.abs(spectrum).max(), *ends))

    @functools.cached_property
    def _preconditioner(self):
        return _iterative.choose_preconditioner(self._lags, self._hermitian, self.workers)

    def solve(
        self,
        b: ArrayLike,
        method: str = "auto",
        *,
        tol: float | None = None,
        maxiter: int | None = None,
        full_output: bool = False,
    ) -> Any:
        """Solution of ``T x = b``.

        Parameters
        ----------
        b : (n,) or (n, k) array_like
            Right-hand sides.
        method : {"auto", "levinson", "pcg", "gko", "gohberg-semencul"}, optional
            "auto" takes Levinson's recursion up to n = 256; above that conjugate gradients for a
            Hermitian matrix, else GMRES, preconditioned with Strang's circulant or, where that is
            not positive definite (for GMRES: singular), T. Chan's. Where they fail it takes GKO up
            to n = 4096, beyond that GMRES. "gohberg-semencul" makes `factor` and keeps it.
        tol : float, optional
            Backward error ``‖Tx − b‖ / (‖T‖ ‖x‖ + ‖b‖)`` in 2-norms to reach in every column;
            default 1e-10, and 1e-5 in single precision. For ‖T‖ stands a lower bound near to it, so
            that the figure is not below the true one.
        maxiter : int, optional
            Most iterations of the iterative methods; default 2000 for conjugate gradients, 300 for
            GMRES.
        full_output : bool, optional
            If True, return also what was done.

        Returns
        -------
        x : ndarray
            Of the shape of `b` and the common dtype.
        info : SolveInfo
            ``method``, ``iterations``, ``residual`` (the backward errors) and ``preconditioner``;
            only if `full_output`.

        Raises
        ------
        ValueError
            If T is not square, `b` has another length or is not finite, or an option is not known.
        numpy.linalg.LinAlgError
            If T is singular, the method does not apply to it (a leading minor vanishes, or it is
            not Hermitian positive definite), or `tol` was not reached, with the figure that was.

        Notes
        -----
        An iteration takes two products, O(n log n); Levinson and GKO take O(n²). What is returned
        has been checked, by a residual in double precision, after at most three steps of
        refinement. Single precision iterates in double where `tol` is below 1e-5.

        References
        ----------
        .. [1] G. Strang, "A proposal for Toeplitz matrix calculations", Stud. Appl. Math. 74, 1986.
        .. [2] T. F. Chan, "An optimal circulant preconditioner for Toeplitz systems", SIAM J. Sci.
           Stat. Comput. 9(4), 1988.
        """
        n = check_square(self, "solve")
        if method not in METHODS:
            raise ValueError(f"method must be one of {', '.join(METHODS)}; got {method!r}")
        b = check_rhs(b, n, self.dtype)
        tol = _iterative.default_tol(b.dtype, tol)
        if maxiter is not None:
            _iterative.check_maxiter(maxiter, 0)
        if method == "pcg" and not self._hermitian:
            raise np.linalg.LinAlgError(
                'method "pcg" needs a Hermitian positive definite matrix; T is not Hermitian'
            )
        if b.size == 0:
            info = _iterative.SolveInfo(method, 0, np.zeros(b.size if b.ndim == 1 else 0), None)
            return (b.copy(), info) if full_output else b.copy()
        if not self._norm > 0:
            raise np.linalg.LinAlgError("T is singular: all its entries are zero")
        names = self._methods(n) if method == "auto" else [method]
        iterating = "pcg" in names or "gmres" in names
        kind = self._preconditioner.kind if iterating and self._preconditioner else None
        work = _iterative.working_dtype(b.dtype, tol)
        attempt = _iterative.Attempt(lambda x: self._rows(x, False), self._norm, tol, work, kind)
        x, info = attempt.run(b, [(name, self._solver(name, tol, maxiter)) for name in names])
        return (x, info) if full_output else x

    def _methods(self, n):
        if n <= _SMALL:
            return ["levinson", "gko"]
        names = ["pcg"] if self._hermitian else ["gmres"]
        if n <= _MOST_GKO:
            return [*names, "gko"]
        return [*names, "gmres"] if self._hermitian else names

    def _solver(self, name, tol, maxiter):
        """A function of rows that gives solutions, iterations and a reason of failure."""
        if name in ("pcg", "gmres"):
            run = _iterative.conjugate_gradients if name == "pcg" else _iterative.gmres
            most = _iterative.check_maxiter(maxiter, 2000 if name == "pcg" else 300)
            precondition = self._preconditioner or np.copy
            # The residual of the recursion drifts from the true one by rounding errors.
            return lambda rows: run(
                lambda x: self._rows(x, False), precondition, rows, self._norm, 0.5 * tol, most
            )
        if name == "gohberg-semencul":
            factor = self.factor()
            return lambda rows: (factor.solve(rows.T, tol=np.inf).T, 0, "")
        from . import _direct

        direct = getattr(_direct, name)
        return lambda rows: (
            np.ascontiguousarray(direct(self.c, self.r, np.ascontiguousarray(rows.T)).T),
            0,
            "",
        )

    @functools.cached_property
    def _factor(self):
        from .gohberg_semencul import GohbergSemencul

        n = check_square(self, "factor")
        if n == 0:
            raise ValueError("factor needs a matrix of order 1 or more")
        wide = np.result_type(self.dtype, np.float64)
        units = np.zeros((n, 1 if self._hermitian else 2), wide)
        units[0, 0] = units[-1, -1] = 1
        if self._hermitian:
            units[1:, 0] = 0
        double = self
        if wide != self.dtype:
            double = Toeplitz(self.c.astype(wide), self.r.astype(wide), workers=self.workers)
        x = double.solve(units, tol=1e-12)
        columns = [np.ascontiguousarray(x[:, i]) for i in range(units.shape[1])]
        return GohbergSemencul(self.c, self.r, *columns, workers=self.workers)

    def factor(self) -> Any:
        """The inverse by the formula of Gohberg and Semencul, made once.

        Returns
        -------
        inverse : GohbergSemencul
            With ``solve``, ``slogdet``, ``logdet`` and ``diagonal_sums``.

        Raises
        ------
        numpy.linalg.LinAlgError
            If T is singular, or its leading minor of order n − 1 vanishes.

        Notes
        -----
        One or, for a matrix that is not Hermitian, two solutions by `solve`.
        """
        return self._factor

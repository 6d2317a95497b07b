"""Circulant and Hankel matrices, and sums of a Toeplitz and a Hankel matrix."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import fft

from .. import _array
from ..transforms.circular import CircularFilter
from . import _iterative
from ._base import StructuredOperator, as_entries, check_rhs, check_rhs_shape, check_square
from .toeplitz import Toeplitz

# Up to here a dense factorisation is as good as iterations, and what is left where they fail.
_SMALL = 256
_MOST_DENSE = 2048


class Circulant(StructuredOperator):
    """Circulant matrix, ``C[i, j] = c[(i - j) mod n]``.

    Parameters
    ----------
    c : (n,) array_like
        First column: float32, float64, complex64 or complex128; integers become float64.
    workers : int, optional
        Number of threads, see `fasttx.fwht`.

    Raises
    ------
    ValueError
        If `c` is not one-dimensional or has entries that are not finite.
    TypeError
        If the dtype is not accepted.

    Notes
    -----
    Products and solutions take O(n log n): by a planned convolution in cache where n is a power of
    two, else by `scipy.fft`. Eigenvalues are the Fourier transform of `c`, in double precision.

    References
    ----------
    .. [1] P. J. Davis, "Circulant Matrices", Wiley, 1979.

    Examples
    --------
    >>> import numpy as np
    >>> from fasttx.structured import Circulant
    >>> C = Circulant([3.0, 1.0, 0.0, 1.0])
    >>> C.eigvals().real
    array([5., 3., 1., 3.])
    >>> np.round(C.solve([5.0, 5.0, 5.0, 5.0]), 12)
    array([1., 1., 1., 1.])
    """

    def __init__(self, c: ArrayLike, *, workers: int | None = None):
        self.c = as_entries(c, "c").copy()
        super().__init__(self.c.dtype, (self.c.size, self.c.size), workers=workers)

    @functools.cached_property
    def _values(self):
        wide = self.c.astype(np.result_type(self.dtype, np.float64))
        return fft.fft(wide) if wide.size else wide.astype(np.complex128)

    @functools.cached_property
    def _filter(self):
        return CircularFilter(self.c)

    def _rows(self, x, adjoint):
        n = self.c.size
        if n > 1 and n & (n - 1) == 0:
            return self._filter(x, adjoint=adjoint, workers=self.workers)
        return self._spectral(x, self._values.conj() if adjoint else self._values)

    def _device_rows(self, x, adjoint):
        n = self.c.size
        if n > 1 and n & (n - 1) == 0:
            return self._filter(x, adjoint=adjoint)
        return self._embedded._device_rows(x, adjoint)

    @functools.cached_property
    def _embedded(self):
        return Toeplitz(self.c, np.roll(self.c[::-1], 1))

    def _spectral(self, x, values):
        """Rows of `x` multiplied by the circulant with these eigenvalues, real if c and x are."""
        dtype = np.result_type(self.dtype, x)
        n = self.c.size
        if n == 0:
            return x.astype(dtype)
        kind = np.result_type(dtype, np.complex64)
        if dtype.kind != "c":
            spectrum = fft.rfft(x.astype(dtype, copy=False), workers=self.workers)
            spectrum *= values[: n // 2 + 1].astype(kind)
            return fft.irfft(spectrum, n, overwrite_x=True, workers=self.workers)
        spectrum = fft.fft(x.astype(kind, copy=False), workers=self.workers)
        spectrum *= values.astype(kind)
        return fft.ifft(spectrum, overwrite_x=True, workers=self.workers)

    def _adjoint(self):
        return Circulant(np.roll(self.c[::-1], 1).conj(), workers=self.workers)

    def _transpose(self):
        return Circulant(np.roll(self.c[::-1], 1), workers=self.workers)

    def to_dense(self) -> np.ndarray:
        """The matrix as an array of shape (n, n)."""
        n = self.c.size
        i = np.arange(n)
        return self.c[np.subtract.outer(i, i) % n] if n else np.zeros((0, 0), self.dtype)

    def diagonal(self) -> np.ndarray:
        """The main diagonal, of length n."""
        return np.full(self.c.size, self.c[0] if self.c.size else 0, self.dtype)

    def eigvals(self) -> np.ndarray:
        """Eigenvalues, complex: the Fourier transform of `c`, in the order of `numpy.fft.fft`."""
        return self._values.astype(np.result_type(self.dtype, np.complex64))

    def slogdet(self) -> tuple[Any, float]:
        """Sign (or phase) of the determinant and the logarithm of its magnitude."""
        values, n = self._values, self.c.size
        size = np.abs(values)
        with np.errstate(divide="ignore"):
            logarithm = float(np.log(size).sum())
        if self.dtype.kind == "c":
            if not size.all():
                return 0j, -math.inf
            phase = complex(np.exp(1j * np.angle(values).sum()))
            return phase, logarithm
        # The other eigenvalues come in conjugate pairs.
        single = values[[0, n // 2] if n % 2 == 0 else [0]].real if n else np.ones(1)
        sign = float(np.prod(np.sign(single))) if size.all() else 0.0
        return sign, logarithm

    def _check_regular(self):
        size = np.abs(self._values)
        if not size.size:
            return
        floor = np.finfo(self.dtype).eps * size.max() * (4 + math.log2(size.size))
        if not size.min() > floor:
            raise np.linalg.LinAlgError(
                "the circulant is singular to working precision: its eigenvalues have magnitudes "
                f"from {size.min():.1e} to {size.max():.1e}"
            )

    def inv(self) -> Circulant:
        """The inverse, a circulant.

        Raises
        ------
        numpy.linalg.LinAlgError
            If the matrix is singular to working precision.
        """
        self._check_regular()
        if self.c.size == 0:
            return Circulant(self.c, workers=self.workers)
        column = fft.ifft(1 / self._values)
        column = column if self.dtype.kind == "c" else column.real
        return Circulant(column.astype(self.dtype), workers=self.workers)

    @functools.cached_property
    def _inverse(self):
        return self.inv()

    def solve(self, b: ArrayLike, *, full_output: bool = False) -> Any:
        """Solution of ``C x = b``: a division of spectra.

        Parameters
        ----------
        b : (n,) or (n, k) array_like or device array
            Right-hand sides.
        full_output : bool, optional
            If True, return also the backward errors.

        Returns
        -------
        x : ndarray or device array
            Of the shape of `b` and the common dtype.
        info : SolveInfo
            Only if `full_output`.

        Raises
        ------
        ValueError
            If `b` has another length or is not finite.
        numpy.linalg.LinAlgError
            If C is singular to working precision, with its smallest and largest ``|eigenvalue|``.

        Notes
        -----
        Backward stable: the transforms are unitary up to scale. The division is in double
        precision. On a device x is the product of `inv()` and `b`, in the common precision, and `b`
        is not looked at; `full_output` is for the host only.
        """
        if _array.is_device_array(b):
            if full_output:
                raise NotImplementedError("full_output is for NumPy arrays only")
            check_rhs_shape(b, self.c.size)
            self._check_regular()
            return self._inverse.dot(b)
        b = check_rhs(b, self.c.size, self.dtype)
        self._check_regular()
        rows = b.reshape(self.c.size, b.size // self.c.size if self.c.size else 0).T
        rows = np.ascontiguousarray(rows, np.result_type(b, np.float64))
        x = self._spectral(rows, 1 / self._values) if b.size else rows
        out = np.ascontiguousarray(x.T).reshape(b.shape).astype(b.dtype, copy=False)
        if not full_output:
            return out
        errors = np.zeros(len(rows))
        if b.size:
            x = x.astype(b.dtype, copy=False).astype(x.dtype, copy=False)
            norm = float(np.abs(self._values).max())
            left = rows - self._spectral(x, self._values)
            errors = _iterative.backward_errors(left, x, rows, norm)
        return out, _iterative.SolveInfo("circulant", 0, errors, None)


class Hankel(StructuredOperator):
    """Hankel matrix, ``H[i, j] = h[i + j]``.

    Parameters
    ----------
    c : (m,) array_like
        First column: float32, float64, complex64 or complex128; integers become float64.
    r : (n,) array_like, optional
        Last row; ``r[0]`` is ignored: ``c[-1]`` stands there. Default is m zeros.
    workers : int, optional
        Number of threads, see `fasttx.fwht`.

    Raises
    ------
    ValueError
        If `c` or `r` is not one-dimensional or has entries that are not finite.
    TypeError
        If a dtype is not accepted.

    Notes
    -----
    A Toeplitz matrix with its columns in reverse order: products, `solve` and `slogdet` are those
    of `Toeplitz`, with what they cost, on a device too.

    Examples
    --------
    >>> import numpy as np
    >>> from fasttx.structured import Hankel
    >>> H = Hankel([1.0, 2.0, 5.0], [5.0, 3.0, 1.0])
    >>> H.to_dense()
    array([[1., 2., 5.],
           [2., 5., 3.],
           [5., 3., 1.]])
    >>> np.round(H.solve(H @ [1.0, 0.0, 2.0]), 12) + 0
    array([1., 0., 2.])
    """

    def __init__(self, c: ArrayLike, r: ArrayLike | None = None, *, workers: int | None = None):
        c = as_entries(c, "c")
        r = np.zeros_like(c) if r is None else as_entries(r, "r")
        m, n = c.size, r.size
        self._h = np.concatenate([c, r[1:]]).astype(np.result_type(c, r))
        super().__init__(self._h.dtype, (m, n), workers=workers)
        empty = m == 0 or n == 0
        h = np.zeros(m + n, self.dtype) if empty else self._h
        self._toeplitz = Toeplitz(
            np.zeros(m) if empty else h[n - 1 :], h[:n][::-1], workers=workers
        )

    def _rows(self, x, adjoint):
        if adjoint:
            return self._toeplitz._rows(x, True)[:, ::-1]
        return self._toeplitz._rows(np.ascontiguousarray(x[:, ::-1]), False)

    def _device_rows(self, x, adjoint):
        # With rows in reverse order it is a Toeplitz matrix too: results are written backwards.
        if adjoint:
            return self._adjoint()._device_rows(x, False)
        return self._reversed(x, self.shape[0])

    @functools.cached_property
    def _reversed(self):
        m, h = self.shape[0], self._h
        rows = Toeplitz(h[:m][::-1], h[m - 1 :]) if 0 not in self.shape else self._toeplitz
        return functools.partial(rows._filter.on_device.circular, reverse=True)

    def _transpose(self):
        m, n = self.shape
        if 0 in self.shape:
            return Hankel(np.zeros(n, self.dtype), np.zeros(m, self.dtype), workers=self.workers)
        return Hankel(self._h[:n], self._h[n - 1 :], workers=self.workers)

    def _adjoint(self):
        n = self.shape[1]
        if 0 in self.shape:
            return self._transpose()
        return Hankel(self._h[:n].conj(), self._h[n - 1 :].conj(), workers=self.workers)

    def to_dense(self) -> np.ndarray:
        """The matrix as an array of shape (m, n)."""
        return self._toeplitz.to_dense()[:, ::-1].copy()

    def diagonal(self) -> np.ndarray:
        """The main diagonal, of length min(m, n)."""
        return self._h[: 2 * min(self.shape) : 2][: min(self.shape)].copy()

    def slogdet(self) -> tuple[Any, float]:
        """Sign (or phase) of the determinant and the logarithm of its magnitude, in O(n²)."""
        n = check_square(self, "slogdet")
        sign, value = self._toeplitz.slogdet()
        return (-sign if n % 4 in (2, 3) else sign), value

    def solve(self, b: ArrayLike, method: str = "auto", **options: Any) -> Any:
        """Solution of ``H x = b``; parameters, results and errors are those of `Toeplitz.solve`."""
        result = self._toeplitz.solve(b, method, **options)
        if isinstance(result, tuple):
            return result[0][::-1].copy(), result[1]
        return result[::-1].copy()


class ToeplitzPlusHankel(StructuredOperator):
    """Sum of a Toeplitz and a Hankel matrix of the same shape.

    Parameters
    ----------
    toeplitz : Toeplitz
    hankel : Hankel

    Raises
    ------
    TypeError
        If an operator is of another class.
    ValueError
        If the shapes differ.

    Examples
    --------
    >>> import numpy as np
    >>> from fasttx.structured import Hankel, Toeplitz, ToeplitzPlusHankel
    >>> A = ToeplitzPlusHankel(Toeplitz([2.0, 1.0]), Hankel([1.0, 0.0], [0.0, 3.0]))
    >>> A.to_dense()
    array([[3., 1.],
           [1., 5.]])
    >>> np.round(A.solve([4.0, 6.0]), 12)
    array([1., 1.])
    """

    def __init__(self, toeplitz: Toeplitz, hankel: Hankel):
        if not (isinstance(toeplitz, Toeplitz) and isinstance(hankel, Hankel)):
            raise TypeError(
                "a Toeplitz and a Hankel operator are needed; got "
                f"{type(toeplitz).__name__} and {type(hankel).__name__}"
            )
        if toeplitz.shape != hankel.shape:
            raise ValueError(f"the shapes differ: {toeplitz.shape} and {hankel.shape}")
        self.toeplitz, self.hankel = toeplitz, hankel
        super().__init__(np.result_type(toeplitz.dtype, hankel.dtype), toeplitz.shape)

    def _rows(self, x, adjoint):
        return self.toeplitz._rows(x, adjoint) + self.hankel._rows(x, adjoint)

    def _transpose(self):
        return ToeplitzPlusHankel(self.toeplitz._transpose(), self.hankel._transpose())

    def _adjoint(self):
        return ToeplitzPlusHankel(self.toeplitz._adjoint(), self.hankel._adjoint())

    def to_dense(self) -> np.ndarray:
        """The matrix as an array of shape (m, n)."""
        return self.toeplitz.to_dense() + self.hankel.to_dense()

    def diagonal(self) -> np.ndarray:
        """The main diagonal, of length min(m, n)."""
        return self.toeplitz.diagonal() + self.hankel.diagonal()

    @functools.cached_property
    def _norm(self):
        return _iterative.norm_lower_bound(
            lambda x: self._rows(x, False), lambda x: self._rows(x, True), self.shape[1]
        )

    def solve(
        self,
        b: ArrayLike,
        *,
        tol: float | None = None,
        maxiter: int | None = None,
        full_output: bool = False,
    ) -> Any:
        """Solution of ``A x = b``.

        Parameters, results and errors are those of `MultilevelToeplitz.solve`.

        Notes
        -----
        Up to n = 256 a dense factorisation. Above it conjugate gradients where A is Hermitian, then
        GMRES, both preconditioned with a circulant of the Toeplitz part, O(n log n) for an
        iteration; where both fail a dense factorisation up to n = 2048.
        """
        n = check_square(self, "solve")
        b = check_rhs(b, n, self.dtype)
        tol = _iterative.default_tol(b.dtype, tol)
        most = [_iterative.check_maxiter(maxiter, k) for k in (2000, 300)]
        if b.size == 0:
            info = _iterative.SolveInfo("dense", 0, np.zeros(0), None)
            return (b.copy(), info) if full_output else b.copy()
        hermitian = self.toeplitz._hermitian and not np.iscomplexobj(self.hankel._h)
        circulant = None
        methods = []

        def product(x):
            return self._rows(x, False)

        def dense(rows):
            return np.linalg.solve(self.to_dense(), rows.T).T.copy(), 0, ""

        def iterate(run, most):
            precondition = circulant or np.copy
            return lambda rows: run(product, precondition, rows, self._norm, tol / 2, most)

        if n > _SMALL:
            circulant = self.toeplitz._preconditioner

            if hermitian:
                methods.append(("pcg", iterate(_iterative.conjugate_gradients, most[0])))
            methods.append(("gmres", iterate(_iterative.gmres, most[1])))
        if n <= _MOST_DENSE:
            methods.append(("dense", dense))
        work = _iterative.working_dtype(b.dtype, tol)
        kind = circulant.kind if circulant else None
        x, info = _iterative.Attempt(product, self._norm, tol, work, kind).run(b, methods)
        return (x, info) if full_output else x

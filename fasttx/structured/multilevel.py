"""Multilevel Toeplitz matrices: stationary kernels on grids."""

from __future__ import annotations

import dataclasses
import functools
import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import fft

from . import _iterative
from ._base import StructuredOperator, as_entries, check_rhs

# Up to here determinants, and systems where iterations fail, are left to dense algebra.
_SMALL = 512
_MOST_DENSE = 2048


@dataclasses.dataclass(frozen=True)
class LogdetEstimate:
    """A stochastic estimate of a log-determinant.

    Attributes
    ----------
    value : float
        The estimate.
    stderr : float
        Its standard error over the probes; 0 where the value is exact. The error of the quadrature
        is not in it: that is below a tenth of `rtol` where `converged`.
    probes : int
        Random vectors used; 0 where the value is exact.
    steps : int
        Largest number of Lanczos steps for a probe.
    converged : bool
        Whether the standard error and the quadrature have reached `rtol`.
    """

    value: float
    stderr: float
    probes: int
    steps: int
    converged: bool


class MultilevelToeplitz(StructuredOperator):
    """Matrix over a grid whose entries depend on the difference of the grid points only.

    ``A[i, j] = t[i - j + n - 1]`` for multi-indices i and j on a grid of shape n = (n₁, …, n_d):
    Toeplitz for d = 1, block Toeplitz with Toeplitz blocks (BTTB) for d = 2.

    Parameters
    ----------
    t : (2n₁ − 1, …, 2n_d − 1) array_like
        Entries by lag, row − column, lag 0 at the centre: float32, float64, complex64 or
        complex128; integers become float64.
    workers : int, optional
        Number of threads for the transforms.

    Attributes
    ----------
    t : ndarray
        The entries by lag.
    grid : tuple of int
        (n₁, …, n_d). Unknowns are ordered as ``x.reshape(grid)`` in C order.

    Raises
    ------
    ValueError
        If `t` has no axis, an axis of even length, or entries that are not finite.
    TypeError
        If the dtype is not accepted.

    Notes
    -----
    Products by transforms of each axis padded to the next fast length from 2nᵢ − 1 on, axis after
    axis so that rows of zeros are not transformed, by `scipy.fft`: O(N log N), N = ∏nᵢ.

    References
    ----------
    .. [1] M. K. Ng, "Iterative Methods for Toeplitz Systems", Oxford University Press, 2004,
       chapter 5.
    .. [2] S. Ubaru, J. Chen and Y. Saad, "Fast estimation of tr(f(A)) via stochastic Lanczos
       quadrature", SIAM J. Matrix Anal. Appl. 38(4), 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from fasttx.structured import MultilevelToeplitz
    >>> A = MultilevelToeplitz([[0.0, 1.0, 0.0], [1.0, 4.0, 1.0], [0.0, 1.0, 0.0]])
    >>> A.to_dense()
    array([[4., 1., 1., 0.],
           [1., 4., 0., 1.],
           [1., 0., 4., 1.],
           [0., 1., 1., 4.]])
    >>> np.round(A.solve([6.0, 6.0, 6.0, 6.0]), 12)
    array([1., 1., 1., 1.])
    """

    def __init__(self, t: ArrayLike, *, workers: int | None = None):
        t = as_entries(t, "t", None)
        if t.ndim == 0 or any(size % 2 == 0 for size in t.shape):
            raise ValueError(
                f"t must have axes of odd lengths 2 n - 1, lag 0 at the centre; got shape {t.shape}"
            )
        self.t = np.array(t, order="C")
        self.grid = tuple((size + 1) // 2 for size in t.shape)
        n = math.prod(self.grid)
        super().__init__(t.dtype, (n, n), workers=workers)
        real = t.dtype.kind != "c"
        self._padded = tuple(fft.next_fast_len(size, real) for size in t.shape)
        self._spectra: dict[Any, np.ndarray] = {}

    def _spectrum(self, real, kind):
        """Transform of the embedding circulant: for real rows half of the last axis."""
        key = real, kind
        if key not in self._spectra:
            column = np.zeros(self._padded, np.result_type(self.dtype, np.float64))
            column[tuple(slice(0, size) for size in self.t.shape)] = self.t
            axes = tuple(range(self.t.ndim))
            column = np.roll(column, [1 - n for n in self.grid], axes)  # lag 0 comes first
            values = fft.rfftn(column) if real else fft.fftn(column)
            self._spectra[key] = values.astype(kind)
        return self._spectra[key]

    def _rows(self, x, adjoint):
        dtype = np.result_type(self.dtype, x)
        real = dtype.kind != "c"
        spectrum = self._spectrum(real, np.result_type(dtype, np.complex64))
        y = x.astype(dtype, copy=False).reshape(-1, *self.grid)
        axes = range(y.ndim - 1, 0, -1)
        for axis in axes:
            forward = fft.rfft if real and axis == y.ndim - 1 else fft.fft
            y = forward(y, self._padded[axis - 1], axis, workers=self.workers)
        y *= spectrum.conj() if adjoint else spectrum
        for axis in reversed(axes):
            inverse = fft.irfft if real and axis == y.ndim - 1 else fft.ifft
            y = inverse(y, self._padded[axis - 1], axis, overwrite_x=True, workers=self.workers)
            y = y[(slice(None),) * axis + (slice(0, self.grid[axis - 1]),)]
        return np.ascontiguousarray(y).reshape(len(x), -1)

    def _transpose(self):
        return MultilevelToeplitz(np.flip(self.t), workers=self.workers)

    def _adjoint(self):
        return MultilevelToeplitz(np.flip(self.t).conj(), workers=self.workers)

    def to_dense(self) -> np.ndarray:
        """The matrix as an array of shape (N, N)."""
        index = 0
        points = np.indices(self.grid).reshape(len(self.grid), -1)
        for size, point, n in zip(self.t.shape, points, self.grid, strict=True):
            index = index * size + np.subtract.outer(point, point) + n - 1
        return self.t.reshape(-1)[index]

    def diagonal(self) -> np.ndarray:
        """The main diagonal, of length N."""
        return np.full(self.shape[0], self.t[tuple(n - 1 for n in self.grid)], self.dtype)

    @functools.cached_property
    def _hermitian(self):
        return bool(np.array_equal(np.flip(self.t).conj(), self.t))

    @functools.cached_property
    def _norm(self):
        """A lower bound of the spectral norm: values vᴴ A v at Fourier vectors, and a column."""
        wide = self.t.astype(np.result_type(self.dtype, np.float64))
        values = fft.fftn(_iterative.circulant_column(wide, "chan"))
        column = wide[tuple(slice(n - 1, None) for n in self.grid)]
        return float(max(np.abs(values).max(), np.linalg.norm(column)))

    @functools.cached_property
    def _preconditioner(self):
        return _iterative.choose_preconditioner(self.t, self._hermitian, self.workers)

    @functools.cached_property
    def _embedded(self):
        if not self._hermitian or len(self.grid) < 2:
            return None
        wide = self.t.astype(np.result_type(self.dtype, np.float64))
        found = _iterative.EmbeddedPreconditioner(wide, self.workers)
        return found if found.positive else None

    def solve(
        self,
        b: ArrayLike,
        *,
        tol: float | None = None,
        maxiter: int | None = None,
        full_output: bool = False,
    ) -> Any:
        """Solution of ``A x = b``.

        Parameters
        ----------
        b : (N,) or (N, k) array_like
            Right-hand sides.
        tol : float, optional
            Backward error ``‖Ax − b‖ / (‖A‖ ‖x‖ + ‖b‖)`` in 2-norms to reach in every column;
            default 1e-10, and 1e-5 in single precision. For ‖A‖ stands a lower bound near to it.
        maxiter : int, optional
            Most iterations; default 2000 for conjugate gradients, 300 for GMRES.
        full_output : bool, optional
            If True, return also what was done.

        Returns
        -------
        x : ndarray
            Of the shape of `b` and the common dtype.
        info : SolveInfo
            Method, iterations, backward errors, preconditioner; only if `full_output`.

        Raises
        ------
        ValueError
            If `b` has another length or is not finite.
        numpy.linalg.LinAlgError
            If A is singular, or `tol` was not reached, with the figure that was.

        Notes
        -----
        Conjugate gradients where A is Hermitian, else or where it is not positive definite GMRES.
        The preconditioner is the multilevel circulant of Strang, for a Hermitian A of two and more
        levels first that of a grid a quarter longer along each axis, restricted to the grid; where
        it is not positive definite (for GMRES: singular), T. Chan's. O(N log N) for an iteration.
        Where they fail, a dense factorisation up to N = 2048.
        """
        n = self.shape[0]
        b = check_rhs(b, n, self.dtype)
        tol = _iterative.default_tol(b.dtype, tol)
        most = [_iterative.check_maxiter(maxiter, k) for k in (2000, 300)]
        if b.size == 0:
            info = _iterative.SolveInfo("pcg", 0, np.zeros(0), None)
            return (b.copy(), info) if full_output else b.copy()
        if not self._norm > 0:
            raise np.linalg.LinAlgError("A is singular: all its entries are zero")
        found = self._embedded or self._preconditioner
        precondition = found or np.copy

        def product(x):
            return self._rows(x, False)

        def iterate(run, most):
            return lambda rows: run(product, precondition, rows, self._norm, tol / 2, most)

        def dense(rows):
            return np.linalg.solve(self.to_dense(), rows.T).T.copy(), 0, ""

        methods = [("gmres", iterate(_iterative.gmres, most[1]))]
        if self._hermitian:
            methods.insert(0, ("pcg", iterate(_iterative.conjugate_gradients, most[0])))
        if n <= _MOST_DENSE:
            methods.append(("dense", dense))
        work = _iterative.working_dtype(b.dtype, tol)
        kind = found.kind if found else None
        x, info = _iterative.Attempt(product, self._norm, tol, work, kind).run(b, methods)
        return (x, info) if full_output else x

    def slogdet(self) -> tuple[Any, float]:
        """Sign (or phase) of the determinant and the logarithm of its magnitude.

        Notes
        -----
        Exact by dense algebra up to N = 512; above, for a Hermitian positive definite matrix,
        ``(1.0, logdet())``, an estimate.
        """
        if self.shape[0] <= _SMALL:
            sign, value = np.linalg.slogdet(self._wide_dense())
            return sign, float(value)
        return 1.0, self.logdet()

    def _wide_dense(self):
        return self.to_dense().astype(np.result_type(self.dtype, np.float64))

    def logdet(self, *, rtol: float = 1e-2, probes: int = 256, rng: Any = None) -> float:
        """Logarithm of the determinant: `logdet_estimate`, or an error where it misses `rtol`.

        Raises
        ------
        numpy.linalg.LinAlgError
            If the determinant is not positive (N ≤ 512), the matrix is not Hermitian positive
            definite, or the estimate did not reach `rtol`, with its standard error.
        """
        found = self.logdet_estimate(rtol=rtol, probes=probes, rng=rng)
        if not found.converged:
            raise np.linalg.LinAlgError(
                f"the log-determinant is {found.value:.6g} with standard error {found.stderr:.1e} "
                f"after {found.probes} probes and {found.steps} steps; rtol is {rtol:.1e}"
            )
        return found.value

    def logdet_estimate(
        self, *, rtol: float = 1e-2, probes: int = 256, steps: int = 100, rng: Any = None
    ) -> LogdetEstimate:
        """Log-determinant of a Hermitian positive definite matrix, with a standard error.

        Parameters
        ----------
        rtol : float, optional
            Standard error to reach, relative to the value (to 1 where that is smaller).
        probes : int, optional
            Most random vectors, at least 2. They are taken 8 at a time.
        steps : int, optional
            Most Lanczos steps for a probe.
        rng : seed or numpy.random.Generator, optional
            Random state.

        Returns
        -------
        estimate : LogdetEstimate

        Raises
        ------
        ValueError
            If an option is out of range.
        numpy.linalg.LinAlgError
            If the matrix is found not to be Hermitian positive definite.

        Notes
        -----
        ``log det A = log det C + tr log(C^-½ A C^-½)``, C a circulant of Strang or T. Chan. The
        trace is the mean over random signs z of ``zᴴ log(·) z``, each by Gauss quadrature from
        Lanczos' method with full reorthogonalisation. Exact by dense algebra up to N = 512.
        """
        if not (np.isfinite(rtol) and rtol > 0):
            raise ValueError(f"rtol must be positive; got {rtol}")
        if probes < 2 or steps < 1:
            raise ValueError(f"probes must be at least 2, steps 1; got {probes} and {steps}")
        n = self.shape[0]
        if n <= _SMALL:
            sign, value = np.linalg.slogdet(self._wide_dense())
            if not (sign.real > 0 and abs(sign.imag) <= 1e-6):
                raise np.linalg.LinAlgError(f"the determinant is not positive: its sign is {sign}")
            return LogdetEstimate(float(value), 0.0, 0, 0, True)
        if not self._hermitian:
            raise np.linalg.LinAlgError(
                "the estimate needs a Hermitian positive definite matrix; it is not Hermitian"
            )
        circulant = self._preconditioner
        base = float(np.log(circulant.values).sum()) if circulant else 0.0

        def product(x):
            if circulant is None:
                return self._rows(x, False)
            return circulant(self._rows(circulant(x, -0.5), False), -0.5)

        rng = np.random.default_rng(rng)
        kind = np.result_type(self.dtype, np.float64)
        samples: list[float] = []
        used, settled, value, error = 0, True, 0.0, np.inf
        while len(samples) < probes:
            count = min(8, probes - len(samples))
            probe = rng.choice([-1.0, 1.0], (count, n)).astype(kind)
            size = max(1.0, abs(base + np.mean(samples)) if samples else abs(base))
            for row in probe:
                sample, taken, good = _quadrature(product, row, steps, 0.1 * rtol * size)
                samples.append(sample)
                used, settled = max(used, taken), settled and good
            value = base + float(np.mean(samples))
            if len(samples) > 1:
                error = float(np.std(samples, ddof=1) / math.sqrt(len(samples)))
            if len(samples) >= 8 and error <= rtol * max(1.0, abs(value)):
                break
        done = settled and error <= rtol * max(1.0, abs(value))
        return LogdetEstimate(value, error, len(samples), used, bool(done))


def _quadrature(product, z, steps, accuracy):
    """``zᴴ log(A) z`` by Lanczos: the value, the steps, and whether it had settled."""
    size = float(np.vdot(z, z).real)
    steps = min(steps, z.size)
    basis = np.empty((steps, z.size), z.dtype)
    v = z / math.sqrt(size)
    diagonal: list[float] = []
    beside: list[float] = []
    value, before = 0.0, np.inf
    for j in range(steps):
        basis[j] = v
        w = product(v[None])[0]
        diagonal.append(float(np.vdot(v, w).real))
        for _ in range(2):
            w = w - (basis[: j + 1].conj() @ w) @ basis[: j + 1]
        norm = float(np.linalg.norm(w))
        end = norm <= 1e-13 * max(map(abs, diagonal))
        if end or j == steps - 1 or j % 4 == 3:
            small = np.diag(diagonal) + np.diag(beside, 1) + np.diag(beside, -1)
            nodes, vectors = np.linalg.eigh(small)
            if not nodes[0] > 0:
                raise np.linalg.LinAlgError(
                    f"the matrix is not positive definite: Lanczos' method found {nodes[0]:.1e}"
                )
            value = size * float((vectors[0] ** 2) @ np.log(nodes))
            if end or abs(value - before) <= accuracy:
                return value, j + 1, True
            before = value
        beside.append(norm)
        v = w / norm
    return value, steps, steps == z.size

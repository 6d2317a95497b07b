"""Gram matrices of shift-invariant kernels on nets and lattices, in n log n."""

from __future__ import annotations

import operator
from itertools import combinations_with_replacement
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray
from scipy.sparse.linalg import LinearOperator

from .. import _array
from .._digits import BITS, Digits, aligned, digits_of
from ..kernels import Kernel
from ..qmc import PointSet
from . import _device, _structure
from ._blocks import BlockGram, block_spectrum
from ._group import GROUPS
from ._iterative import NestedScrambled


class FastGram(LinearOperator):
    """Gram matrix K(x_i, x_j) + noise of a kernel on the points that diagonalise it.

    A digitally-shift-invariant kernel on a digital net gives a matrix that the Walsh-Hadamard
    transform diagonalises, a shift-invariant kernel on a rank-1 lattice one that the Fourier
    transform does: products, solutions and determinants are exact and cost n log n.

    Parameters
    ----------
    points : array_like or device array of shape (n, d), or engine
        Floats in [0, 1), or digits (uint64), of a net or a lattice in radical-inverse order; nets
        in Gray order and lattices in Gray or linear order are permuted. What they are is checked.
        Or a `fasttx.qmc.DigitalNet` or `fasttx.qmc.Lattice` at its beginning, with `n`; or a pair
        (engine, n).
    kernel : fasttx.kernels.Kernel
        `fasttx.kernels.DSIKernel` for nets, `fasttx.kernels.SIKernel` for lattices, sums and
        products of such.
    noise : float, optional
        Variance added to the diagonal.
    n : int, optional
        Number of points to take from an engine.
    bits : int, optional
        Binary digits of points given as uint64; 53 by default.
    dtype : dtype, optional
        float64 (default) or float32, in which all is computed.
    workers : int, optional
        Number of threads; None: as many as allowed for large `n`.

    Attributes
    ----------
    column : ndarray of shape (n,)
        K(x_i, x_0), for the points in radical-inverse order.
    jitter : float
        What was added to the diagonal, beyond `noise`, because round-off left eigenvalues that
        are not positive. Zero mostly.
    noise, kernel, shape, dtype
        As given.

    Raises
    ------
    ValueError
        If the points are not a net or a lattice with the kernel's symmetry.

    Notes
    -----
    With F the unitary transform, K = F diag(sqrt(n) F k) F^H for the column k = K(x, x_0) at the
    *first* point, which is not 0 for shifted points [1]_. For n that is not a power of two, the
    binary digits of n are parts on nested subgroups, and a block factorization of these is exact
    too, at at most log2(n)**2/2 times the cost.

    Nets with nested uniform scrambling keep the first digit in which two points differ and no
    more: kernels that depend on it alone (alpha = 1, or ``digits="first"``) are as fast there.
    For others `solve` is by conjugate gradients, with products at n**2, preconditioned by the
    nearest matrix that the transform diagonalises; what needs eigenvalues then raises.

    Points on a device, of a power of two in number, make a matrix there: `column`, `eigenvalues`
    and `points` are device arrays, and so are products, solutions and `inv_sqrt` of ``b`` of
    float32 or float64, where values that are not finite give NaN instead of an error. Just what is
    said of the points and of the least eigenvalue, and `logdet`, are fetched. Gray order of a
    lattice, `sample`, `extend` and what needs conjugate gradients are for the host.
    ``net.random_raw(out=...)`` makes points on the device, for ``bits=net.bits``.

    References
    ----------
    .. [1] R. Jagadeeswaran and F. J. Hickernell, "Fast automatic Bayesian cubature using lattice
       sampling", Statistics and Computing 29, 1215-1229, 2019. :doi:`10.1007/s11222-019-09895-9`

    Examples
    --------
    >>> import numpy as np
    >>> from fasttx.gp import FastGram
    >>> from fasttx.kernels import DSIKernel
    >>> from fasttx.qmc import DigitalNet
    >>> gram = FastGram(DigitalNet(3, rng=0), DSIKernel(3, alpha=2), noise=1e-3, n=4096)
    >>> y = np.sin(np.arange(4096))
    >>> np.allclose(gram @ gram.solve(y), y)
    True

    On a GPU, with points that are made there:

    >>> import cupy  # doctest: +SKIP
    >>> points = DigitalNet(3, rng=0).random(out=cupy.empty((2**20, 3)))  # doctest: +SKIP
    >>> x = FastGram(points, DSIKernel(3)).solve(cupy.ones(2**20))  # doctest: +SKIP
    """

    def __init__(
        self,
        points: ArrayLike | PointSet | tuple[PointSet, int],
        kernel: Kernel,
        noise: float = 0.0,
        *,
        n: int | None = None,
        bits: int = BITS,
        dtype: DTypeLike = np.float64,
        workers: int | None = None,
    ):
        if kernel.sequence is None:
            raise ValueError(
                f"{type(kernel).__name__} is neither digitally shift-invariant nor "
                "shift-invariant: see fasttx.kernels.DSIKernel and SIKernel, and kernel.grid()"
            )
        if not (np.isfinite(noise) and noise >= 0):
            raise ValueError(f"noise must be a variance, at least 0; got {noise}")
        if np.dtype(dtype) not in (np.float32, np.float64):
            raise TypeError(f"dtype must be float32 or float64; got {np.dtype(dtype)}")
        self.kernel, self.noise, self.workers = kernel, float(noise), workers
        self._sequence = kernel.sequence
        self._engine: PointSet | None = None
        self._order: NDArray[np.intp] | None = None
        self._iterative: NestedScrambled | None = None
        self._there: _device.DeviceGram | None = None  # where points are on a device
        self._blocks: Any
        if isinstance(points, tuple):
            points, n = points
        if isinstance(points, PointSet):
            if n is None:
                raise TypeError("n, the number of points to take from the engine, is missing")
            self._engine = points
            digits = _structure.from_engine(points, operator.index(n), kernel.d)
        elif n is not None:
            raise TypeError("n goes with an engine; points given as an array say how many")
        elif _array.is_device_array(points):
            found = _device.digits_of(points, kernel.d, bits)
            super().__init__(np.dtype(dtype), (found.shape[0], found.shape[0]))
            self._there = _device.DeviceGram(found, kernel, self.noise, self.dtype)
            self._blocks, self.column = self._there, self._there.column
            return
        else:
            digits = digits_of(points, kernel.d, bits)
            if not len(digits):
                raise ValueError("points must not be empty")
        super().__init__(np.dtype(dtype), (len(digits), len(digits)))
        self._set(digits)

    def _set(self, digits: Digits) -> None:
        kind, self._order = _structure.classify(digits, self._sequence)
        if kind == "nested" and not self.kernel.depends_on_first_digit:
            self._iterative = NestedScrambled(digits, self.kernel, self.noise, self.workers)
            self._digits = digits
            return
        self._digits = digits if self._order is None else digits[self._order]
        starts = _structure.parts(len(digits))
        group, spectra = GROUPS[self._sequence], {}
        for s, t in combinations_with_replacement(range(len(starts) - 1), 2):
            run, x0 = self._digits[starts[s] : starts[s + 1]], self._digits[starts[t]]
            column, spectrum, constant = block_spectrum(
                group, self.kernel, run, x0, self.dtype, self.workers
            )
            if s == t == 0:
                self.column, self._first = column, spectrum[0].real
            spectrum[0] += constant
            spectra[s, t] = np.ascontiguousarray(spectrum.real) if s == t else spectrum
        self._blocks = BlockGram(group, spectra, [self.noise] * (len(starts) - 1), self.workers)

    @property
    def jitter(self) -> float:
        """What was added to the diagonal beyond the noise."""
        return 0.0 if self._iterative is not None else self._blocks.jitter

    @property
    def points(self) -> NDArray[np.float64]:
        """The points, in the order in which they were given: shape (n, d)."""
        if self._there is not None:
            return self._there.coordinates()
        points = np.multiply(self._digits, 2.0**-BITS, dtype=np.float64)
        if self._order is not None:
            points[self._order] = points.copy()
        return points

    @property
    def eigenvalues(self) -> NDArray[Any]:
        """Eigenvalues, noise and jitter included, in the order of the transform's frequencies."""
        self._needs_transform("eigenvalues")
        if len(self._blocks.sizes) > 1:
            raise ValueError(
                f"eigenvalues are known for n a power of two; n is {self.shape[0]}. Solutions and "
                "determinants are available"
            )
        return self._blocks.eigenvalues()

    def solve(self, b: ArrayLike, *, tol: float = 1e-10, maxiter: int = 1000) -> NDArray[Any]:
        """Solution x of ``(K + noise) x = b`` for `b` of shape (n,) or (n, k).

        `tol` and `maxiter` bound the relative residual and the steps of conjugate gradients, where
        these are needed (see Notes of the class).

        Raises
        ------
        ValueError
            If `b` has another length, or values that are not finite.
        numpy.linalg.LinAlgError
            If conjugate gradients did not reach `tol`.
        """
        if self._iterative is not None:
            return self._rows(b, lambda rows: self._iterative.solve(rows, tol, maxiter))
        return self._rows(b, self._blocks.solve)

    def inv_sqrt(self, b: ArrayLike) -> NDArray[Any]:
        """W b with W^T W the inverse matrix, for `b` of shape (n,) or (n, k).

        For n a power of two, W is the symmetric inverse square root.
        """
        self._needs_transform("inv_sqrt")
        return self._rows(b, self._blocks.whiten)

    def logdet(self) -> float:
        """Logarithm of the determinant, noise and jitter included.

        For points on a device it is summed there, and this one number is fetched.
        """
        self._needs_transform("logdet")
        return self._blocks.logdet()

    def sample(self, rng: Any = None, size: int | None = None) -> NDArray[Any]:
        """Draw values at the points from the Gaussian process with noise, of mean zero.

        Parameters
        ----------
        rng : int, numpy.random.Generator or None
            Random state.
        size : int, optional
            Number of draws.

        Returns
        -------
        ndarray of shape (n,) or (n, size)
        """
        self._needs_host("sample")
        self._needs_transform("sample")
        count = 1 if size is None else operator.index(size)
        white = np.random.default_rng(rng).standard_normal((count, self.shape[0]), self.dtype)
        draws = self._restored(self._blocks.colour(white)).T
        return draws[:, 0] if size is None else draws

    def extend(self, points: ArrayLike | None = None) -> FastGram:
        """The matrix of twice as many points; half of its transforms are those of this one.

        Parameters
        ----------
        points : array_like of shape (n, d), optional
            The next n points; not needed where this matrix was made from an engine, whose points
            have not been taken by others.

        Returns
        -------
        FastGram
            A new one; this one stays as it is.
        """
        self._needs_host("extend")
        self._needs_transform("extend")
        n = self.shape[0]
        if n & (n - 1) or self._order is not None:
            raise ValueError("extend() needs points in radical-inverse order, a power of two")
        if points is not None:
            new = digits_of(points, self.kernel.d)
        elif self._engine is None:
            raise TypeError("points are missing: this matrix was not made from an engine")
        elif self._engine.num_generated != n:
            raise ValueError(
                f"the engine has given {self._engine.num_generated} points, {n} are expected"
            )
        else:
            new = aligned(self._engine.random_raw(n), self._engine.bits)
        if len(new) != n:
            raise ValueError(f"as many points as before, {n}, are needed; got {len(new)}")
        digits = np.concatenate([self._digits, new])
        if points is not None:
            kind, order = _structure.classify(digits, self._sequence)
            if order is not None or (kind == "nested" and not self.kernel.depends_on_first_digit):
                raise ValueError("these points do not continue the sequence")
        twin = object.__new__(FastGram)
        twin.__dict__.update(self.__dict__)
        twin.shape, twin._digits = (2 * n, 2 * n), digits
        group = self._blocks.group
        column, second, constant = block_spectrum(
            group, self.kernel, new, digits[0], self.dtype, self.workers
        )
        twin.column = np.concatenate([self.column, column])
        first = self._blocks.spectra[0, 0].copy()
        first[0] = self._first  # the mean would cost the new half of the spectrum its digits
        spectrum = np.ascontiguousarray(group.doubled(first, second).real)
        twin._first = spectrum[0]
        spectrum[0] += 2 * constant
        spectra = {(0, 0): spectrum}
        twin._blocks = BlockGram(group, spectra, [self.noise], self.workers)
        return twin

    def dot(self, x: Any) -> Any:
        """Product with a vector, with columns, or with another operator."""
        if _array.is_device_array(x):  # SciPy would make a NumPy array of it
            return self._rows(x, (self._iterative or self._blocks).apply)
        return super().dot(x)

    def matvec(self, x: Any) -> Any:
        """Product with a vector of shape (n,) or (n, 1)."""
        return self.dot(x) if _array.is_device_array(x) else super().matvec(x)

    def matmat(self, x: Any) -> Any:
        """Product with columns, of shape (n, k)."""
        return self.dot(x) if _array.is_device_array(x) else super().matmat(x)

    def _matmat(self, b: NDArray[Any]) -> NDArray[Any]:
        # Complex vectors by their parts: the transforms of real ones keep to real results.
        if np.iscomplexobj(b):
            return self._matmat(b.real) + 1j * self._matmat(b.imag)
        return self._rows(b, (self._iterative or self._blocks).apply)

    def _matvec(self, b: NDArray[Any]) -> NDArray[Any]:
        return self._matmat(np.reshape(b, (-1, 1)))[:, 0]

    def _adjoint(self) -> FastGram:
        return self

    _transpose = _adjoint

    def _rows(self, b: ArrayLike, apply: Any) -> NDArray[Any]:
        if self._there is not None:
            return apply(b)
        _device.check_host(b, "b")
        b = np.asarray(b)
        n = self.shape[0]
        if b.ndim not in (1, 2) or b.shape[0] != n:
            raise ValueError(f"b must have shape ({n},) or ({n}, k); got {b.shape}")
        if b.dtype.kind not in "buif":
            raise TypeError(f"b must be real; got {b.dtype}")
        if not np.isfinite(b).all():
            raise ValueError("b has entries that are not finite")
        rows = np.ascontiguousarray(b.reshape(n, -1).T, self.dtype)
        if self._order is not None:
            rows = rows[:, self._order]
        return np.ascontiguousarray(self._restored(apply(rows)).T).reshape(b.shape)

    def _restored(self, rows: NDArray[Any]) -> NDArray[Any]:
        if self._order is None:
            return rows
        out = np.empty_like(rows)
        out[:, self._order] = rows
        return out

    def _needs_transform(self, what: str) -> None:
        if self._iterative is not None:
            raise ValueError(
                f"{what} needs a kernel that depends on the first differing digit alone "
                "(alpha=1, or digits='first') on a net with nested uniform scrambling; products "
                "and solve() work for others"
            )

    def _needs_host(self, what: str) -> None:
        if self._there is not None:
            raise NotImplementedError(f"{what}() is on the host only, for points on the host")

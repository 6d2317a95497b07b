"""Kronecker products and sums of dense matrices and operators, applied mode by mode."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.linalg
from numpy.typing import ArrayLike
from scipy.sparse.linalg import LinearOperator

from . import _factors
from ._base import StructuredOperator, check_rhs


class _OnModes(StructuredOperator):
    """What Kronecker products and sums share: their factors, and the adjoint by factors."""

    def __init__(self, factors, shape: tuple[int, int]):
        super().__init__(np.result_type(*(_factors.dtype_of(f) for f in factors)), shape)
        self.factors = factors

    def _adjoint(self):
        kind: Any = type(self)
        return kind(*(f.conj().T if isinstance(f, np.ndarray) else f.H for f in self.factors))

    def _transpose(self):
        kind: Any = type(self)
        return kind(*(f.T for f in self.factors))


class Kronecker(_OnModes):
    """Kronecker product ``A1 ⊗ A2 ⊗ … ⊗ Ad`` of dense matrices and operators.

    Unknowns are in the order of `numpy.kron`: a vector is a C-contiguous array with one axis (mode)
    for each factor, and factor i acts on axis i.

    Parameters
    ----------
    *factors : array_like, sparse matrix or LinearOperator
        One or more matrices of any shapes (mᵢ, nᵢ). float32, float64, complex64, complex128;
        integers become float64.

    Attributes
    ----------
    factors : tuple
        The factors: read-only copies of arrays, and operators.

    Raises
    ------
    ValueError
        If there is no factor, or one is not two-dimensional or not finite.
    TypeError
        If the dtype of a factor is not one of the above.

    Notes
    -----
    The shape is (∏mᵢ, ∏nᵢ). A product costs at most Σ mᵢ·(points at that time) multiplications for
    dense factors, one call of BLAS each, and one copy and one call for operators. The modes go in
    increasing order of 1/nᵢ − 1/mᵢ, the cheapest order: factors that shrink come first, and no
    intermediate array is larger than argument and result. Vectors on a device are multiplied there
    where all factors are operators that do so (`Toeplitz`, `Circulant`, `Hankel`,
    `HadamardOperator`, whose products have the dtype of the vectors, `Kronecker`). Adjoint and
    transpose are Kronecker products again. Operators without a fast method of their own (`solve`,
    `slogdet`, `eigvals`, `diagonal`) are made dense where that method is asked for.

    References
    ----------
    .. [1] C. F. Van Loan, "The ubiquitous Kronecker product", Journal of Computational and Applied
       Mathematics 123, 85-100, 2000. :doi:`10.1016/S0377-0427(00)00393-9`

    Examples
    --------
    >>> import numpy as np
    >>> from fasttx.structured import Kronecker
    >>> K = Kronecker([[2.0, 0.0], [1.0, 1.0]], [[1.0, 3.0], [0.0, 1.0]])
    >>> K @ np.array([1.0, 0.0, 0.0, 1.0])
    array([2., 0., 4., 1.])
    >>> K.solve([2.0, 0.0, 4.0, 1.0])
    array([1., 0., 0., 1.])
    >>> round(float(K.logdet() / np.log(2)), 12)
    2.0
    """

    def __init__(self, *factors: ArrayLike | LinearOperator):
        checked = _factors.check_factors(factors)
        shapes = [f.shape for f in checked]
        super().__init__(
            checked, (math.prod(s[0] for s in shapes), math.prod(s[1] for s in shapes))
        )
        self._solvers: dict[tuple[int, str], Callable[[np.ndarray], np.ndarray]] = {}

    def _rows(self, x, adjoint):
        dtype = np.result_type(self.dtype, x.dtype)
        sizes = [f.shape[0 if adjoint else 1] for f in self.factors]
        results = [f.shape[1 if adjoint else 0] for f in self.factors]
        if 0 in sizes or 0 in results:
            return np.zeros((len(x), math.prod(results)), dtype)
        x = _factors.at_least(x, self.dtype)
        # Modes i, j in this order cost less than in the other one iff i's key is smaller.
        for i in sorted(range(len(sizes)), key=lambda i: 1 / sizes[i] - 1 / results[i]):
            x = _factors.apply_factor(self.factors[i], x.reshape(-1, *sizes), i + 1, adjoint)
            sizes[i] = results[i]
        return x.reshape(-1, math.prod(sizes)).astype(dtype, copy=False)

    def _device_rows(self, x, adjoint):
        for i, factor in enumerate(self.factors):
            if not isinstance(factor, StructuredOperator):
                raise NotImplementedError(
                    f"factor {i} is {_factors.kind_of(factor)}: on a device a Kronecker product is "
                    "multiplied where all factors are operators of fasttx.structured that are"
                )
        rows = tuple(x.shape)[:-1]
        sizes = [f.shape[0 if adjoint else 1] for f in self.factors]
        for i in range(len(sizes)):
            x = _factors.apply_on_device(self.factors[i], x, sizes, i, adjoint)
            sizes[i] = self.factors[i].shape[1 if adjoint else 0]
        return x.reshape((*rows, math.prod(sizes)))

    def solve(self, b: ArrayLike, **options: Any) -> np.ndarray:
        """Solution of ``A x = b``, factor by factor.

        Parameters
        ----------
        b : (n,) or (n, k) array_like
            Right-hand sides.
        **options
            Passed on to ``solve`` of the factors that are operators; not ``full_output``.

        Returns
        -------
        x : ndarray
            Of the shape of `b` and the common dtype.

        Raises
        ------
        ValueError
            If a factor is not square, or `b` has another length or is not finite.
        numpy.linalg.LinAlgError
            If a factor is singular, or its reciprocal condition number is below the machine
            epsilon of the result; the message names the factor, counted from 0.

        Notes
        -----
        Dense factors are decomposed once for each precision (Cholesky for Hermitian positive
        definite ones, else pivoted LU) and kept. As every mode is solved backward stably, so is
        the whole: ‖A x − b‖ is of the order of epsilon times ∏‖Aᵢ‖ ‖x‖.
        """
        sizes = _factors.check_square_factors(self.factors, "solve")
        if "full_output" in options:
            raise TypeError("solve of a Kronecker product has no option full_output")
        b = check_rhs(b, self.shape[0], self.dtype)
        if not b.size:
            return b.copy()
        x = b.reshape(*sizes, -1)
        for i in range(len(sizes)):
            x = _factors.apply_columns(self._solver(i, b.dtype, options), x, i)
        return np.ascontiguousarray(x).reshape(b.shape).astype(b.dtype, copy=False)

    def _solver(self, i, dtype, options):
        """The function that solves with factor i for columns."""
        factor, name = self.factors[i], f"factor {i}"
        if _factors.owns(factor, "solve"):

            def run(columns):
                try:
                    return factor.solve(columns, **options)
                except np.linalg.LinAlgError as error:
                    raise np.linalg.LinAlgError(f"{name}: {error}") from error

            return run
        key = i, _factors.precision(dtype).char
        if key not in self._solvers:
            matrix = _factors.dense(factor)
            matrix = matrix.astype(
                np.result_type(matrix.dtype, _factors.precision(dtype)), copy=False
            )
            self._solvers[key] = _factors.dense_solver(matrix, name)
        return self._solvers[key]

    def slogdet(self) -> tuple[Any, float]:
        """Sign (or phase) of the determinant and the logarithm of its magnitude.

        For factors of orders nᵢ and N = ∏nᵢ the logarithm is Σ (N/nᵢ) log|det Aᵢ|.
        """
        sizes = _factors.check_square_factors(self.factors, "slogdet")
        total = math.prod(sizes)
        sign, value = np.result_type(self.dtype, np.float64).type(1), 0.0
        for factor, n in zip(self.factors, sizes, strict=True) if total else ():
            s, log = _factors.slogdet(factor)
            if s == 0:
                return sign * 0, -math.inf
            times = total // n
            # A real sign needs the parity alone; a phase is taken to the power by its angle.
            sign *= s ** (times % 2) if s.imag == 0 else np.exp(1j * times * np.angle(s))
            value += times * float(log)
        return sign, value

    def diagonal(self) -> np.ndarray:
        """The main diagonal, of length min(m, n): the Kronecker product of diagonals if square."""
        if all(f.shape[0] == f.shape[1] for f in self.factors):
            return _factors.outer(
                np.multiply, [_factors.diagonal(f) for f in self.factors], self.dtype
            )
        i = np.arange(min(self.shape))
        if not i.size:
            return np.zeros(0, self.dtype)
        rows = np.unravel_index(i, [f.shape[0] for f in self.factors])
        columns = np.unravel_index(i, [f.shape[1] for f in self.factors])
        parts = (
            _factors.dense(f)[r, c] for f, r, c in zip(self.factors, rows, columns, strict=True)
        )
        return functools.reduce(np.multiply, parts).astype(self.dtype, copy=False)

    def trace(self) -> Any:
        """Sum of the main diagonal: the product of the traces if every factor is square."""
        if any(f.shape[0] != f.shape[1] for f in self.factors):
            return super().trace()
        return math.prod(_factors.trace(f) for f in self.factors)

    def eigvals(self) -> np.ndarray:
        """Products of the factors' eigenvalues, in the order of `numpy.kron`.

        Real where every factor is exactly Hermitian. All factors must be square.
        """
        _factors.check_square_factors(self.factors, "eigvals")
        return _factors.outer(np.multiply, [_factors.eigvals(f) for f in self.factors])

    def to_dense(self) -> np.ndarray:
        """The matrix as an array of shape (m, n)."""
        result = functools.reduce(np.kron, [_factors.dense(f) for f in self.factors])
        return result.astype(self.dtype, copy=len(self.factors) == 1)


class KroneckerSum(_OnModes):
    """Kronecker sum ``A1 ⊕ … ⊕ Ad = Σ I ⊗ … ⊗ Ai ⊗ … ⊗ I`` of square matrices and operators.

    Unknowns are in the order of `numpy.kron`, as for `Kronecker`.

    Parameters
    ----------
    *factors : array_like, sparse matrix or LinearOperator
        One or more square matrices.

    Attributes
    ----------
    factors : tuple
        The factors: read-only copies of arrays, and operators.

    Raises
    ------
    ValueError
        If there is no factor, or one is not square or not finite.
    TypeError
        If the dtype of a factor is not accepted; see `Kronecker`.

    Notes
    -----
    A product costs N Σ nᵢ multiplications for dense factors, N = ∏nᵢ. Solving takes a Hermitian
    eigendecomposition of every factor [1]_, or Schur's if one is not Hermitian [2]_: O(Σnᵢ³) once,
    then O(N Σ nᵢ); operators are made dense for it.

    References
    ----------
    .. [1] R. E. Lynch, J. R. Rice and D. H. Thomas, "Direct solution of partial difference
       equations by tensor product methods", Numerische Mathematik 6, 185-199, 1964.
       :doi:`10.1007/BF01386067`
    .. [2] R. H. Bartels and G. W. Stewart, "Solution of the matrix equation AX + XB = C",
       Communications of the ACM 15, 820-826, 1972. :doi:`10.1145/361573.361582`

    Examples
    --------
    >>> import numpy as np
    >>> from fasttx.structured import KroneckerSum
    >>> second = np.array([[2.0, -1.0], [-1.0, 2.0]])
    >>> laplacian = KroneckerSum(second, second)
    >>> laplacian @ np.ones(4)
    array([2., 2., 2., 2.])
    >>> np.round(laplacian.solve([2.0, 2.0, 2.0, 2.0]), 12)
    array([1., 1., 1., 1.])
    >>> np.round(laplacian.eigvals(), 12)
    array([2., 4., 4., 6.])
    """

    def __init__(self, *factors: ArrayLike | LinearOperator):
        checked = _factors.check_factors(factors)
        self._sizes = _factors.check_square_factors(checked, "KroneckerSum")
        super().__init__(checked, (math.prod(self._sizes),) * 2)

    def _rows(self, x, adjoint):
        dtype = np.result_type(self.dtype, x.dtype)
        if not x.size:
            return np.zeros(x.shape, dtype)
        x, out = _factors.at_least(x, self.dtype), np.zeros(x.shape, dtype)
        for i, factor in enumerate(self.factors):
            part = _factors.apply_factor(factor, x.reshape(-1, *self._sizes), i + 1, adjoint)
            out += part.reshape(x.shape)
        return out

    def solve(self, b: ArrayLike, **options: Any) -> np.ndarray:
        """Solution of ``A x = b`` through eigenvectors or Schur vectors of the factors.

        Parameters
        ----------
        b : (n,) or (n, k) array_like
            Right-hand sides.
        tol : float, optional
            Accepted backward error ‖A x − b‖ / (Σ‖Aᵢ‖ ‖x‖ + ‖b‖) of every column, checked where a
            factor is not Hermitian. Default is 1e-10, in single precision 1e-4.

        Returns
        -------
        x : ndarray
            Of the shape of `b` and the common dtype.

        Raises
        ------
        ValueError
            If `b` has another length or is not finite.
        numpy.linalg.LinAlgError
            If A is singular (an eigenvalue is below max nᵢ machine epsilons times Σ‖Aᵢ‖), the
            backward error is larger than `tol`, or the residual than a tenth of `b`.
        """
        tol = options.pop("tol", None)
        if options:
            raise TypeError(f"unknown options of solve: {', '.join(options)}")
        b = check_rhs(b, self.shape[0], self.dtype)
        if not b.size:
            return b.copy()
        eps = np.finfo(b.dtype).eps
        vectors, triangles, values = self._schur
        lowest, floor = np.abs(values).min(), max(self._sizes) * eps * self._norm
        if lowest <= floor:
            raise np.linalg.LinAlgError(
                f"the Kronecker sum is singular: an eigenvalue has magnitude {lowest:.2e}, "
                f"rounding is {floor:.2e}"
            )
        kind = b.dtype if triangles is None else np.result_type(b.dtype, np.complex128)
        columns = b.reshape(-1, b.size // len(b)).T
        y = _factors.apply_all([v.conj().T for v in vectors], np.ascontiguousarray(columns, kind))
        if triangles is None:
            y /= values.astype(_factors.precision(kind))
        else:
            order = sorted(range(len(self._sizes)), key=lambda i: self._sizes[i])
            y = y.reshape(-1, *self._sizes).transpose(*(i + 1 for i in order), 0)
            y = np.ascontiguousarray(y)
            _factors.back_substitute([triangles[i] for i in order], y, 0.0)
            back = np.argsort(order)
            y = np.ascontiguousarray(y.transpose(-1, *back)).reshape(columns.shape)
        x = _factors.apply_all(vectors, y)
        x = x if b.dtype.kind == "c" else x.real
        x = np.ascontiguousarray(x.T).astype(b.dtype).reshape(b.shape)
        if triangles is not None:
            limit = (1e-10 if eps < 1e-10 else 1e-4) if tol is None else tol
            _factors.check_backward_error(self, x, b, self._norm, limit)
        return x

    @functools.cached_property
    def _norm(self):
        """The sum of the 2-norms of the factors."""
        return sum(np.linalg.norm(_factors.dense(f), 2) for f in self.factors if f.shape[0])

    @functools.cached_property
    def _schur(self):
        """Unitary vectors of every factor, triangles (None if all are diagonal), eigenvalues."""
        matrices = [_factors.in_double(_factors.dense(f)) for f in self.factors]
        if all(_factors.is_hermitian(m) for m in matrices):
            pairs = [np.linalg.eigh(m) for m in matrices]
            return [v for _, v in pairs], None, _factors.outer(np.add, [w for w, _ in pairs])
        forms = [scipy.linalg.schur(m, output="complex") for m in matrices]
        values = _factors.outer(np.add, [np.diagonal(t) for t, _ in forms])
        return [v for _, v in forms], [t for t, _ in forms], values

    def slogdet(self) -> tuple[Any, float]:
        """Sign (or phase) of the determinant and the logarithm of its magnitude, by eigenvalues."""
        values = _factors.outer(np.add, [_factors.eigvals(f, double=True) for f in self.factors])
        size = np.abs(values)
        if not size.all():
            return np.result_type(self.dtype, np.float64).type(0), -math.inf
        if self.dtype.kind == "c":
            sign = np.exp(1j * np.angle(values).sum())
        else:  # eigenvalues that are not real come in conjugate pairs
            sign = np.float64(1 - 2 * (np.count_nonzero(values.real < 0) % 2))
        return sign, float(np.log(size).sum())

    def diagonal(self) -> np.ndarray:
        """The main diagonal."""
        return _factors.outer(np.add, [_factors.diagonal(f) for f in self.factors], self.dtype)

    def trace(self) -> Any:
        """Sum of the main diagonal: Σ (N/nᵢ) tr Aᵢ."""
        n = self.shape[0]
        parts = zip(self.factors, self._sizes, strict=True)
        return sum(n // size * _factors.trace(f) for f, size in parts) if n else 0.0

    def eigvals(self) -> np.ndarray:
        """Sums of the factors' eigenvalues, in the order of `numpy.kron`.

        Real where every factor is exactly Hermitian.
        """
        return _factors.outer(np.add, [_factors.eigvals(f) for f in self.factors])

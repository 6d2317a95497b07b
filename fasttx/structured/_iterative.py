"""Conjugate gradients and GMRES for structured systems, preconditioned by circulants."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import fft

from ..transforms.circular import CircularFilter
from ._base import BLOCK_BYTES

Rows = Callable[[np.ndarray], np.ndarray]
RESTART = 60
# A residual of that part of b is none that an ill-conditioned matrix leaves.
_LARGE = 0.1
_MOST_REFINEMENTS = 3


@dataclasses.dataclass(frozen=True)
class SolveInfo:
    """What a solver did.

    Attributes
    ----------
    method : str
        The method that gave the solution.
    iterations : int
        Iterations of the column that took most, with refinement; 0 for a direct method.
    residual : (k,) ndarray
        Backward error ``‖Ax − b‖ / (‖A‖ ‖x‖ + ‖b‖)`` of every column.
    preconditioner : str or None
        ``"strang"``, ``"chan"``, ``"embedding"``, ``"grid"`` or None.
    """

    method: str
    iterations: int
    residual: np.ndarray
    preconditioner: str | None


def default_tol(dtype, tol: float | None) -> float:
    """`tol`, or 1e-10 in double and 1e-5 in single precision.

    The products by FFT in single precision have errors of some 1e-7 to 1e-6 of ‖A‖ ‖x‖.
    """
    if tol is None:
        return 1e-5 if np.finfo(dtype).eps > 1e-10 else 1e-10
    if not (np.isfinite(tol) and tol > 0):
        raise ValueError(f"tol must be positive; got {tol}")
    return float(tol)


def check_maxiter(maxiter: int | None, default: int) -> int:
    """Most iterations."""
    if maxiter is None:
        return default
    if maxiter < 1:
        raise ValueError(f"maxiter must be at least 1; got {maxiter}")
    return int(maxiter)


def working_dtype(dtype, tol: float) -> np.dtype:
    """Precision of the iterations: single only where `tol` can be reached in it."""
    return np.dtype(dtype) if tol >= 1e-5 else np.result_type(dtype, np.float64)


def backward_errors(residual, x, b, norm: float) -> np.ndarray:
    """Backward errors of rows; zero where the residual vanishes."""
    size = np.linalg.norm(residual, axis=1).astype(np.float64)
    allowed = norm * np.linalg.norm(x, axis=1) + np.linalg.norm(b, axis=1)
    return np.divide(size, allowed, out=np.zeros_like(size), where=size != 0)


def norm_lower_bound(product: Rows, adjoint: Rows, n: int, steps: int = 6) -> float:
    """A lower bound of ‖A‖, close to it: the largest growth seen in the power method on AᴴA."""
    x = np.random.default_rng(0).standard_normal((1, n))
    bound = 0.0
    for _ in range(steps):
        size = np.linalg.norm(x)
        if size == 0:
            break
        y = product(np.ascontiguousarray(x / size))
        bound = max(bound, float(np.linalg.norm(y)))
        x = adjoint(y)
    return bound


def circulant_column(t: np.ndarray, kind: str) -> np.ndarray:
    """First column of a (multilevel) circulant near the Toeplitz matrix with the lags `t`.

    "strang" copies the central lags, "chan" gives the nearest circulant in the Frobenius norm,
    whose eigenvalues are values ``vᴴ T v`` at unit Fourier vectors v.
    """
    for axis in range(t.ndim):
        n = (t.shape[axis] + 1) // 2
        k = np.arange(n)
        if kind == "strang":
            weights = np.where(2 * k < n, 1.0, np.where(2 * k == n, 0.5, 0.0))
        else:
            weights = (n - k) / n
        shape = (-1,) + (1,) * (t.ndim - 1 - axis)
        head = (slice(None),) * axis
        lower, upper = t[(*head, slice(n - 1, None))], t[(*head, slice(0, n - 1))]
        column = lower * weights.reshape(shape)
        column[(*head, slice(1, None))] += upper * (1 - weights[1:]).reshape(shape)
        t = column
    return t


class CirculantPreconditioner:
    """The inverse of a (multilevel) circulant, or a power of it, on rows.

    `column` is its first column, of the shape of the grid, in double precision.
    """

    def __init__(self, column: np.ndarray, kind: str, hermitian: bool, workers=None):
        self.kind, self.shape, self.workers = kind, column.shape, workers
        self.real = column.dtype.kind != "c"
        values = fft.fftn(column)
        self.values = values.real.copy() if hermitian else values
        self._powers: dict[Any, Any] = {}

    @property
    def positive(self) -> bool:
        """Whether all eigenvalues are positive beyond rounding errors."""
        values = self.values
        floor = 16 * np.finfo(np.float64).eps * np.abs(values).max()
        return values.dtype.kind != "c" and bool(values.min() > floor)

    @property
    def regular(self) -> bool:
        """Whether the circulant is far enough from singular to precondition."""
        size = np.abs(self.values)
        return bool(size.min() > 1e-12 * size.max())

    def __call__(self, rows: np.ndarray, power: float = -1.0) -> np.ndarray:
        n = self.values.size
        real = self.real and rows.dtype.kind != "c"
        key = power, real, np.result_type(rows, np.complex64)
        line = len(self.shape) == 1 and n > 1 and n & (n - 1) == 0
        if key not in self._powers:
            values = self.values**power
            if line:
                kernel = fft.ifft(values)
                kind = np.result_type(rows, np.float32 if self.real else np.complex64)
                kernel = (kernel.real if self.real else kernel).astype(kind)
                self._powers[key] = CircularFilter(kernel)
            else:
                last = self.shape[-1] // 2 + 1 if real else self.shape[-1]
                values = np.ascontiguousarray(values[..., :last])
                kind = np.zeros(0, key[2]).real.dtype if values.dtype.kind != "c" else key[2]
                self._powers[key] = values.astype(kind)
        stored = self._powers[key]
        if line:
            return stored(rows, workers=self.workers)
        axes = tuple(range(1, len(self.shape) + 1))
        grid = rows.reshape(-1, *self.shape)
        if real:
            spectrum = fft.rfftn(grid, axes=axes)
            spectrum *= stored
            out = fft.irfftn(spectrum, self.shape, axes=axes, overwrite_x=True)
        else:
            out = fft.ifftn(fft.fftn(grid, axes=axes) * stored, axes=axes, overwrite_x=True)
        return out.reshape(len(rows), n)


class EmbeddedPreconditioner(CirculantPreconditioner):
    """A block of the inverse of Strang's circulant on a grid a quarter longer along each axis.

    Kernels on grids of two and more dimensions have much boundary, which a circulant of the size
    of the grid gets wrong: it takes a third fewer iterations with the opposite sides apart.
    """

    def __init__(self, t: np.ndarray, workers=None):
        self.inner: Any = (slice(None),)
        for axis, size in enumerate(t.shape):
            n = (size + 1) // 2
            points = min(fft.next_fast_len(n + n // 4, True), size)
            k = np.arange(points)
            lag = np.where(2 * k <= points, k, k - points)
            mirror = np.where(2 * k == points, -lag, lag)
            t = (t.take(lag + n - 1, axis) + t.take(mirror + n - 1, axis)) / 2
            self.inner += (slice(0, n),)
        super().__init__(t, "embedding", True, workers)

    def __call__(self, rows: np.ndarray, power: float = -1.0) -> np.ndarray:
        wide = np.zeros((len(rows), *self.shape), rows.dtype)
        block = wide[self.inner]
        block[...] = rows.reshape(block.shape)
        out = super().__call__(wide.reshape(len(rows), -1), power).reshape(wide.shape)
        return out[self.inner].reshape(rows.shape)


def choose_preconditioner(t, hermitian: bool, workers=None) -> CirculantPreconditioner | None:
    """Strang's circulant, T. Chan's where that is not positive definite (singular), or None."""
    t = t.astype(np.result_type(t, np.float64), copy=False)
    for kind in ("strang", "chan"):
        found = CirculantPreconditioner(circulant_column(t, kind), kind, hermitian, workers)
        if found.positive if hermitian else found.regular:
            return found
    return None


def _dots(x, y):
    """Real parts of the inner products of rows."""
    if len(x) == 1:
        return np.array([np.vdot(x[0], y[0]).real], np.float64)
    return np.einsum("ij,ij->i", x.conj(), y).real.astype(np.float64)


def conjugate_gradients(product: Rows, precondition: Rows, b, norm: float, tol, maxiter: int):
    """Preconditioned conjugate gradients on rows, each with its own steps.

    Returns the rows, the iterations and what stopped it: "" or a reason. A row is left where its
    backward error, by the recursion for its residual, is at most `tol`.
    """
    x = np.zeros_like(b)
    active = np.arange(len(b))
    sizes = np.sqrt(_dots(b, b))
    active = active[sizes > 0]
    if active.size == 0:
        return x, 0, ""
    sizes = sizes[active]
    r, y = b[active].copy(), x[active].copy()
    z = precondition(r)
    p, rho = z.copy(), _dots(r, z)
    reason = f"{maxiter} iterations were not enough"
    best, last = np.inf, 0
    for count in range(1, maxiter + 1):
        q = product(p)
        curvature = _dots(p, q)
        if not ((curvature > 0).all() and (rho > 0).all()):
            reason = "the matrix is not positive definite"
            break
        step = (rho / curvature).astype(r.real.dtype)[:, None]
        y += step * p
        r -= step * q
        left = np.sqrt(_dots(r, r))
        ratio = left / (norm * np.sqrt(_dots(y, y)) + sizes)
        done = ratio <= tol
        if done.any():
            x[active[done]] = y[done]
            keep = ~done
            active, sizes, rho = active[keep], sizes[keep], rho[keep]
            r, y, p, ratio = r[keep], y[keep], p[keep], ratio[keep]
            if active.size == 0:
                return x, count, ""
        worst = float(ratio.max())
        if worst < 0.9 * best or done.any():
            best, last = worst, count
        elif count - last > 500:
            reason = "the residual does not fall any more"
            break
        z = precondition(r)
        new = _dots(r, z)
        p *= (new / rho).astype(r.real.dtype)[:, None]
        p += z
        rho = new
    x[active] = y
    return x, count, reason


def gmres(product: Rows, precondition: Rows, b, norm: float, tol, maxiter: int):
    """Restarted GMRES with the preconditioner on the right, row by row; as above."""
    x = np.zeros_like(b)
    most, reason = 0, ""
    for i in range(len(b)):
        row, count, why = _gmres_row(product, precondition, b[i : i + 1], norm, tol, maxiter)
        x[i], most, reason = row[0], max(most, count), reason or why
    return x, most, reason


def _gmres_row(product, precondition, b, norm, tol, maxiter):
    x, r, count, before = np.zeros_like(b), b, 0, np.inf
    size = float(np.linalg.norm(b))
    if size == 0:
        return x, 0, ""
    n, steps = b.shape[1], min(RESTART, maxiter, b.shape[1])
    basis = np.zeros((steps + 1, n), b.dtype)
    while count < maxiter:
        left = float(np.linalg.norm(r))
        if left <= tol * (norm * float(np.linalg.norm(x)) + size):
            return x, count, ""
        if not left < 0.99 * before:
            return x, count, "GMRES does not converge"
        before = left
        h = np.zeros((steps + 1, steps), np.result_type(b, np.float64))
        basis[0] = r[0] / left
        start = np.zeros(steps + 1, h.dtype)
        start[0] = left
        aim = 0.5 * tol * (norm * float(np.linalg.norm(x)) + size)
        for j in range(steps):
            count += 1
            w = product(precondition(basis[j : j + 1]))[0]
            v = basis[: j + 1]
            for _ in range(2):  # Gram and Schmidt twice
                part = v.conj() @ w
                w = w - part @ v
                h[: j + 1, j] += part
            h[j + 1, j] = np.linalg.norm(w)
            inner = h[: j + 2, : j + 1]
            y = np.linalg.lstsq(inner, start[: j + 2], rcond=None)[0]
            if abs(h[j + 1, j]) <= np.finfo(b.dtype).eps * np.abs(h[: j + 2, j]).max():
                break
            if np.linalg.norm(inner @ y - start[: j + 2]) <= aim or count >= maxiter:
                break
            basis[j + 1] = w / h[j + 1, j].real
        change = (y.astype(b.dtype) @ basis[: len(y)])[None]
        x = x + precondition(np.ascontiguousarray(change))
        r = b - product(x)
    left = float(np.linalg.norm(r))
    done = left <= tol * (norm * float(np.linalg.norm(x)) + size)
    return x, count, "" if done else f"{maxiter} iterations were not enough"


def refined(solve, residual, rows, norm: float, tol: float):
    """Rows by `solve(b) -> x, iterations, reason`, refined where their true residual asks for it.

    `residual(b, x)` gives b − A x. Returns rows, iterations, backward errors and a reason.
    """
    x, count, reason = solve(rows)
    left = residual(rows, x)
    errors = backward_errors(left, x, rows, norm)
    for _ in range(_MOST_REFINEMENTS):
        bad = np.flatnonzero(~(errors <= tol))
        if bad.size == 0 or reason or not np.isfinite(errors).all():
            break
        change, more, reason = solve(np.ascontiguousarray(left[bad]))
        count += more
        better = x[bad] + change
        new_left = residual(rows[bad], better)
        new = backward_errors(new_left, better, rows[bad], norm)
        gained = new < errors[bad]
        if not gained.any():
            break
        bad = bad[gained]
        x[bad], left[bad], errors[bad] = better[gained], new_left[gained], new[gained]
    return x, count, errors, reason


class Attempt:
    """Solve the columns of `b` by methods in turn until each block reaches `tol`.

    `methods` are pairs of a name and a function ``rows -> x, iterations, reason``, which may raise
    `LinAlgError`; `product` acts on rows and gives the residuals.
    """

    def __init__(self, product: Rows, norm: float, tol: float, work, preconditioner):
        self.product, self.norm, self.tol = product, norm, tol
        self.work, self.preconditioner = np.dtype(work), preconditioner

    def run(self, b: np.ndarray, methods) -> tuple[np.ndarray, SolveInfo]:
        columns = b.reshape(b.shape[0], -1)
        out = np.empty(columns.shape, b.dtype)
        n, k = columns.shape
        errors, used, most = np.zeros(k), methods[0][0], 0
        step = max(1, BLOCK_BYTES // (4 * max(1, n) * self.work.itemsize))
        for start in range(0, k, step):
            block = slice(start, start + step)
            rows = np.ascontiguousarray(columns[:, block].T, self.work)
            x, errors[block], count, used = self._block(rows, methods, b.dtype)
            most = max(most, count)
            out[:, block] = x.T
        shown = self.preconditioner if used in ("pcg", "gmres") else None
        return out.reshape(b.shape), SolveInfo(used, most, errors, shown)

    def _block(self, rows, methods, dtype):
        # A row may be outside the range of squares of its precision: norms want it near 1.
        scale = np.abs(rows).max(axis=1, initial=0.0)
        scale = np.where(scale > 0, np.ldexp(1.0, np.frexp(scale)[1] - 1), 1.0)[:, None]
        rows = rows / scale.astype(rows.real.dtype)
        double = np.result_type(rows, np.float64)

        def residual(b, x):
            # In double precision, so that single precision can be refined.
            return (b - self.product(x.astype(double, copy=False))).astype(b.dtype, copy=False)

        failures = []
        for name, solve in methods:
            try:
                with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
                    x, count, errors, reason = refined(solve, residual, rows, self.norm, self.tol)
            except np.linalg.LinAlgError as error:
                failures.append(f"{name}: {error}")
                continue
            with np.errstate(over="ignore", invalid="ignore"):
                result = x.astype(dtype, copy=False)
                if result.dtype != x.dtype:
                    errors = backward_errors(residual(rows, result), result, rows, self.norm)
            figure = float(np.max(errors))
            text = f"the backward error reached is {figure:.1e}, tol is {self.tol:.1e}"
            if (errors <= self.tol).all():
                sizes = np.linalg.norm(rows, axis=1)
                left = errors * (self.norm * np.linalg.norm(x, axis=1) + sizes)
                if (left <= _LARGE * sizes).all():
                    return result * scale.astype(result.real.dtype), errors, count, name
                # A small error of a huge x, which solves the system hardly better than zero does.
                text = "the matrix is singular to working precision: b is not reached"
            failures.append(f"{name}: {text}" + (f" ({reason})" if reason else ""))
        raise np.linalg.LinAlgError("no solution reached tol; " + "; ".join(failures))

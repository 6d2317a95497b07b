"""Oracles and checks for tests: slow, direct, and independent of the fast loops."""

import numpy as np

__all__ = ["dottest", "naive_fwht", "naive_mobius", "naive_zeta"]


def naive_fwht(x, axis=-1):
    """Walsh-Hadamard transform by its definition, for n = 2**p in natural order.

    ``X[k] = sum_j (-1)**<k, j> x[j]``, summed in long double (int64 for integers): n**2 operations.
    """
    return _by_matrix(lambda k, j: 1 - 2 * (np.bitwise_count(k & j) & 1).astype(np.int64), x, axis)


def naive_zeta(x, axis=-1):
    """Sums over subsets by their definition: n**2 operations."""
    return _by_matrix(lambda k, j: ((k & j) == j).astype(np.int64), x, axis)


def naive_mobius(x, axis=-1):
    """Moebius transform over subsets by its definition: n**2 operations."""

    def signs(k, j):
        return ((k & j) == j) * (1 - 2 * (np.bitwise_count(k ^ j) & 1).astype(np.int64))

    return _by_matrix(signs, x, axis)


def _by_matrix(entry, x, axis):
    x = np.moveaxis(np.asarray(x), axis, -1)
    if x.dtype.kind in "bui":
        x = x.astype(np.int64)
    else:
        x = x.astype(np.clongdouble if x.dtype.kind == "c" else np.longdouble)
    j = np.arange(x.shape[-1])
    rows = [(x * entry(k, j)).sum(axis=-1) for k in range(x.shape[-1])]
    return np.moveaxis(np.stack(rows, axis=-1), -1, axis)


def dottest(forward, adjoint, shape, *, dtype=np.float64, rtol=None, rng=None) -> None:
    """Check that two linear functions are adjoint: <A x, y> = <x, Aᴴ y> for random x and y.

    Parameters
    ----------
    forward, adjoint : callable
        Functions of one array.
    shape : tuple of int
        Shape of x.
    dtype : dtype, optional
        float32, float64, complex64 or complex128.
    rtol : float, optional
        Accepted difference relative to ‖A x‖ ‖y‖; default 100 machine epsilons.
    rng : seed or numpy.random.Generator, optional
        Random state.

    Raises
    ------
    AssertionError
        If the two sides differ by more, with both.

    Examples
    --------
    >>> import fasttx
    >>> from fasttx.testing import dottest
    >>> dottest(fasttx.fwht, lambda y: fasttx.ifwht(y, norm="forward"), (12,), rng=1)
    """
    rng = np.random.default_rng(rng)

    def random(shape):
        x = rng.standard_normal(shape)
        if np.dtype(dtype).kind == "c":
            x = x + 1j * rng.standard_normal(shape)
        return x.astype(dtype)

    x = random(shape)
    image = forward(x)
    y = random(image.shape)
    left = np.vdot(y.astype(np.clongdouble), image.astype(np.clongdouble))
    right = np.vdot(adjoint(y).astype(np.clongdouble), x.astype(np.clongdouble))
    size = np.linalg.norm(image.astype(complex)) * np.linalg.norm(y.astype(complex))
    tolerance = 100 * np.finfo(dtype).eps if rtol is None else rtol
    if not abs(left - right) <= tolerance * size:
        raise AssertionError(f"<A x, y> = {left}, <x, A^H y> = {right}: not adjoint")

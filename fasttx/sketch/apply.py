"""One call for the sketch of a matrix."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
import scipy.sparse

from .. import _threads
from .._array import check_axis, is_device_array
from ._make import METHODS, automatic, make, seed_from
from ._operators import as_csr, as_floats

DOUBLE = ("float64", "complex64", "complex128")  # for which random matrices are float64


def sketch(
    A: Any,
    k: int,
    axis: int = 0,
    *,
    method: str = "auto",
    rng: Any = None,
    workers: int | None = None,
) -> Any:
    """Random sketch of a matrix: one of its dimensions reduced to `k`.

    With ``axis=0`` the rows are combined, S @ A; with ``axis=1`` the columns, A @ S.T. S is random
    with E[S.T @ S] = I, so that lengths and inner products along the axis are kept on average.

    Parameters
    ----------
    A : array_like, SciPy sparse array or device array, shape (n, d)
        float32 and float64, real or complex, keep their dtype; float16 gives float32, and integers
        give float64. C- and Fortran-contiguous arrays are not copied. On a device there are
        float16, bfloat16, float32, float64, complex64 and complex128, and C-contiguous arrays are
        not copied.
    k : int
        Length of the axis afterwards, at most what it is.
    axis : {0, 1}, optional
        The axis to reduce.
    method : {"auto", "srht", "fjlt", "countsketch", "sparse-sign", "gaussian"}, optional
        What S is; see `SRHT`, `FJLT`, `CountSketch`, `SparseSign` and `GaussianSketch`. "auto"
        takes "countsketch" for sparse matrices, and for dense ones "gaussian" for so small
        k (16 for axis 0, 8 for axis 1) that the BLAS takes less time than the transform of "srht",
        else the latter. On a device, where there is no "gaussian", it takes "srht".
    rng : int, numpy.random.Generator or None, optional
        Random state.
    workers : int, optional
        Number of threads, as for `fasttx.fwht`; the result's bits do not depend on it. The products
        of "gaussian" are the BLAS's, which has threads of its own.

    Returns
    -------
    ndarray or device array of shape (k, d) or (n, k)
        Random choices are the same for `rng` on the host and on a device.

    Raises
    ------
    ValueError
        If `k` is not between 1 and the length of the axis, or if there are NaN or infinities; on a
        device these are not looked for, and come through to the result.
    NotImplementedError
        If `method` is "gaussian" and `A` is on a device.

    Notes
    -----
    For a dense (n, d) array the cost of reducing d is n·d·log2(d) for "srht", n·d for
    "countsketch", 8·n·d for "sparse-sign" and 2·n·d·k for "gaussian".

    Examples
    --------
    >>> import numpy as np
    >>> from fasttx.sketch import sketch
    >>> A = np.random.default_rng(0).standard_normal((1000, 20))
    >>> B = sketch(A, 200, rng=1)
    >>> B.shape, np.linalg.cond(A).round(2), np.linalg.cond(B).round(2)
    ((200, 20), np.float64(1.3), np.float64(1.85))
    """
    sparse, on_device = scipy.sparse.issparse(A), is_device_array(A)
    if on_device:
        from .._cuda import sketch as device

        given = device.check(A)
        shape, double = given.shape, given.dtype in DOUBLE
    else:
        A = as_csr(A) if sparse else as_floats(A)
        shape, double = A.shape, A.dtype != np.float32
    axis = check_axis(axis, 2)
    d, k = shape[axis], operator.index(k)
    if not 1 <= k <= d:
        raise ValueError(f"k must be between 1 and {d}, the length of axis {axis}; got {k}")
    if method == "auto":
        method = "srht" if on_device else "countsketch" if sparse else automatic(k, axis)
    if method not in METHODS:
        raise ValueError(f"method must be one of {('auto', *METHODS)}; got {method!r}")
    if workers is not None:
        _threads.check_workers(workers)
    dtype = np.float64 if double else np.float32
    generator = np.random.default_rng(rng)
    if axis == 0:
        seed_from(generator)  # rows and columns have random numbers of their own
    S = make(method, d, k, generator, dtype, workers)
    if on_device:
        return S.rows(A) if axis else S.columns(A)
    with np.errstate(invalid="ignore"):
        B = S.rows(A) if axis else S.columns(A)
    # Whatever is not finite comes through to some entry of the result, or to all that it can.
    seen = B[:, :1] if axis else B[:1]
    if (
        not np.isfinite(seen if S.dense else B).all()
        and not np.isfinite(A.data if sparse else A).all()
    ):
        raise ValueError("A contains NaN or infinity")
    return B

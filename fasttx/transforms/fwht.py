"""The fast Walsh-Hadamard transform, with the conventions of ``scipy.fft``."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .. import _array, _threads
from . import _host
from .hadamard import base_matrix, split_length
from .orders import check_order

# What transforms few contiguous rows of a dtype at the least cost of a call; filled at first use.
_FAST: dict[np.dtype, Callable | None] = {}


def fwht(
    x: ArrayLike,
    n: int | None = None,
    axis: int = -1,
    norm: str | None = None,
    *,
    order: str = "hadamard",
    overwrite_x: bool = False,
    workers: int | None = None,
) -> Any:
    """Walsh-Hadamard transform along one axis.

    ``X[k] = sum_j H[k, j] x[j]`` with the ±1 matrix H = ``hadamard(n)``; for n = 2**p this is
    ``X[k] = sum_j (-1)**<k, j> x[j]``, <k, j> the number of common one bits of k and j.

    Parameters
    ----------
    x : array_like
        float32, float64, complex64 and complex128 keep their dtype; float16 and
        ``ml_dtypes.bfloat16`` too, computed in float32. Bool and integers give exact int64.
    n : int, optional
        Length of the transform: `x` is cropped, or padded with zeros. Supported are
        m * 2**p with the base orders m of `next_hadamard_len`. Default is the axis's length.
    axis : int, optional
        Axis to transform; default is the last.
    norm : {None, "backward", "ortho", "forward"}, optional
        Factor of the result: none (default, and "backward"), 1/sqrt(n), or 1/n. The last two give
        float64 for integers.
    order : {"hadamard", "sequency", "dyadic"}, optional
        Order of the result, see `hadamard_permutation`. Other than "hadamard" needs n = 2**p.
    overwrite_x : bool, optional
        If True, the result may take the place of `x`: it does, whatever the strides, if `x` is a
        writable array whose dtype and shape are the result's. Scratch is then at most 2 MB a
        thread, but one row where float16 or bfloat16 rows are longer than 2**17 (in float32), or
        where `order` is not "hadamard" and a row has more than 1 MB. An error for arrays of JAX on
        a device.
    workers : int, optional
        Number of threads. By default one for less than 2**17 elements, else as many as the process
        has cores, within ``fasttx.threads(k)`` at most k. The result's bits do not depend on it.

    Returns
    -------
    out : ndarray or device array
        The transform, of the kind that came in.

    Raises
    ------
    ValueError
        If the length is not supported, or an argument is not one of the accepted.
    TypeError
        If the dtype is not numeric or not one of the above, or `x` is traced by JAX.
    OverflowError
        If the result of integers might exceed int64: if the largest sum of magnitudes along the
        axis does.

    See Also
    --------
    ifwht : The inverse.
    fwhtn : Several axes.
    fasttx.jit.fwht : The same loops for compiled code.

    Notes
    -----
    n log2(n) additions for n = 2**p and at most m/4 more a point for a base order m. The relative
    error in the 2-norm is bounded by log2(n) units of roundoff and grows like their square root.

    References
    ----------
    .. [1] B. J. Fino and V. R. Algazi, "Unified matrix treatment of the fast Walsh-Hadamard
       transform", IEEE Transactions on Computers C-25, 1142-1146, 1976.
       :doi:`10.1109/TC.1976.1674569`

    Examples
    --------
    >>> import fasttx
    >>> fasttx.fwht([1, 0, 1, 0, 0, 1, 1, 0])
    array([ 4,  2,  0, -2,  0,  2,  0,  2])
    >>> fasttx.fwht([[1.0, 2.0], [3.0, 4.0]], axis=0, norm="ortho")
    array([[ 2.82842712,  4.24264069],
           [-1.41421356, -1.41421356]])
    """
    if norm is None and n is None and (workers is None or workers == 1) and order == "hadamard":
        result = _short_cut(x, axis, overwrite_x)
        if result is not None:
            return result
    return _along_axes(x, n, axis, norm, order, overwrite_x, workers, False)


def ifwht(
    x: ArrayLike,
    n: int | None = None,
    axis: int = -1,
    norm: str | None = None,
    *,
    order: str = "hadamard",
    overwrite_x: bool = False,
    workers: int | None = None,
) -> Any:
    """Inverse Walsh-Hadamard transform along one axis.

    ``ifwht(fwht(x, norm=norm, order=order), norm=norm, order=order)`` is `x` up to rounding: the
    matrix is the transpose of ``hadamard(n)``, with the factor 1/n for `norm` None or "backward",
    1/sqrt(n) for "ortho" and none for "forward".

    Parameters and errors are those of `fwht`, except that integers give float64.

    Returns
    -------
    out : ndarray or device array

    Examples
    --------
    >>> import fasttx
    >>> fasttx.ifwht(fasttx.fwht([1.0, 2.0, 3.0, 4.0]))
    array([1., 2., 3., 4.])
    """
    return _along_axes(x, n, axis, norm, order, overwrite_x, workers, True)


def fwht2(
    x: ArrayLike,
    s: int | Sequence[int] | None = None,
    axes: int | Sequence[int] | None = (-2, -1),
    norm: str | None = None,
    *,
    order: str = "hadamard",
    overwrite_x: bool = False,
    workers: int | None = None,
) -> Any:
    """Walsh-Hadamard transform along two axes, the last two by default; see `fwhtn`."""
    return fwhtn(x, s, axes, norm, order=order, overwrite_x=overwrite_x, workers=workers)


def ifwht2(
    x: ArrayLike,
    s: int | Sequence[int] | None = None,
    axes: int | Sequence[int] | None = (-2, -1),
    norm: str | None = None,
    *,
    order: str = "hadamard",
    overwrite_x: bool = False,
    workers: int | None = None,
) -> Any:
    """Inverse Walsh-Hadamard transform along two axes, the last two by default; see `ifwhtn`."""
    return ifwhtn(x, s, axes, norm, order=order, overwrite_x=overwrite_x, workers=workers)


def fwhtn(
    x: ArrayLike,
    s: int | Sequence[int] | None = None,
    axes: int | Sequence[int] | None = None,
    norm: str | None = None,
    *,
    order: str = "hadamard",
    overwrite_x: bool = False,
    workers: int | None = None,
) -> Any:
    """Walsh-Hadamard transform along several axes.

    Parameters
    ----------
    x : array_like
        As for `fwht`.
    s : int or sequence of ints, optional
        Lengths along the axes: cropped, or padded with zeros. Default are the axes' own.
    axes : int or sequence of ints, optional
        Axes to transform, each once. Default are the last ``len(s)``, or all.
    norm, order, overwrite_x, workers
        As for `fwht`; the factor of `norm` is that of the number of points in all.

    Returns
    -------
    out : ndarray

    Examples
    --------
    >>> import fasttx, numpy as np
    >>> fasttx.fwhtn(np.eye(2))
    array([[2., 0.],
           [0., 2.]])
    """
    return _along_axes(x, s, axes, norm, order, overwrite_x, workers, False, several=True)


def ifwhtn(
    x: ArrayLike,
    s: int | Sequence[int] | None = None,
    axes: int | Sequence[int] | None = None,
    norm: str | None = None,
    *,
    order: str = "hadamard",
    overwrite_x: bool = False,
    workers: int | None = None,
) -> Any:
    """Inverse Walsh-Hadamard transform along several axes; arguments are those of `fwhtn`.

    Examples
    --------
    >>> import fasttx, numpy as np
    >>> fasttx.ifwhtn(fasttx.fwhtn(np.eye(2)))
    array([[1., 0.],
           [0., 1.]])
    """
    return _along_axes(x, s, axes, norm, order, overwrite_x, workers, True, several=True)


def _short_cut(x, axis, overwrite_x):
    """The transform of few contiguous rows, or None: saves 10 microseconds a call."""
    if type(x) is not np.ndarray or (axis != -1 and axis != x.ndim - 1):
        return None
    rows, flags = _FAST.get(x.dtype), x.flags
    if rows is None or not (flags.c_contiguous and flags.writeable and x.ndim):
        return None
    n = x.shape[-1]
    if not 0 < x.size < _threads.SERIAL_BELOW or n & (n - 1):
        return None
    out = x if overwrite_x else _array.empty_like(x)
    return out if rows(x, out, n) else None


def _along_axes(x, s, axes, norm, order, overwrite_x, workers, inverse, several=False):
    """Validate everything, then transform axis by axis."""
    check_order(order)
    _array.norm_factor(norm, 1, inverse)
    if workers is not None:
        _threads.check_workers(workers)
    if _array.is_device_array(x):
        return _on_device(x, s, axes, norm, order, overwrite_x, inverse, several)
    x = _array.as_array(x)
    if several:
        lengths, axes = _array.check_shape_axes(x.shape, s, axes)
    else:
        axes = [_array.check_axis(axes, x.ndim)]
        lengths = [_array.check_length(s, x.shape[axes[0]])]
    for n in lengths:
        split_length(n)
        check_order(order, n)
    points = math.prod(lengths)
    scale = _array.norm_factor(norm, points, inverse)
    for n, axis in zip(lengths, axes, strict=True):
        if n != x.shape[axis]:
            x, overwrite_x = _array.resized(x, n, axis), True
    dtype = x.dtype
    if dtype.kind in "bui":
        dtype = np.dtype(np.float64 if inverse or norm in ("ortho", "forward") else np.int64)
        if dtype.kind == "i":
            _array.check_sums(x, axes, "the transform")
    workers = _threads.resolve(workers, x.size)
    out = _array.output(x, dtype, overwrite_x)
    if not axes and out is not x:
        np.copyto(out, x)
    for axis in axes:
        _host.apply(
            "wht", x, out, axis, scale=scale, order=order, transpose=inverse, workers=workers
        )
        x, scale = out, 1.0
    if out.dtype not in _FAST:
        _FAST[out.dtype] = _host.rows(out.dtype)
    return out


def _on_device(x, s, axes, norm, order, overwrite_x, inverse, several):
    from .._cuda import fwht as device
    from .._cuda import wrap

    given = device.check(x, overwrite_x)
    shape = given.shape
    if several:
        lengths, axes = _array.check_shape_axes(shape, s, axes)
    else:
        axes = [_array.check_axis(axes, len(shape))]
        lengths = [_array.check_length(s, shape[axes[0]])]
    for n in lengths:
        _, levels = split_length(n)
        check_order(order, n)
        if levels > device.MAX_LEVELS:
            raise ValueError(
                f"transforms on a device have at most 2**{device.MAX_LEVELS} points; got n = {n}"
            )
    scale = None
    if inverse or norm in ("ortho", "forward"):  # of integers this makes floats
        scale = _array.norm_factor(norm, math.prod(lengths), inverse)
    if not axes:  # transforms of one point each
        points = (given if given.contiguous else given.compact()).reshape((*shape, 1))
        return wrap(device.fwht(points.array, 1, len(shape), scale)).reshape(shape).array
    for n, axis in zip(lengths, axes, strict=True):
        m, _ = split_length(n)
        base = base_matrix(m) if m > 1 else None
        if inverse and base is not None:
            base = base.T
        y = device.fwht(x, n, axis, scale, order, overwrite_x, base)
        x, scale, overwrite_x = y, None, overwrite_x or y is not x
    return x

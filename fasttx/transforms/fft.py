"""The fast Fourier transform without its bit reversal, with the conventions of ``scipy.fft``.

Two pairs: `fft_unordered` takes samples in order to a spectrum in bit-reversed order, and
`ifft_unordered` takes it back; `fftbr` takes samples in bit-reversed order to a spectrum in order,
and `ifftbr` takes it back. Between the halves of a pair one may multiply: nothing was permuted.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .. import _array, _threads
from .._cpu import fft
from . import _fft_host
from .bit_reversal import check_power

# Loops, tables and scale of contiguous rows, by function, dtype, length and norm.
_PLANS: dict[tuple, tuple] = {}

_COMPLEX: dict[np.dtype, np.dtype] = {
    np.dtype(np.float32): np.dtype(np.complex64),
    np.dtype(np.float64): np.dtype(np.complex128),
}


def fft_unordered(
    x: ArrayLike,
    axis: int = -1,
    norm: str | None = None,
    *,
    overwrite_x: bool = False,
    workers: int | None = None,
) -> Any:
    """Fourier transform along one axis, its result in bit-reversed order.

    ``X[k] = sum_j x[j] exp(-2 pi i j k / n)`` stands at place ``bit_reversal_permutation(n)[k]``.

    Parameters
    ----------
    x : array_like
        Samples in natural order, n = 2**p of them along `axis`. complex64 and complex128 keep their
        dtype; float16, bfloat16 and float32 give complex64; float64, bool and integers complex128.
        On a device n is at most 2**30.
    axis : int, optional
        Axis to transform; default is the last.
    norm : {None, "backward", "ortho", "forward"}, optional
        Factor of the result: none (default, and "backward"), 1/sqrt(n), or 1/n.
    overwrite_x : bool, optional
        If True, the result may take the place of `x`: it does, whatever the strides, if `x` is a
        writable array of the result's dtype. An error for arrays of JAX on a device.
    workers : int, optional
        Number of threads. By default one for less than 2**17 elements, else as many as the process
        has cores, within ``fasttx.threads(k)`` at most k. The result's bits do not depend on it.

    Returns
    -------
    out : ndarray or device array
        The transform, of the shape of `x` and the kind that came in.

    Raises
    ------
    ValueError
        If the length is not a power of two, or an argument is not one of the accepted.
    TypeError
        If the dtype is not one of the above.

    See Also
    --------
    ifft_unordered : The inverse.
    fftbr : From bit-reversed to natural order.
    rfft_unordered : For real samples, at half the cost.

    Notes
    -----
    About 3.5 n log2(n) operations on vectors of numbers: polynomials modulo ``x**n - r`` are split
    into remainders modulo ``x**(n/8) - r_j`` [1]_: one row of twiddles serves a whole block, and
    nothing is reversed. Tables of about n/1000 numbers are kept. The relative error grows
    like the square root of log2(n) and is not above that of ``scipy.fft``.

    References
    ----------
    .. [1] C. M. Fiduccia, "Polynomial evaluation via the division algorithm: the fast Fourier
       transform revisited", Proc. 4th ACM Symposium on Theory of Computing, 88-93, 1972.
       :doi:`10.1145/800152.804900`

    Examples
    --------
    >>> import fasttx, numpy as np
    >>> X = fasttx.fft_unordered([1.0, 2.0, 3.0, 4.0])
    >>> X[fasttx.bit_reversal_permutation(4)]
    array([10.+0.j, -2.+2.j, -2.+0.j, -2.-2.j])
    >>> fasttx.ifft_unordered(X).real
    array([1., 2., 3., 4.])
    """
    return _complex("fft_unordered", "split", -1, x, axis, norm, overwrite_x, workers)


def ifft_unordered(
    x: ArrayLike,
    axis: int = -1,
    norm: str | None = None,
    *,
    overwrite_x: bool = False,
    workers: int | None = None,
) -> Any:
    """Inverse Fourier transform along one axis, of a spectrum in bit-reversed order.

    The inverse of `fft_unordered` with the same `norm`: samples come out in natural order.
    Arguments and errors are those of `fft_unordered`; the factor is 1/n for `norm` None or
    "backward", 1/sqrt(n) for "ortho" and none for "forward".

    Examples
    --------
    >>> import fasttx
    >>> fasttx.ifft_unordered([10, -2, -2 + 2j, -2 - 2j])
    array([1.+0.j, 2.+0.j, 3.+0.j, 4.+0.j])
    """
    return _complex("ifft_unordered", "merge", 1, x, axis, norm, overwrite_x, workers)


def fftbr(
    x: ArrayLike,
    axis: int = -1,
    norm: str | None = None,
    *,
    overwrite_x: bool = False,
    workers: int | None = None,
) -> Any:
    """Fourier transform along one axis, of samples in bit-reversed order.

    ``X[k] = sum_j x[r(j)] exp(-2 pi i j k / n)`` with r the bit reversal: values at the points of a
    lattice in radical-inverse order, say, give their spectrum in natural order. QMCPy's ``fftbr``
    is this with ``norm="ortho"``. Arguments and errors are those of `fft_unordered`.

    Examples
    --------
    >>> import fasttx
    >>> fasttx.fftbr([1.0, 3.0, 2.0, 4.0])
    array([10.+0.j, -2.+2.j, -2.+0.j, -2.-2.j])
    """
    return _complex("fftbr", "merge", -1, x, axis, norm, overwrite_x, workers)


def ifftbr(
    x: ArrayLike,
    axis: int = -1,
    norm: str | None = None,
    *,
    overwrite_x: bool = False,
    workers: int | None = None,
) -> Any:
    """Inverse Fourier transform along one axis, its result in bit-reversed order.

    The inverse of `fftbr` with the same `norm`: it takes a spectrum in natural order to samples in
    bit-reversed order. Arguments and errors are those of `fft_unordered`.

    Examples
    --------
    >>> import fasttx
    >>> fasttx.ifftbr([10, -2 + 2j, -2, -2 - 2j]).real
    array([1., 3., 2., 4.])
    """
    return _complex("ifftbr", "split", 1, x, axis, norm, overwrite_x, workers)


def rfft_unordered(
    x: ArrayLike,
    axis: int = -1,
    norm: str | None = None,
    *,
    overwrite_x: bool = False,
    workers: int | None = None,
) -> Any:
    """Fourier transform of real samples along one axis, packed, in bit-reversed order.

    Of the n = 2**p coefficients ``X[k] = sum_j x[j] exp(-2 pi i j k / n)`` the result holds the n/2
    with k < n/2, coefficient ``unordered_freq(n)[p]`` at place p. X[0] and X[n/2] are real: place 0
    holds ``X[0] + 1j*X[n/2]``.

    Parameters
    ----------
    x : array_like
        Real samples in natural order. float32 (and float16, bfloat16) gives complex64; float64,
        bool and integers give complex128. On a device float32 and float64 are accepted.
    axis, norm, workers
        As for `fft_unordered`.
    overwrite_x : bool, optional
        If True, the result may take the memory of `x`: it does if `x` is a writable float32 or
        float64 array on the host, C-contiguous, transformed along its last axis.

    Returns
    -------
    out : ndarray or device array
        Of the shape of `x`, but half as long along `axis`.

    Raises
    ------
    ValueError
        If the length is not a power of two and at least 2, or an argument not one of the accepted.
    TypeError
        If the dtype is not real.

    Notes
    -----
    The product of two such spectra is the spectrum of the circular convolution, but at place 0
    real and imaginary parts multiply each on their own.

    Examples
    --------
    >>> import fasttx
    >>> fasttx.rfft_unordered([1.0, 2.0, 3.0, 4.0])
    array([10.-2.j, -2.+2.j])
    >>> fasttx.unordered_freq(16)
    array([0, 4, 2, 6, 1, 5, 3, 7])
    """
    return _forward(x, axis, norm, overwrite_x, workers)


def irfft_unordered(
    x: ArrayLike,
    axis: int = -1,
    norm: str | None = None,
    *,
    overwrite_x: bool = False,
    workers: int | None = None,
) -> Any:
    """Real samples along one axis from their packed spectrum in bit-reversed order.

    The inverse of `rfft_unordered` with the same `norm`. The result is twice as long along `axis`
    as `x`, in float32 for complex64 and in float64 otherwise. With `overwrite_x` it may take the
    memory of `x`, as there. On a device complex64 and complex128 are accepted. Errors are those of
    `rfft_unordered`, for lengths 2**p of `x`.

    Examples
    --------
    >>> import fasttx
    >>> fasttx.irfft_unordered([10 - 2j, -2 + 2j])
    array([1., 2., 3., 4.])
    """
    return _backward(x, axis, norm, overwrite_x, workers)


def _complex(name, kind, sign, x, axis, norm, overwrite_x, workers):
    if _array.is_device_array(x):
        return _on_device(name, kind, sign, x, axis, norm, overwrite_x, workers)
    if workers is None or workers == 1:
        plan = _planned(name, x, axis, norm)
        if plan is not None:
            run, table, bits = plan
            out, n = x if overwrite_x else _array.empty_like(x), x.shape[-1]
            if x.ndim > 1:
                run(x.reshape(-1), out.reshape(-1), x.size, n, table, bits, 0, False, fft.ALONE)
            else:
                run(x, out, n, n, table, bits, 0, False, fft.ALONE)
            return out
    scale, x, axis, workers = _checked(x, axis, norm, workers, name[0] == "i", 1)
    out = _array.output(x, _complex_dtype(x.dtype), overwrite_x)
    n = x.shape[axis]
    _fft_host.apply(kind, sign, x, out, axis, scale=scale(n), workers=workers)
    key = name, out.dtype, n, norm
    if 1 < n < _threads.SERIAL_BELOW and key not in _PLANS:
        _PLANS[key] = _fft_host.row_plan(kind, sign, out.dtype, n, scale(n))
    return out


def _on_device(name, kind, sign, x, axis, norm, overwrite_x, workers):
    from .._cuda import fft as device

    inverse = name[0] == "i"
    _array.norm_factor(norm, 1, inverse)
    axis, n = _checked_shape(
        device.check(x, overwrite_x).shape, axis, workers, 1, device.MAX_LEVELS
    )
    scale = _array.norm_factor(norm, n, inverse)
    return device.fft(x, axis, kind == "merge", sign, scale, overwrite_x)


def _real_on_device(x, axis, norm, overwrite_x, workers, inverse):
    from .._cuda import fft_real as device

    _array.norm_factor(norm, 1, inverse)
    shape, most = device.check(x, inverse, overwrite_x).shape, device.MAX_LEVELS
    if inverse:
        axis, n = _checked_shape(shape, axis, workers, 1, most)
        return device.irfft(x, axis, _array.norm_factor(norm, 2 * n, inverse))
    axis, n = _checked_shape(shape, axis, workers, 2, most)
    return device.rfft(x, axis, _array.norm_factor(norm, n, inverse))


def _checked_shape(shape, axis, workers, least, most):
    """The axis of a device array, and its length."""
    if workers is not None:
        _threads.check_workers(workers)
    axis = _array.check_axis(axis, len(shape))
    n = shape[axis]
    check_power(n, least)
    if n > 1 << most:
        raise ValueError(f"transforms on a device have at most 2**{most} points; got n = {n}")
    return axis, n


def _forward(x, axis, norm, overwrite_x, workers):
    """The body of `rfft_unordered`."""
    if _array.is_device_array(x):
        return _real_on_device(x, axis, norm, overwrite_x, workers, False)
    if workers is None or workers == 1:
        plan = _planned("rfft_unordered", x, axis, norm)
        if plan is not None:
            run, tail = plan
            pairs, m = _COMPLEX[x.dtype], x.shape[-1] // 2
            if x.ndim > 1:
                out = x.view(pairs) if overwrite_x else _array.empty_like(x.view(pairs))
                run(x.reshape(-1), out.reshape(-1), m, *tail)
            else:
                if overwrite_x:
                    out = x.view(pairs)
                else:  # aligning few numbers costs more than it gains
                    out = np.empty(m, pairs) if m < 4096 else _array.aligned((m,), pairs)
                run(x, out, m, *tail)
            return out
    scale, x, axis, workers = _checked(x, axis, norm, workers, False, 2)
    if x.dtype.kind == "c":
        raise TypeError(f"rfft_unordered takes real samples; got {x.dtype}, see fft_unordered")
    n = x.shape[axis]
    single = x.dtype == np.float32 or _array.is_half(x.dtype)
    real = np.dtype(np.float32 if single else np.float64)
    pairs = _COMPLEX[real]
    samples = np.ascontiguousarray(np.moveaxis(x, axis, -1), real)
    mine = not np.may_share_memory(samples, x)
    if (mine or overwrite_x) and samples.flags.writeable:
        out = samples.view(pairs)
    else:
        out = _array.aligned((*samples.shape[:-1], n // 2), pairs)
    flat = samples.reshape(-1).view(pairs)
    _fft_host.real_rows("split", flat, out.reshape(-1), n, scale(n), workers)
    if 2 < n < _threads.SERIAL_BELOW:
        key = "rfft_unordered", samples.dtype, n, norm
        _PLANS[key] = _fft_host.real_plan("split", out.dtype, n, scale(n))
    return np.moveaxis(out, -1, axis)


def _backward(x, axis, norm, overwrite_x, workers):
    """The body of `irfft_unordered`."""
    if _array.is_device_array(x):
        return _real_on_device(x, axis, norm, overwrite_x, workers, True)
    if workers is None or workers == 1:
        plan = _planned("irfft_unordered", x, axis, norm)
        if plan is not None:
            run, tail = plan
            out = x if overwrite_x else _array.empty_like(x)
            if x.ndim > 1:
                run(x.reshape(-1), out.reshape(-1), x.shape[-1], *tail)
            else:
                run(x, out, x.size, *tail)
            return out.view(out.real.dtype)
    scale, x, axis, workers = _checked(x, axis, norm, workers, True, 1)
    n = 2 * x.shape[axis]
    dtype = _complex_dtype(x.dtype)
    packed = np.ascontiguousarray(np.moveaxis(x, axis, -1), dtype)
    real = np.dtype(np.float32 if dtype == np.complex64 else np.float64)
    mine = not np.may_share_memory(packed, x)
    if (mine or overwrite_x) and packed.flags.writeable:
        out = packed.view(real)
    else:
        out = _array.aligned((*packed.shape[:-1], n), real)
    flat = out.reshape(-1).view(dtype)
    _fft_host.real_rows("merge", packed.reshape(-1), flat, n, scale(n), workers)
    if 2 < n < _threads.SERIAL_BELOW:
        key = "irfft_unordered", dtype, n // 2, norm
        _PLANS[key] = _fft_host.real_plan("merge", dtype, n, scale(n))
    return np.moveaxis(out, -1, axis)


def _planned(name, x, axis, norm):
    """The plan for few contiguous rows, if there is one: saves 10 microseconds a call."""
    if type(x) is not np.ndarray or not x.ndim or (axis != -1 and axis != x.ndim - 1):
        return None
    flags = x.flags
    if not (flags.c_contiguous and flags.writeable and 0 < x.size < _threads.SERIAL_BELOW):
        return None
    return _PLANS.get((name, x.dtype, x.shape[-1], norm))


def _checked(x, axis, norm, workers, inverse, least):
    """The factor as a function of n, the array, its axis, and the number of threads."""
    _array.norm_factor(norm, 1, inverse)
    if workers is not None:
        _threads.check_workers(workers)
    _array.check_host(x, "the Fourier transform")
    x = _array.as_array(x)
    axis = _array.check_axis(axis, x.ndim)
    check_power(x.shape[axis], least)
    return (
        lambda n: _array.norm_factor(norm, n, inverse),
        x,
        axis,
        _threads.resolve(workers, x.size),
    )


def _complex_dtype(dtype):
    single = dtype in (np.float32, np.complex64) or _array.is_half(dtype)
    return np.dtype(np.complex64 if single else np.complex128)

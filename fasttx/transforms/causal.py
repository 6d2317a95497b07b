"""Long causal convolutions: per-channel filters, whole sequences at once or block by block."""

import functools
import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .. import _array, _threads
from .._cpu import fft, plan
from .circular import CircularFilter

_HOST_ONLY = "frequency-sparse filters are on the host only: pass NumPy arrays, or no keep"


class CausalFilter:
    """Causal convolution with fixed filters, planned once.

    Parameters
    ----------
    h : array_like or device array of shape (taps,) or (channels, taps)
        One filter for all rows, or one for each channel. float32, float64, complex64 or complex128;
        integers give float64. On a device halves too, and there its values are not looked at.
    keep : float or array_like of bool, optional
        Frequency-sparse filters: which blocks of the spectrum to keep; the others are taken to be
        zero and skipped. A float from 0 (excluded) to 1 keeps that share of 32 blocks, those of the
        largest energy in each channel. An array of shape (blocks,) or (channels, blocks), `blocks`
        a power of two up to 128, tells them one by one. Needs `length`, see Notes.
    length : int, optional
        With `keep`, the length of the sequences.

    Attributes
    ----------
    taps, channels : int
        Shape of the filters; `channels` is 0 where one filter serves all rows.
    kept : float
        Share of the spectrum that is kept, 1 without `keep`.

    Notes
    -----
    Zeros at the end of all filters are cut off first and cost nothing. Windows of the transform
    overlap by ``taps - 1`` samples; their length n is chosen for the least work, O(n log n) each.

    Sequences on a device are convolved there, with filters from the host or from that device, in
    one kernel where windows of 2**14 samples are enough (2**13 in double precision, half as many
    complex ones): samples are read once and results written once. Longer windows take three
    kernels. The spectra of the filters are kept on the device; `keep` is for the host only.

    A frequency-sparse filter is one window of n = 2**p >= length + taps - 1 samples. Its spectrum
    consists of the values at n/2 frequencies ``(2 k + 3/2)/n`` cycles a sample (and of their
    conjugates, at the negative ones) for real signals and filters, at n frequencies ``(k + 1/2)/n``
    for complex ones, in bit-reversed order of k: block b of B holds the k whose remainder modulo B
    is b with its bits reversed. What is left of the filter is as long as the window, so the result
    is no longer causal.

    Examples
    --------
    >>> import fasttx
    >>> f = fasttx.CausalFilter([1.0, 0.5])
    >>> f([1.0, 2.0, 3.0, 4.0]).round(12)
    array([1. , 2.5, 4. , 5.5])
    """

    def __init__(
        self,
        h: ArrayLike,
        *,
        keep: float | ArrayLike | None = None,
        length: int | None = None,
    ):
        self._plans: dict[int, CircularFilter] = {}
        self._length, self.kept = 0, 1.0
        self._keep: np.ndarray | None = None
        self._h: Any = _on_device(h, keep) if _array.is_device_array(h) else _trimmed(h)
        self.taps = np.shape(h)[-1] if isinstance(self._h, np.ndarray) else self._h.shape[-1]
        self.channels = self._h.shape[0] if len(self._h.shape) == 2 else 0
        if keep is not None:
            self._sparse(keep, length)

    def __call__(
        self,
        x: ArrayLike,
        state: Any = None,
        *,
        return_state: bool = False,
        workers: int | None = None,
    ) -> Any:
        """Convolve sequences, or the next block of them.

        Parameters
        ----------
        x : array_like or device array of shape (..., length) or (..., channels, length)
            Real or complex samples.
        state : ndarray or device array of shape (..., taps - 1), optional
            The samples before, from the call for the block before; zeros by default.
        return_state : bool, optional
            Also return the last ``taps - 1`` samples, for the block that follows.
        workers : int, optional
            Number of threads; by default as for `fft_unordered`.

        Returns
        -------
        y : ndarray or device array
            Of x's shape and of the common dtype of x and h. On a device x in half precision keeps
            its dtype where h is real and not of float64.
        state : ndarray or device array
            With `return_state`.

        Raises
        ------
        ValueError
            If the shapes do not fit, or with frequency-sparse filters a state is given or asked
            for, or the length is another than planned.
        TypeError
            If `x` and `state` are not both on a device, or the filters alone are.
        NotImplementedError
            If `x` is on a device and the filters are frequency-sparse.
        """
        if workers is not None:
            _threads.check_workers(workers)
        if _array.is_device_array(x):
            return self._convolve_on_device(x, state, return_state)
        return self._convolve(self._samples(x), state, return_state, workers)

    def _convolve(self, x, state, return_state, workers):
        rows, history = x.shape[:-1], self.taps - 1
        if state is not None:
            if _array.is_device_array(state):
                raise TypeError("state is on a device: x must be there too")
            state = np.asarray(state)
            self._check_state(state, rows)
        if self._length:
            if state is not None or return_state:
                raise ValueError("frequency-sparse filters take whole sequences: no state")
            if x.shape[-1] != self._length:
                raise ValueError(f"planned for length {self._length}; got {x.shape[-1]}")
            return self._planned(self._size)(x, self._length, workers=workers)
        y = self._whole(x, state, workers)
        if not return_state:
            return y
        before = np.zeros((*rows, history), x.dtype) if state is None else state
        if x.shape[-1] >= history:
            return y, x[..., x.shape[-1] - history :].copy()
        return y, np.concatenate([before, x], axis=-1)[..., x.shape[-1] :]

    def _samples(self, x):
        if not isinstance(self._h, np.ndarray):
            raise TypeError("the filters are on a device: x must be there too")
        x = _array.as_array(x)
        if x.dtype.kind in "bui":
            x = x.astype(np.float64)
        elif _array.is_half(x.dtype):
            x = x.astype(np.float32)
        self._check_shape(x.shape)
        return x

    def _check_shape(self, shape):
        if not shape or (self.channels and (len(shape) < 2 or shape[-2] != self.channels)):
            channels = f"{self.channels}, " if self.channels else ""
            raise ValueError(f"x must have shape (..., {channels}length); got {shape}")

    def _check_state(self, state, rows):
        shape = (*rows, self.taps - 1)
        if state is not None and tuple(state.shape) != shape:
            raise ValueError(f"state must have shape {shape}; got {tuple(state.shape)}")

    def _convolve_on_device(self, x, state, return_state):
        from .._cuda import filtering as device

        if self._length:
            raise NotImplementedError(_HOST_ONLY)
        given = device.check(x)
        self._check_shape(given.shape)
        before = None
        if state is not None:
            if not _array.is_device_array(state):
                raise TypeError("x is on a device: state must be there too")
            before = device.check(state, "state")
            self._check_state(before, given.shape[:-1])
            if before.dtype != given.dtype:
                raise TypeError(f"state has dtype {before.dtype}, x has {given.dtype}")
        back = self._h.shape[-1] - 1
        n, step = device.window(given.shape[-1], back, state is not None, self._h, given.dtype)
        y = self._planned(n).on_device.causal(x, step, before)
        return (y, device.last(given, before, self.taps - 1)) if return_state else y

    def _whole(self, x, state, workers):
        """All results for `x`, by windows that overlap."""
        length, back = x.shape[-1], self._h.shape[-1] - 1
        complex_rows = "c" in (self._h.dtype.kind, x.dtype.kind)
        n = window_length(length, back, np.result_type(self._h, x), complex_rows)
        origin = back
        if state is not None and back:
            x = np.concatenate([state[..., state.shape[-1] - back :], x], axis=-1)
            origin = 0
        return self._planned(n).windows(x, length, n - back, origin, back, workers=workers)

    def _planned(self, n):
        if n not in self._plans:
            self._plans[n] = CircularFilter(self._h, n, skew=True, keep=self._keep)
        return self._plans[n]

    def _sparse(self, keep, length):
        """Plan for one window of a spectrum with blocks left out."""
        if length is None:
            raise ValueError("keep needs the length of the sequences")
        self._length = operator.index(length)
        if self._length < 1:
            raise ValueError(f"length must be at least 1; got {length}")
        mask = np.asarray(keep)
        share = float(mask) if mask.ndim == 0 else 0.0
        blocks = 32 if mask.ndim == 0 else mask.shape[-1]
        if mask.ndim == 0 and not 0 < share <= 1:
            raise ValueError(f"keep must be more than 0 and at most 1; got {keep}")
        if mask.ndim and (
            mask.dtype != bool
            or mask.shape not in ((blocks,), (self.channels, blocks))
            or not 1 <= blocks <= 128
            or blocks & (blocks - 1)
        ):
            raise ValueError(
                "keep must be a number, or bool of shape (blocks,) or (channels, blocks) with 1 to "
                f"128 blocks, a power of two; got {mask.dtype} of shape {mask.shape}"
            )
        shortest = 8 * blocks * fft.leaf_points("float32")
        self._size = max(shortest, _power(self._length + self._h.shape[-1] - 1))
        if mask.ndim == 0:
            energy = self._planned(self._size).block_energies(blocks)
            count = math.ceil(share * blocks)
            mask = energy >= np.sort(energy, axis=-1)[:, [blocks - count]]
            self._plans.clear()
        self._keep, self.kept = mask, float(mask.mean())


def fftconvolve_causal(
    x: ArrayLike,
    h: ArrayLike,
    state: Any = None,
    *,
    return_state: bool = False,
    keep: float | Sequence | np.ndarray | None = None,
    workers: int | None = None,
) -> Any:
    """Causal convolution along the last axis, with a filter for each channel.

    ``y[..., c, i] = sum_k h[c, k] x[..., c, i - k]`` over k <= i, by overlapping FFTs: what
    ``scipy.signal.oaconvolve`` gives, cut to the length of `x`.

    Parameters
    ----------
    x : array_like or device array of shape (..., length) or (..., channels, length)
        Signals of any length. float32 and float64 stay what they are; the result has the common
        dtype of `x` and `h`. On a device x in half precision keeps its dtype, see `CausalFilter`.
    h : array_like or device array of shape (taps,) or (channels, taps)
        The filters, shorter or longer than the signals; zeros at their ends cost nothing on the
        host.
    state : ndarray or device array of shape (..., taps - 1), optional
        The samples before `x`; zeros by default.
    return_state : bool, optional
        Also return the last ``taps - 1`` samples, as `state` of the call for what follows.
    keep : float or array_like of bool, optional
        Frequency-sparse filters, see `CausalFilter`: an approximation.
    workers : int, optional
        Number of threads; by default as for `fft_unordered`.

    Returns
    -------
    y : ndarray or device array
        Of x's shape.
    state : ndarray or device array
        With `return_state`.

    Raises
    ------
    ValueError
        If the shapes do not fit.
    TypeError
        If a dtype is not accepted, or `h` or `state` is on a device and `x` is not.
    NotImplementedError
        If `keep` is given for device arrays.

    See Also
    --------
    CausalFilter : The same, planned: for many calls with the same filters.

    Notes
    -----
    O(length log(taps)) a channel. Real rows are transformed as half as many complex numbers modulo
    ``x**(n/2) - i`` [1]_, each row while it is in cache. Rounding errors are relative to the
    largest samples of a window, not to each result.

    References
    ----------
    .. [1] J. B. Martens, "Recursive cyclotomic factorization: a new algorithm for calculating the
       discrete Fourier transform", IEEE Transactions on Acoustics, Speech, and Signal Processing
       32, 750-761, 1984. :doi:`10.1109/TASSP.1984.1164399`
    .. [2] D. Y. Fu, H. Kumbong, E. Nguyen and C. Ré, "FlashFFTConv: efficient convolutions for long
       sequences with tensor cores", ICLR 2024 (partial and frequency-sparse filters).

    Examples
    --------
    >>> import fasttx, numpy as np
    >>> x, h = np.array([1.0, 0.0, 2.0, 0.0]), np.array([1.0, 0.5, 0.25])
    >>> fasttx.fftconvolve_causal(x, h).round(12)
    array([1.  , 0.5 , 2.25, 1.  ])
    >>> first, state = fasttx.fftconvolve_causal(x[:2], h, return_state=True)
    >>> fasttx.fftconvolve_causal(x[2:], h, state).round(12)
    array([2.25, 1.  ])
    """
    length = None
    if keep is not None:
        if _array.is_device_array(x):
            raise NotImplementedError(_HOST_ONLY)
        length = np.shape(x)[-1] if np.ndim(x) else None
    planned = CausalFilter(h, keep=keep, length=length)
    return planned(x, state, return_state=return_state, workers=workers)


def _trimmed(h):
    """Filters on the host, checked, without the zeros at the end of all of them."""
    h = _array.as_array(h)
    if h.dtype.kind in "bui" or _array.is_half(h.dtype):
        h = h.astype(np.float32 if _array.is_half(h.dtype) else np.float64)
    _check_filters(h.shape)
    if not np.isfinite(h).all():
        raise ValueError("h has entries that are not finite")
    used = h.shape[-1]
    if not h[..., -1].any():
        places = np.flatnonzero(h.reshape(-1, used).any(axis=0))
        used = places[-1] + 1 if places.size else 1
    return np.ascontiguousarray(h[..., :used])


def _on_device(h, keep):
    """Filters on a device."""
    from .._cuda import filtering as device

    given = device.check(h, "h")
    _check_filters(given.shape)
    if keep is not None:
        raise NotImplementedError(_HOST_ONLY)
    return given


def _check_filters(shape):
    if len(shape) not in (1, 2) or 0 in shape:
        raise ValueError(f"h must have shape (taps,) or (channels, taps); got {shape}")


@functools.lru_cache(maxsize=256)
def window_length(length: int, back: int, dtype: np.dtype, complex_rows: bool) -> int:
    """Length of the windows, a power of two, for the least work."""
    n = max(4 * fft.leaf_points("float32"), _power(2 * back))
    best = n, math.inf
    while True:
        windows = -(-length // (n - back))
        points = n if complex_rows else n // 2
        in_cache = points * np.result_type(dtype, np.complex64).itemsize <= plan.l2_block()
        # Levels, and about as much again for the ends and the product.
        work = windows * points * (math.log2(points) + 8) * (1 if in_cache else 1.4)
        if work < best[1]:
            best = n, work
        if windows <= 1:
            return best[0]
        n *= 2


def _power(n: int) -> int:
    return 1 << max(0, n - 1).bit_length()

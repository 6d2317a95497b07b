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


class CausalFilter:
    """Causal convolution with fixed filters, planned once.

    Parameters
    ----------
    h : array_like of shape (taps,) or (channels, taps)
        One filter for all rows, or one for each channel. float32, float64, complex64 or complex128;
        integers give float64.
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
    Host only.

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
        h = _array.as_array(h)
        if h.dtype.kind in "bui" or _array.is_half(h.dtype):
            h = h.astype(np.float32 if _array.is_half(h.dtype) else np.float64)
        if h.ndim not in (1, 2) or h.size == 0:
            raise ValueError(f"h must have shape (taps,) or (channels, taps); got {h.shape}")
        if not np.isfinite(h).all():
            raise ValueError("h has entries that are not finite")
        used = h.shape[-1]
        if not h[..., -1].any():
            places = np.flatnonzero(h.reshape(-1, used).any(axis=0))
            used = places[-1] + 1 if places.size else 1
        self._h = np.ascontiguousarray(h[..., :used])
        self.taps = h.shape[-1]
        self.channels = h.shape[0] if h.ndim == 2 else 0
        self._plans: dict[int, CircularFilter] = {}
        self._length, self.kept = 0, 1.0
        self._keep: np.ndarray | None = None
        if keep is not None:
            self._sparse(keep, length)

    def __call__(
        self,
        x: ArrayLike,
        state: np.ndarray | None = None,
        *,
        return_state: bool = False,
        workers: int | None = None,
    ) -> Any:
        """Convolve sequences, or the next block of them.

        Parameters
        ----------
        x : array_like of shape (..., length) or (..., channels, length)
            Real or complex samples.
        state : ndarray of shape (..., taps - 1), optional
            The samples before, from the call for the block before; zeros by default.
        return_state : bool, optional
            Also return the last ``taps - 1`` samples, for the block that follows.
        workers : int, optional
            Number of threads; by default as for `fft_unordered`.

        Returns
        -------
        y : ndarray
            Of x's shape and of the common dtype of x and h.
        state : ndarray
            With `return_state`.

        Raises
        ------
        ValueError
            If the shapes do not fit, or with frequency-sparse filters a state is given or asked
            for, or the length is another than planned.
        """
        if workers is not None:
            _threads.check_workers(workers)
        return self._convolve(self._samples(x), state, return_state, workers)

    def _convolve(self, x, state, return_state, workers):
        rows, history = x.shape[:-1], self.taps - 1
        if state is not None:
            state = np.asarray(state)
            if state.shape != (*rows, history):
                raise ValueError(f"state must have shape {(*rows, history)}; got {state.shape}")
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
        if _array.is_device_array(x):
            raise NotImplementedError("causal convolution is on the host only: pass a NumPy array")
        x = _array.as_array(x)
        if x.dtype.kind in "bui":
            x = x.astype(np.float64)
        elif _array.is_half(x.dtype):
            x = x.astype(np.float32)
        if x.ndim == 0 or (self.channels and (x.ndim < 2 or x.shape[-2] != self.channels)):
            channels = f"{self.channels}, " if self.channels else ""
            raise ValueError(f"x must have shape (..., {channels}length); got {x.shape}")
        return x

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
    state: np.ndarray | None = None,
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
    x : array_like of shape (..., length) or (..., channels, length)
        Signals of any length. float32 and float64 stay what they are; the result has the common
        dtype of `x` and `h`.
    h : array_like of shape (taps,) or (channels, taps)
        The filters, shorter or longer than the signals; zeros at their ends cost nothing.
    state : ndarray of shape (..., taps - 1), optional
        The samples before `x`; zeros by default.
    return_state : bool, optional
        Also return the last ``taps - 1`` samples, as `state` of the call for what follows.
    keep : float or array_like of bool, optional
        Frequency-sparse filters, see `CausalFilter`: an approximation.
    workers : int, optional
        Number of threads; by default as for `fft_unordered`.

    Returns
    -------
    y : ndarray
        Of x's shape.
    state : ndarray
        With `return_state`.

    Raises
    ------
    ValueError
        If the shapes do not fit.
    TypeError
        If a dtype is not accepted.
    NotImplementedError
        For device arrays: host only.

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
        length = np.shape(x)[-1] if np.ndim(x) else None
    planned = CausalFilter(h, keep=keep, length=length)
    return planned(x, state, return_state=return_state, workers=workers)


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

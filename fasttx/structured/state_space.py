"""Causal Toeplitz operators as diagonal state-space recurrences."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..transforms.causal import fftconvolve_causal
from ._base import as_entries


class StateSpace:
    """Diagonal recurrence ``s <- A s + x``, ``y = C s`` for each of several channels.

    Made by `toeplitz_to_ssm`.

    Attributes
    ----------
    poles : (n,) ndarray of complex128
        The diagonal of A, the same for all channels.
    output : (..., n) ndarray of complex128
        The row C of each channel.
    horizon : int
        Number of samples for which the recurrence is the Toeplitz operator.
    position : int
        Number of samples taken since `reset`.
    dtype : dtype
        That of the kernel.

    Notes
    -----
    States are double precision. A step costs O(n) operations for each channel, whatever has gone
    before; after k steps rounding errors are about k units of roundoff of the largest state. Host
    only.
    """

    def __init__(self, poles: np.ndarray, output: np.ndarray, dtype: np.dtype, real: bool):
        self.poles, self.output = poles, output
        self.horizon, self.dtype = output.shape[-1], np.dtype(dtype)
        self._real = real
        self._half = slice(0, self.horizon // 2 + 1 if real else self.horizon)
        weights = np.ones(poles[self._half].size)
        if real:  # the states of conjugate poles are conjugate: one of each pair is kept
            weights[1 : (self.horizon + 1) // 2] = 2
        self._kept = output[..., self._half] * weights
        self.reset()

    def reset(self) -> None:
        """Forget all samples."""
        self.position = 0
        shape = (*self.output.shape[:-1], self._kept.shape[-1])
        # Of a real kernel and a complex signal, real and imaginary parts go side by side.
        self._states = np.zeros((2, *shape), np.complex128)

    def step(self, x: ArrayLike) -> Any:
        """Take one sample for each channel and return the next results.

        Parameters
        ----------
        x : scalar or (...) array_like
            Of the shape of the channels.

        Returns
        -------
        y : scalar or (...) ndarray

        Raises
        ------
        ValueError
            Beyond the horizon, where the recurrence would go on periodically, or if the shape does
            not fit. Nothing is changed then.
        """
        return self._step(self._samples(x))

    def _step(self, x):
        if x.shape != self.output.shape[:-1]:
            raise ValueError(f"x must have shape {self.output.shape[:-1]}; got {x.shape}")
        self._check(1)
        poles = self.poles[self._half]
        parts = (x.real, x.imag) if self._real else (x,)
        results = []
        for state, part in zip(self._states, parts, strict=False):
            state *= poles
            state += part[..., None]
            results.append((state * self._kept).sum(axis=-1))
        self.position += 1
        y = results[0]
        if self._real:
            y = y.real + 1j * results[1].real if x.dtype.kind == "c" else y.real
        return y.astype(np.result_type(self.dtype, x.dtype))[()]

    def run(self, x: ArrayLike) -> np.ndarray:
        """Take the samples of whole sequences, (..., length), step by step."""
        return self._run(self._samples(x))

    def _run(self, x):
        if x.ndim != self.output.ndim or x.shape[:-1] != self.output.shape[:-1]:
            channels = "".join(f"{length}, " for length in self.output.shape[:-1])
            raise ValueError(f"x must have shape ({channels}length); got {x.shape}")
        self._check(x.shape[-1])
        y = np.empty(x.shape, np.result_type(self.dtype, x.dtype))
        for k in range(x.shape[-1]):
            y[..., k] = self._step(x[..., k])
        return y

    def convolve(self, x: ArrayLike) -> np.ndarray:
        """Whole sequences (..., length) at once, from the beginning: O(length log length).

        More axes may stand before those of the channels. The state is neither used nor changed.
        """
        return self._convolve(self._samples(x))

    def _convolve(self, x):
        channels = self.output.shape[:-1]
        if x.ndim <= len(channels) or x.shape[x.ndim - 1 - len(channels) : -1] != channels:
            listed = "".join(f"{length}, " for length in channels)
            raise ValueError(f"x must have shape (..., {listed}length); got {x.shape}")
        self._check(x.shape[-1] - self.position)
        h = self.kernel(max(1, x.shape[-1]))
        if h.ndim > 2:
            lead = x.shape[: x.ndim - h.ndim]
            rows = math.prod(channels)
            flat = fftconvolve_causal(
                x.reshape(*lead, rows, x.shape[-1]), h.reshape(rows, h.shape[-1])
            )
            return flat.reshape(x.shape)
        return fftconvolve_causal(x, h)

    def kernel(self, length: int | None = None) -> np.ndarray:
        """First entries of the Toeplitz matrices' columns, (..., length)."""
        length = self.horizon if length is None else length
        if not 0 <= length <= self.horizon:
            raise ValueError(f"length must be from 0 to the horizon {self.horizon}; got {length}")
        scale = np.abs(self.poles[0]) ** np.arange(length)
        t = np.fft.ifft(self.output, axis=-1)[..., :length] * self.horizon * scale
        return (t.real if self._real else t).astype(self.dtype)

    def _samples(self, x):
        return as_entries(x, "x", None)

    def _check(self, more):
        if self.position + more > self.horizon:
            raise ValueError(
                f"{self.position} samples were taken and {more} are to come, but the recurrence is "
                f"the Toeplitz operator for {self.horizon} samples only; reset() begins anew"
            )


def toeplitz_to_ssm(t: ArrayLike, *, decay: float = 1.0) -> StateSpace:
    """Turn causal Toeplitz operators into diagonal state-space recurrences, exactly.

    ``y[i] = sum_{j <= i} t[i - j] x[j]`` for i < n becomes n states with poles on a circle.

    Parameters
    ----------
    t : (..., n) array_like
        First columns of the matrices, one for each channel.
    decay : float, optional
        Radius of the circle of poles, from 0 (excluded) to 1. With less than 1 states forget; the
        output rows then grow up to ``decay**-(n - 1)`` times the entries of `t`, and so do the
        rounding errors.

    Returns
    -------
    StateSpace
        With ``step`` for one sample at constant cost, ``run`` and ``convolve`` for sequences.

    Raises
    ------
    ValueError
        If `t` is empty or not finite, or decay is out of range or so small that more than four
        digits of `t` would be left out of 16: ``decay**-(n - 1) > 1e12``.
    TypeError
        If the dtype is not accepted.

    Notes
    -----
    ``t[k] = decay**k * sum_s C[s] exp(2 pi i s k/n)`` with C the discrete Fourier transform of
    ``t[k] decay**-k``, divided by n [1]_. The sum is periodic in k apart from the decay, so beyond
    n samples the recurrence is another operator: it refuses them. O(n log n) to make; for real `t`
    half of the states are kept. Host only.

    References
    ----------
    .. [1] Z. Qin and Y. Zhong, "Accelerating Toeplitz neural network with constant-time inference
       complexity", Proc. EMNLP 2023, 12206-12215. :doi:`10.18653/v1/2023.emnlp-main.750`

    Examples
    --------
    >>> from fasttx.structured import toeplitz_to_ssm
    >>> recurrence = toeplitz_to_ssm([1.0, 0.5, 0.25])
    >>> [round(float(recurrence.step(x)), 12) for x in (1.0, 2.0, 0.0)]
    [1.0, 2.5, 1.25]
    """
    entries = as_entries(t, "t", None)
    if entries.ndim == 0 or entries.shape[-1] == 0:
        raise ValueError(f"t must have shape (..., n) with n at least 1; got {entries.shape}")
    n = entries.shape[-1]
    if not 0 < decay <= 1:
        raise ValueError(f"decay must be more than 0 and at most 1; got {decay}")
    if -(n - 1) * np.log(decay) > np.log(1e12):
        raise ValueError(f"decay {decay} is too small for {n} states: 1/decay**{n - 1} > 1e12")
    k = np.arange(n)
    poles = decay * np.exp(2j * np.pi * k / n)
    output = np.fft.fft(entries.astype(np.complex128) * float(decay) ** -k, axis=-1) / n
    return StateSpace(poles, output, entries.dtype, entries.dtype.kind != "c")

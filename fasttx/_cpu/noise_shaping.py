"""Noise-shaping quantization of rows of features, many samples at a time."""

import functools

import numpy as np

from .._jit import entry


@functools.cache
def shape(dtype):
    """``f(x, levels, gain, first, second, reset, weights, sums, state)``: weighted sums of levels.

    Column c of `x`, (m, n), is a sequence y of numbers between -1 and 1. Its level a_i from 0 to
    ``levels - 1`` is the one nearest to ``w = gain * y_i + first * u_{i-1} + second * u_{i-2}``,
    that is q_i = 2 a_i / (levels - 1) - 1, and u_i = w - q_i. ``sums[i // b]``, of shape (n,), gets
    ``weights[i % b] * a_i`` added, b the number of weights; with `reset` each block of b begins
    with u = 0. `state` is scratch of shape (2, n).
    """
    one = np.dtype(dtype).type

    @entry(f"noise_shaping_{dtype}")
    def run(x, levels, gain, first, second, reset, weights, sums, state):
        top, half = one(levels - 1), one(0.5)
        up, down = top * half, one(2) / top
        last, before = state[0], state[1]
        last[:] = 0
        before[:] = 0
        for i in range(len(x)):
            y, total, weight = x[i], sums[i // weights.size], weights[i % weights.size]
            if reset and i % weights.size == 0:
                last[:] = 0
            for c in range(y.size):
                w = gain * y[c] + first * last[c] + second * before[c]
                a = np.floor((w + one(1)) * up + half)
                a = min(max(a, one(0)), top)
                before[c] = last[c]
                last[c] = w - (a * down - one(1))
                total[c] += weight * a

    return run

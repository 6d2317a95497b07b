"""Loops of least squares: what an iteration needs of a tall matrix, in one pass over it."""

import functools

import numpy as np

from .._jit import entry


@functools.cache
def gradient(dtype):
    """``f(A, x, b, out)``: ``out[:n]`` gets A.T @ (b - A @ x), and ``out[n]`` ||b - A @ x||^2.

    `A` (m, n) and `x` of the dtype, `out` of float64. An empty `b` is one of zeros.
    """

    @entry(f"lstsq_gradient_{np.dtype(dtype).name}", any_order=True)
    def run(A, x, b, out):
        m, n = A.shape
        square = 0.0
        for c in range(n + 1):
            out[c] = 0.0
        for i in range(0, m - 1, 2):
            first, second = A[i], A[i + 1]
            r, s = x.dtype.type(0), x.dtype.type(0)
            for c in range(n):
                r += first[c] * x[c]
                s += second[c] * x[c]
            if b.size:
                r, s = b[i] - r, b[i + 1] - s
            else:
                r, s = -r, -s
            square += r * r + s * s
            for c in range(n):
                out[c] += r * first[c] + s * second[c]
        if m % 2:
            row = A[m - 1]
            r = x.dtype.type(0)
            for c in range(n):
                r += row[c] * x[c]
            r = b[m - 1] - r if b.size else -r
            square += r * r
            for c in range(n):
                out[c] += r * row[c]
        out[n] = square

    return run

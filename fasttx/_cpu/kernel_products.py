"""Products of Gaussian kernel values between a block of points and rows with several vectors."""

import functools

import numpy as np

from .._jit import entry
from .thinning import BLOCK, GAUSSIAN, ROWS, kernel_room, kernel_values

SMALLEST = 1e-299  # of the values: the exponentials do not go on to zero


@functools.cache
def gaussian():
    """``f(block, sources, order, weights, out)``: add ``weights[q, c] * k(sources[q], y)``.

    `block` (d, BLOCK) holds the points y, one a column. The sum is over the rows `order` of
    `sources` (n, d), in that order, and goes to ``out[c]``, of shape (BLOCK,), for the columns of
    `weights` (n, p). k is exp(-||x - y||**2 / 2).
    """

    @entry("kernel_products_gaussian")
    def run(block, sources, order, weights, out):
        kinds, scales = np.full(1, GAUSSIAN), np.full(1, 0.5)
        room, values = kernel_room(), np.empty(ROWS * BLOCK)
        rows, last = np.empty((ROWS, sources.shape[1])), np.empty((ROWS, weights.shape[1]))
        for start in range(0, order.size, ROWS):
            for r in range(ROWS):
                if start + r < order.size:
                    rows[r] = sources[order[start + r]]
                    last[r] = weights[order[start + r]]
                else:
                    last[r] = 0.0
            kernel_values(block, rows, kinds, scales, room, values)
            for i in range(values.size):
                values[i] = values[i] if values[i] > SMALLEST else 0.0
            v0, v1 = values[:BLOCK], values[BLOCK : 2 * BLOCK]
            v2, v3 = values[2 * BLOCK : 3 * BLOCK], values[3 * BLOCK :]
            for c in range(weights.shape[1]):
                w0, w1, w2, w3 = last[0, c], last[1, c], last[2, c], last[3, c]
                total = out[c]
                for i in range(BLOCK):
                    total[i] += (w0 * v0[i] + w1 * v1[i]) + (w2 * v2[i] + w3 * v3[i])

    return run

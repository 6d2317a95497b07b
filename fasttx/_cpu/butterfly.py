"""Products of sparse butterfly factors with given 2 x 2 blocks, on columns in place."""

import functools

from .._jit import entry


@functools.cache
def butterfly(dtype):
    """``f(x, blocks, first, step)``: all levels on the columns of `x`, shape (n, k), in place.

    `blocks` has shape (levels, 4, n/2): entries 00, 01, 10, 11 of the block of each pair. Levels
    ``first, first + step, ...`` follow one another, all of them once.
    """

    @entry(f"butterfly_{dtype}")
    def run(x, blocks, first, step):
        n, columns = x.shape
        for turn in range(blocks.shape[0]):
            level = first + step * turn
            stride = 1 << level
            a, b, c, d = blocks[level]
            if columns == 1:  # neighbours along the column fill the vectors instead
                column = x.reshape(-1)
                for start in range(0, n, 2 * stride):
                    pair = start >> 1
                    top = column[start : start + stride]
                    bottom = column[start + stride : start + 2 * stride]
                    for i in range(stride):
                        p, q = top[i], bottom[i]
                        top[i] = a[pair + i] * p + b[pair + i] * q
                        bottom[i] = c[pair + i] * p + d[pair + i] * q
                continue
            for start in range(0, n, 2 * stride):
                for i in range(start, start + stride):
                    pair = i - (start >> 1)
                    e, f, g, h = a[pair], b[pair], c[pair], d[pair]
                    top, bottom = x[i], x[i + stride]
                    for j in range(columns):
                        p, q = top[j], bottom[j]
                        top[j] = e * p + f * q
                        bottom[j] = g * p + h * q

    return run

"""Loops of sketches: signed Hadamard transforms of which few outputs are taken, and hashing.

The transform of a vector is taken block by block. Output s of H D x, H the Kronecker product of a
Hadamard matrix of the blocks' number and Sylvester's of a block, is the sum over blocks j of
``factors[j, s]`` times entry ``places[s]`` of the block's own transform: the levels across blocks
are computed for the wanted outputs alone, and what is transformed stays in the first cache.
"""

import functools

import numpy as np

from .._jit import caller, entry
from . import fwht

FIRST_CACHE, SECOND_CACHE = 1 << 15, 1 << 20  # bytes of them that a block may take
GROUP = 4  # rows that a pass over hashes serves


@functools.cache
def hadamard_rows(dtype):
    """``f(x, signs, factors, places, block, at, out, group, first, last)``: sketches of rows.

    Rows `first` to `last` of `x`, (n, d), to those of `out`, (n, k), `group` of them at a time.
    """
    call, zero = caller(fwht.SIGNATURE), np.dtype(dtype).type(0)

    @entry(f"sketch_hadamard_rows_{np.dtype(dtype).name}")
    def run(x, signs, factors, places, block, at, out, group, first, last):
        d, scratch = x.shape[1], np.empty((group, block), x.dtype)
        address = np.int64(scratch.ctypes.data)
        for start in range(first, last, group):
            count = min(group, last - start)
            for j in range((d + block - 1) // block):
                begin = j * block
                length = min(block, d - begin)
                for r in range(count):
                    row, into = x[start + r, begin : begin + length], scratch[r]
                    sign = signs[begin : begin + length]
                    for i in range(length):
                        into[i] = row[i] * sign[i]
                    for i in range(length, block):
                        into[i] = zero
                total = np.int64(count * block)
                call(at, (address, address, total, block, 1, 1.0, -1, 0, 0))
                factor = factors[j]
                for r in range(count):
                    row, target = scratch[r], out[start + r]
                    if j == 0:
                        for s in range(places.size):
                            target[s] = factor[s] * row[places[s]]
                    else:
                        for s in range(places.size):
                            target[s] += factor[s] * row[places[s]]

    return run


@functools.cache
def hadamard_columns(dtype):
    """``f(x, signs, factors, places, block, at, out, width, first, last)``: sketches of columns.

    Columns of `x`, (d, n), to those of `out`, (k, n): groups `first` to `last` of `width` columns.
    """
    call, zero = caller(fwht.SIGNATURE), np.dtype(dtype).type(0)

    @entry(f"sketch_hadamard_columns_{np.dtype(dtype).name}")
    def run(x, signs, factors, places, block, at, out, width, first, last):
        d, scratch = x.shape[0], np.empty((block, width), x.dtype)
        address = np.int64(scratch.ctypes.data)
        for group in range(first, last):
            left = group * width
            right = min(x.shape[1], left + width)
            for c in range(right - left, width):
                for i in range(block):
                    scratch[i, c] = zero
            for j in range((d + block - 1) // block):
                begin = j * block
                length = min(block, d - begin)
                for i in range(length):
                    row, into, sign = x[begin + i, left:right], scratch[i], signs[begin + i]
                    for c in range(right - left):
                        into[c] = row[c] * sign
                for i in range(length, block):
                    into = scratch[i]
                    for c in range(right - left):
                        into[c] = zero
                call(at, (address, address, scratch.size, block, width, 1.0, -1, 0, 0))
                for s in range(places.size):
                    row, target, factor = scratch[places[s]], out[s, left:right], factors[j, s]
                    if j == 0:
                        for c in range(right - left):
                            target[c] = factor * row[c]
                    else:
                        for c in range(right - left):
                            target[c] += factor * row[c]

    return run


@functools.cache
def hash_rows(dtype):
    """``f(x, places, values, out, first, last)``: entry i of a row goes to places[:, i].

    Rows of `x`, (n, d), are added to those of `out`, (n, k), with `values`, (s, d).
    """

    @entry(f"sketch_hash_rows_{np.dtype(dtype).name}")
    def run(x, places, values, out, first, last):
        whole = first + (last - first) // GROUP * GROUP
        for start in range(first, whole, GROUP):
            a, b, c, d = x[start], x[start + 1], x[start + 2], x[start + 3]
            e, f, g, h = out[start], out[start + 1], out[start + 2], out[start + 3]
            for t in range(places.shape[0]):
                for i in range(a.size):
                    place, value = places[t, i], values[t, i]
                    e[place] += value * a[i]
                    f[place] += value * b[i]
                    g[place] += value * c[i]
                    h[place] += value * d[i]
        for start in range(whole, last):
            a, e = x[start], out[start]
            for t in range(places.shape[0]):
                for i in range(a.size):
                    e[places[t, i]] += values[t, i] * a[i]

    return run


@functools.cache
def hash_columns(dtype):
    """``f(x, places, values, out, first, last)``: row i of `x` is added to rows places[:, i].

    `x` of shape (d, n), `out` (k, n), `values` (s, d); columns `first` to `last`.
    """

    @entry(f"sketch_hash_columns_{np.dtype(dtype).name}")
    def run(x, places, values, out, first, last):
        for i in range(x.shape[0]):
            row = x[i, first:last]
            for t in range(places.shape[0]):
                target, value = out[places[t, i], first:last], values[t, i]
                for c in range(last - first):
                    target[c] += value * row[c]

    return run

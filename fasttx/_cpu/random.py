"""Random numbers by counter: entry i of a stream is a hash of its seed and i, in any order.

The hash is the output function of SplitMix64 (Steele, Lea and Flood 2014), whose i-th output is a
function of ``seed + (i + 1) * GOLDEN``.
"""

import functools

import numpy as np

from .._jit import compiled, entry

GOLDEN = np.uint64(0x9E3779B97F4A7C15)


@compiled
def hashed(seed, counter):
    """64 random bits."""
    z = seed + (np.uint64(counter) + np.uint64(1)) * GOLDEN
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@functools.cache
def signs(dtype):
    """``f(seed, start, value, out)``: ``±value``; sign i is bit i % 64 of word i // 64."""
    one = np.dtype(dtype).type

    @entry(f"random_signs_{np.dtype(dtype).name}")
    def run(seed, start, value, out):
        plus, minus = one(value), one(-value)
        for i in range(out.size):
            at = start + i
            if i == 0 or at & 63 == 0:
                word = hashed(seed, at >> 6) >> np.uint64(at & 63)
            out[i] = minus if word & np.uint64(1) else plus
            word >>= np.uint64(1)

    return run


@functools.cache
def words():
    """``f(seed, start, out)``: 64 random bits for each counter from `start` on."""

    @entry("random_words")
    def run(seed, start, out):
        for i in range(out.size):
            out[i] = hashed(seed, start + i)

    return run


@functools.cache
def buckets():
    """``f(seed, start, edges, places, signs)``: for each counter one place in each range of edges.

    `edges` are the s + 1 bounds of s ranges; `places` and `signs`, of shape (s, n), get the places
    and ±1 for the counters ``start`` to ``start + n - 1``.
    """

    @entry("random_buckets")
    def run(seed, start, edges, places, signs):
        ranges, count = places.shape
        for i in range(count):
            for t in range(ranges):
                bits = hashed(seed, (start + i) * ranges + t)
                width = np.uint64(edges[t + 1] - edges[t])
                # 32 bits times a width below 2**31: the high half is uniform up to 2**-32 * width.
                high = ((bits >> np.uint64(32)) * width) >> np.uint64(32)
                places[t, i] = edges[t] + np.int64(high)
                signs[t, i] = 1 - 2 * np.int64(bits & np.uint64(1))

    return run

"""Loops of attention over packed keys and values: see `simd_codes` for the codes.

Arrays of planes have shape (heads, capacity, bits, 2 * groups), and scales of rows, float16 seen as
uint16, (heads, capacity). A unit of work is a block of `BLOCK` tokens of a head; its part of a sum
does not depend on who computes it.
"""

import functools

import numpy as np

from .._jit import compiled, entry
from . import simd, simd_codes

BLOCK = 2048


@compiled
def _widen(halves, out):
    """Finite numbers >= 0 of half precision, seen as uint16, to float32; exact."""
    words = out.view(np.uint32)
    for i in range(halves.size):
        words[i] = np.uint32(halves[i]) << np.uint32(13)
    for i in range(halves.size):
        out[i] *= np.float32(2.0**112)  # between the biases of the exponents


@functools.cache
def scores(bits):
    """``f(planes, scales, levels, queries, tokens, out, first, last)``: products with keys.

    `queries` (heads, m, padded d); the first `tokens` numbers of lines of `out`, of shape
    (heads, m, tokens or more), are written.
    """
    codelet = simd_codes.dots(bits)

    @entry(f"kv_scores_{bits}")
    def run(planes, scales, levels, queries, tokens, out, first, last):
        plane, high = planes.shape[3], simd.address(levels)
        row, factors = bits * plane, np.empty(BLOCK, np.float32)
        blocks = (tokens + BLOCK - 1) // BLOCK
        for unit in range(first, last):
            head, start = unit // blocks, unit % blocks * BLOCK
            count = min(BLOCK, tokens - start)
            _widen(scales[head, start : start + count], factors)
            source = simd.address(planes) + (head * planes.shape[1] + start) * row
            for q in range(queries.shape[1]):
                query, line = simd.address(queries[head, q]), out[head, q, start : start + count]
                codelet(source, plane, row, high, query, plane // 2, simd.address(line), count)
                for i in range(count):
                    line[i] *= factors[i]

    return run


@functools.cache
def mixtures(bits):
    """``f(planes, scales, levels, weights, tokens, out, first, last)``: values times weights.

    `weights` (heads, m, tokens or more); `out` (heads, blocks, m, padded d), zeros before: one part
    of the sums for each block.
    """
    codelet = simd_codes.combine(bits)

    @entry(f"kv_mixtures_{bits}")
    def run(planes, scales, levels, weights, tokens, out, first, last):
        plane, high = planes.shape[3], simd.address(levels)
        row, factors = bits * plane, np.empty((2, BLOCK), np.float32)
        blocks = (tokens + BLOCK - 1) // BLOCK
        for unit in range(first, last):
            head, block = unit // blocks, unit % blocks
            start = block * BLOCK
            count = min(BLOCK, tokens - start)
            _widen(scales[head, start : start + count], factors[0])
            source = simd.address(planes) + (head * planes.shape[1] + start) * row
            for q in range(weights.shape[1]):
                weight = weights[head, q, start : start + count]
                for i in range(count):
                    factors[1, i] = weight[i] * factors[0, i]
                to = simd.address(out[head, block, q])
                given = simd.address(factors[1])
                codelet(source, plane, row, high, given, plane // 2, to, count)

    return run

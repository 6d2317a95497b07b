"""Loops of randomized Hadamard rotations: rows stay in the first cache for all rounds."""

import functools

import numpy as np
from numba import types

from .._jit import address_of, caller, compiled_as, entry
from . import fwht, simd, simd_signs

_I64 = types.int64
_BASE = types.void(*[_I64] * 6)


@functools.cache
def transforms_at(dtype):
    """Addresses of the transforms that the loops call: of powers of two, and of base matrices."""
    return fwht.address(dtype, 1), address_of(fwht.base(dtype), _BASE)


BATCH = 4096  # numbers of rows that are transformed by one call, in the first cache


@functools.cache
def block(dtype):
    """``f(source, place, count, d, tables, inverse, ahead)``: rows at an address, to another one.

    `tables` is (signs, starts, span, (m, part), scales, at, codes). Round r changes the signs of
    the 1-bits of ``signs[r]``, multiplies by ``scales[0]`` and transforms the `span` entries from
    ``starts[r]`` on, times ``scales[1]``, in blocks of m * part entries; the inverse goes
    backwards, and only in place. `at` are `transforms_at`, `codes` the address of ``base_codes`` of
    the base matrix, or of its transpose for the inverse. Meanwhile as many rows from `ahead` on are
    asked for, half in each of the first two rounds, unless it is 0.
    """
    transform, base, flip = caller(fwht.SIGNATURE), caller(_BASE), simd_signs.flip(dtype)
    size = np.dtype(dtype).itemsize

    @compiled_as(f"rotations_block_{dtype}")
    def run(source, place, count, d, tables, inverse, ahead):
        signs, starts, span, (m, part), scales, at, codes = tables
        rounds, row = len(signs), d * size
        slabs = (part + fwht.BASE_COLUMNS - 1) // fwht.BASE_COLUMNS
        calls, length = count, span
        if span == d:  # the rows are one after the other
            calls, length = 1, count * d
        for step in range(rounds):
            r = rounds - 1 - step if inverse else step
            bits = simd.address(signs[r])
            if not inverse:
                start = place if step else source
                for i in range(count):
                    ask = ahead + i * row + step * (row // 2) if ahead and step < 2 else 0
                    flip(start + i * row, place + i * row, bits, d, scales[0], ask)
            for i in range(calls):
                here = place + i * row + starts[r] * size
                if part > 1 or scales[1] != 1:
                    transform(at[0], (here, here, length, part, 1, scales[1], -1, 0, 0))
                if m > 1:
                    base(at[1], (here, m, part, codes, 0, length // (m * part) * slabs))
            if inverse:
                for i in range(count):
                    ask = ahead + i * row + step * (row // 2) if ahead and step < 2 else 0
                    flip(place + i * row, place + i * row, bits, d, scales[0], ask)

    return run


@functools.cache
def rotate(dtype):
    """``f(x, out, tables, inverse, first, last)``: rows `first` to `last`; see `block`.

    `out` may be at the same place as `x`.
    """
    rows, size = block(dtype), np.dtype(dtype).itemsize

    @entry(f"rotations_{dtype}")
    def run(x, out, tables, inverse, first, last):
        d = x.shape[1]
        batch = max(1, BATCH // d)
        for i in range(first, last, batch):
            count = min(batch, last - i)
            source, place = simd.address(x) + i * d * size, simd.address(out) + i * d * size
            if inverse and source != place:
                for r in range(i, i + count):
                    for j in range(d):
                        out[r, j] = x[r, j]
                source = place
            ahead = source + count * d * size if i + 2 * batch <= last else 0
            rows(source, place, count, d, tables, inverse, ahead)

    return run

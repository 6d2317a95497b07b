"""Loops of randomized Hadamard rotations: rows stay in the first cache for all rounds."""

import functools

import numpy as np
from numba import types

from .._jit import address_of, caller, compiled_as, entry
from . import fwht, simd, simd_signs

_I64 = types.int64
_TRANSFORM = types.void(*[_I64] * 5, types.float64, *[_I64] * 3)
_BASE = types.void(*[_I64] * 6)


@functools.cache
def transforms_at(dtype):
    """Addresses of the transforms that the loops call: of powers of two, and of base matrices."""
    powers = address_of(fwht.transform("wht", dtype, 1).run, _TRANSFORM)
    return powers, address_of(fwht.base(dtype), _BASE)


@functools.cache
def row(dtype):
    """``f(source, place, d, signs, starts, span, shape, scales, at, codes, inverse, ahead)``.

    Rotates the row at the address `source` to that at `place`, the same for an inverse. Round r
    changes the signs of the 1-bits of ``signs[r]``, multiplies by ``scales[0]`` and transforms the
    `span` entries from ``starts[r]`` on, times ``scales[1]``, in blocks of m * part entries,
    ``shape = (m, part)``; the inverse goes backwards. `at` are
    `transforms_at`, `codes` the address of ``base_codes`` of the base matrix, or of its transpose
    for the inverse. Meanwhile `d` entries from `ahead` on are asked for, unless it is 0.
    """
    transform, base, flip = caller(_TRANSFORM), caller(_BASE), simd_signs.flip(dtype)
    size = np.dtype(dtype).itemsize

    @compiled_as(f"rotations_row_{dtype}")
    def run(source, place, d, signs, starts, span, shape, scales, at, codes, inverse, ahead):
        rounds, (m, part) = len(signs), shape
        blocks = (part + fwht.BASE_COLUMNS - 1) // fwht.BASE_COLUMNS
        for step in range(rounds):
            r = rounds - 1 - step if inverse else step
            ask = ahead if step == rounds - 1 else 0
            bits, here = simd.address(signs[r]), place + starts[r] * size
            if not inverse:
                flip(place if step else source, place, bits, d, scales[0], ask)
            if part > 1 or scales[1] != 1:
                transform(at[0], (here, here, span, part, 1, scales[1], -1, 0, 0))
            if m > 1:
                base(at[1], (here, m, part, codes, 0, span // (m * part) * blocks))
            if inverse:
                flip(place, place, bits, d, scales[0], ask)

    return run


@functools.cache
def rotate(dtype):
    """``f(x, out, signs, starts, span, shape, scales, at, codes, inverse, first, last)``.

    Rotates rows `first` to `last`; `out` may be at the same place as `x`; see `row` for the rest.
    """
    one_row, size = row(dtype), np.dtype(dtype).itemsize

    @entry(f"rotations_{dtype}")
    def run(x, out, signs, starts, span, shape, scales, at, codes, inverse, first, last):
        d = x.shape[1]
        for i in range(first, last):
            source, place = simd.address(x) + i * d * size, simd.address(out) + i * d * size
            if inverse and source != place:
                for j in range(d):
                    out[i, j] = x[i, j]
                source = place
            ahead = source + d * size if i + 1 < last else 0
            one_row(source, place, d, signs, starts, span, shape, scales, at, codes, inverse, ahead)

    return run

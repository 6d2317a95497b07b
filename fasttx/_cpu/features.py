"""Loops of random features: chains of Hadamard transforms, and cosines of many numbers."""

import functools
import math

import numpy as np

from .._jit import caller, compiled_as, entry
from . import fwht

# Terms of the series of sin(2 pi u), |u| <= 1/4, the first one left out below a rounding error.
_TERMS = {"float32": 7, "float64": 11}


@functools.cache
def _waves(dtype):
    """``f(x, phases, factor, cosines, sines)``: times `factor`, of ``x + 2 pi phases``.

    `sines` may be shorter than `cosines`.
    """
    one = np.dtype(dtype).type
    half, quarter, turn = one(0.5), one(0.25), one(0.5 / np.pi)
    powers = range(2 * _TERMS[dtype] - 1, 0, -2)
    top, *rest = (one((-1) ** (p // 2) * math.tau**p / math.factorial(p)) for p in powers)
    rest = tuple(rest)

    @compiled_as(f"features_sine_{dtype}")
    def sine(u):
        square = u * u
        total = top
        for c in rest:
            total = total * square + c
        return total * u

    @compiled_as(f"features_waves_{dtype}")
    def run(x, phases, factor, cosines, sines):
        for i in range(sines.size):
            t = x[i] * turn + phases[i]
            r = t - np.floor(t + half)
            folded = half - abs(r)
            folded = min(folded, abs(r))
            value = sine(folded) * factor
            sines[i] = -value if r < 0 else value
        for i in range(cosines.size):
            t = x[i] * turn + phases[i]
            r = t - np.floor(t + half)
            cosines[i] = sine(quarter - abs(r)) * factor

    return run


@functools.cache
def waves(dtype):
    """``f(x, phases, factor, out, first, last)``: rows of cosines, then of sines.

    `x` (n, m), `phases` (m,), `out` (n, k) with m <= k <= 2*m: of the cosines of all and of the
    sines of the first k - m.
    """
    line = _waves(dtype)

    @entry(f"features_{dtype}")
    def run(x, phases, factor, out, first, last):
        m = phases.size
        for row in range(first, last):
            line(x[row], phases, factor, out[row, :m], out[row, m:])

    return run


@functools.cache
def chain(dtype):
    """``f(x, scales, order, chains, at, out, first, last)``: products with chains of transforms.

    Chain c maps a row, padded with zeros, by ``scales[c, 0]``, H, ``scales[c, 1]``, H and so on to
    the last scales, all of length n; before the second scales, entries are taken in the order
    ``order[c]`` if there is one. `out` (rows, m) gets the first m entries of the chains' results.
    """
    call, zero = caller(fwht.SIGNATURE), np.dtype(dtype).type(0)

    @compiled_as(f"features_chain_row_{dtype}")
    def chain_row(x, scales, order, at, here, other):
        n, d = here.size, x.size
        scale = scales[0]
        for i in range(d):
            here[i] = x[i] * scale[i]
        for i in range(d, n):
            here[i] = zero
        for level in range(1, len(scales)):
            place, scale = np.int64(here.ctypes.data), scales[level]
            call(at, (place, place, n, n, 1, 1.0, -1, 0, 0))
            if level == 1 and order.size:
                for i in range(n):
                    other[i] = here[order[i]] * scale[i]
                here, other = other, here
            else:
                for i in range(n):
                    here[i] *= scale[i]
        return here

    @entry(f"features_chain_{dtype}")
    def run(x, scales, order, at, out, first, last):
        n, m = scales.shape[2], out.shape[1]
        here, other = np.empty(n, x.dtype), np.empty(n, x.dtype)
        for row in range(first, last):
            for c in range(len(scales)):
                result = chain_row(x[row], scales[c], order[c], at, here, other)
                target = out[row, c * n : min((c + 1) * n, m)]
                for i in range(target.size):
                    target[i] = result[i]

    return run

"""Spectra of real samples from those of half as many complex ones, in bit-reversed order.

With z[j] = x[2j] + i x[2j + 1] and its transform Z of m points, the spectrum of x at k and at m - k
follows from Z[k] and Z[m - k]. In bit-reversed order those are the places p and 3*2**l - 1 - p for
2**l <= p < 2**(l+1): one is read upwards and the other one downwards. Place 0 holds the two real
numbers X[0] and X[m], as real and imaginary part.
"""

import functools

import numpy as np
from llvmlite import ir
from numba.core import cgutils

from .._jit import caller, entry
from . import fft, plan, simd, simd_fft
from .simd_fft import theta, unit_root

_I64 = ir.IntType(64)
BLOCK = 256  # vectors of a unit of work, and numbers of the first table of twiddles


@functools.lru_cache(maxsize=32)
def twiddles(dtype, sign, m):
    """Factors sign*i*e(theta(p)/2) of the first places p, then a correction for each block.

    Factors lie by vectors of real parts and of imaginary parts; later blocks have the same ones,
    times e(theta(b)/(2 W BLOCK)).
    """
    width = plan.width(dtype)
    places = theta(width * min(BLOCK, max(1, m // width))).reshape(-1, width)
    low = 1j * sign * unit_root(places / 2, sign)
    high = unit_root(theta(max(1, m // (width * BLOCK))) / (2 * width * BLOCK), sign) - 1
    parts = [np.stack([x.real, x.imag], axis=1).ravel() for x in (low, high)]
    return np.concatenate(parts).astype(dtype)


class _Real(simd_fft.Complex):
    """IR that turns transforms of pairs into those of real samples (sign -1), or back (+1)."""

    def combine(self, a, b, t):
        """What goes to the places of a and of b: u + t v and conj(u - t v), u, v = a ± conj b."""
        u = self.add(a[0], b[0]), self.sub(a[1], b[1])
        v = self.times((self.sub(a[0], b[0]), self.add(a[1], b[1])), t)
        return self.plus(u, v), (self.sub(u[0], v[0]), self.sub(v[1], u[1]))


def _pairs(sign, dtype, width):
    """``f(low_src, high_src, low_dst, high_dst, count, table, high)``: vectors up and down."""

    def body(builder, src, src_high, dst, dst_high, count, table, high):
        emit = _Real(builder, dtype, width, sign)
        size, step = emit.dtype.itemsize, _I64(2 * emit.line)
        high = [emit.load_splat(builder.add(high, _I64(part * size))) for part in (0, 1)]
        with cgutils.for_range(builder, count) as at:
            forth = builder.mul(at.index, step)
            t = emit.take(builder.add(table, forth), "s")
            t = emit.plus(t, emit.times(t, high))
            a = emit.take(builder.add(src, forth), "i")
            b = emit.take(builder.sub(src_high, forth), "i", backwards=True)
            a, b = emit.combine(a, b, t)
            emit.put(a, builder.add(dst, forth), "i")
            emit.put(b, builder.sub(dst_high, forth), "i", backwards=True)

    def call(builder, *args):
        label = f"fasttx.real{'+' if sign > 0 else '-'}.{np.dtype(dtype).name}.x{width}"
        builder.call(simd.subroutine(builder.module, label, 7, body), args)

    return simd.from_integers(7, call)


def _heads(sign, dtype, width):
    """``f(src, dst, count, m)``: rows of m <= 2*width, `count` blocks of 2*width numbers."""

    def loop(m):
        place = np.arange(2 * width)
        row, p = place - place % m, place % m
        octave = 1 << np.floor(np.log2(np.maximum(p, 1))).astype(int)
        partner = row + np.where(p == 0, 0, 3 * octave - 1 - p)

        def body(builder, src, dst, count):
            emit = _Real(builder, dtype, width, sign)
            factors = 1j * sign * unit_root(theta(2 * width)[p] / 2, sign)
            with cgutils.for_range(builder, count) as at:
                here = builder.mul(at.index, _I64(4 * emit.line))
                v = [
                    emit.take(builder.add(src, builder.add(here, _I64(2 * h * emit.line))), "i")
                    for h in (0, 1)
                ]
                for h in (0, 1):
                    lanes = slice(h * width, (h + 1) * width)
                    other = tuple(
                        emit.both(v[0][part], v[1][part], partner[lanes]) for part in (0, 1)
                    )
                    out, _ = emit.combine(v[h], other, emit.constants(factors[lanes]))
                    if (p[lanes] == 0).any():
                        a = v[h] if sign > 0 else emit.plus(v[h], v[h])
                        first = emit.add(*a), emit.sub(*a)
                        zero = emit.mask(p[lanes] == 0)
                        out = tuple(
                            builder.select(zero, f, x) for f, x in zip(first, out, strict=True)
                        )
                    target = builder.add(dst, builder.add(here, _I64(2 * h * emit.line)))
                    emit.put(out, target, "i")

        return body

    def choose(builder, src, dst, count, m):
        label = f"fasttx.real{'+' if sign > 0 else '-'}.{np.dtype(dtype).name}.x{width}.rows"
        sizes = [1 << k for k in range((2 * width).bit_length())]
        functions = {r: simd.subroutine(builder.module, f"{label}{r}", 3, loop(r)) for r in sizes}
        simd.switch(builder, m, functions, [src, dst, count])

    return simd.from_integers(4, choose)


@functools.cache
def combine(sign, dtype):
    """``f(src, dst, m, table, first, last)`` on rows of m complex numbers, in units of `BLOCK`.

    With sign -1, twice the spectra of real samples from the transforms of their pairs; with +1,
    twice those transforms from the spectra. Each row has ``units(m)`` units of work. Rows of at
    most ``2*width`` numbers have one each.
    """
    size, width = 2 * np.dtype(dtype).itemsize, plan.width(dtype)
    pairs, heads = _pairs(sign, dtype, width), _heads(sign, dtype, width)
    copy, tail_scratch = simd.multiply(dtype, width), simd.buffer(2 * width * size)
    line, wide = width * size, 2 * width

    @entry(f"real{'+' if sign > 0 else '-'}_{np.dtype(dtype).name}")
    def run(src, dst, m, table, first, last):
        src, dst, table = simd.address(src), simd.address(dst), simd.address(table)
        if m <= wide:
            src, dst, count = src + first * m * size, dst + first * m * size, (last - first) * m
            whole = count // wide
            heads(src, dst, whole, m)
            if whole * wide < count:
                done, tail = whole * wide * size, tail_scratch()
                copy(src + done, tail, 2 * (count - whole * wide), 1.0)
                heads(tail, tail, 1, m)
                copy(tail, dst + done, 2 * (count - whole * wide), 1.0)
            return
        blocks = (m // width + BLOCK - 1) // BLOCK
        for unit in range(first, last):
            block, here = unit % blocks, unit // blocks * m * size
            start, octave = block * BLOCK, 2
            if block == 0:
                heads(src + here, dst + here, 1, wide)
                start = 2
            while 2 * octave <= start:
                octave *= 2
            # Octaves of vectors: the first half of one meets its second half, backwards.
            while start < min(m // width, block * BLOCK + BLOCK):
                count = min(octave + octave // 2, block * BLOCK + BLOCK) - start
                if count > 0:
                    low, high = here + start * line, here + (3 * octave - 1 - start) * line
                    near = table + start % BLOCK * line
                    far = table + min(BLOCK, m // width) * line + block * size
                    pairs(src + low, src + high, dst + low, dst + high, count, near, far)
                octave *= 2
                start = octave

    return run


@functools.cache
def rows(kind, dtype):
    """``f(src, dst, m, table, scale, roots, alone, run)``: real rows to packed spectra, or back.

    Rows of m > 1 complex numbers, flat, by blocks that stay in cache. A split takes a real array.
    `table` and `scale` are as for ``fft.transform``, `roots` are from `twiddles` here, `alone` is
    an empty array of int64 and `run` the address of that transform.
    """
    split, sign = kind == "split", -1 if kind == "split" else 1
    call, both = caller(fft.signature(dtype)), combine(sign, dtype)
    block = plan.l2_block() // (2 * np.dtype(dtype).itemsize)
    pair = np.complex64 if dtype == "float32" else np.complex128
    per_unit = BLOCK * plan.width(dtype)

    @entry(f"real_{kind}_{np.dtype(dtype).name}")
    def real(src, dst, m, table, scale, roots, alone, run):
        src, step = src.view(pair), max(m, block // m * m)
        for start in range(0, dst.size, step):
            here, there = src[start : start + step], dst[start : start + step]
            number = here.size // m * max(1, (m + per_unit - 1) // per_unit)
            if not split:
                both(here, there, m, roots, 0, number)
                here = there
            call(run, (here, there, here.size, m, table, scale, 0, False, alone))
            if split:
                both(there, there, m, roots, 0, number)

    return real


def units(m, dtype):
    """Units of work in a row of m complex numbers."""
    return max(1, -(-m // (plan.width(dtype) * BLOCK)))

"""Circular and skew-circular convolution of rows with fixed spectra, each row while it is in cache.

A row of n real samples modulo x**n + 1 is one of n/2 complex numbers modulo x**(n/2) - i, since i
stands for x**(n/2): its halves are the real and the imaginary parts. A convolution modulo
x**n - 1 takes two real rows at a time as one complex row. Both come and go parted.
"""

import functools

import numpy as np

from .._jit import entry, inlined
from . import fft, plan, simd, simd_fft

HALVES, PAIRS, COMPLEX = 0, 1, 2  # what makes up a row of complex numbers


@functools.cache
def convolve(dtype):
    """``run(src, dst, m, length, ...)``: rows of m samples to rows of the first `length` results.

    `src` and `dst` are flat real arrays of C-contiguous (batch, channels, samples), `work` and
    `reals` the same memory of `points` complex numbers as complex and as real array. `spectra`
    holds a row of `points` for each channel. With `keep`, flags of shape (channels, blocks), only
    some blocks of a spectrum are other than zero. `number` is that of the rows as blocks: 0 modulo
    x**n - 1, 1 modulo x**n + 1, 3 modulo x**n - i. A unit is a row, or a pair of rows.
    """
    width, size = plan.width(dtype), 2 * np.dtype(dtype).itemsize
    split, merge = (fft.transform(k, s, dtype).run for k, s in (("split", -1), ("merge", 1)))
    radices = [r for r in (2, 4, 8) if r <= fft.vectors()]
    down, up = (
        simd_fft.passes(k, s, dtype, width, radices, "ss") for k, s in (("split", -1), ("merge", 1))
    )
    products = simd_fft.products(dtype, width)
    row_at = fft.rows_of_twiddles(dtype)
    row_scratch = simd.buffer(fft.row_bytes(dtype))
    most = radices[-1]

    @inlined
    def load(reals, part, src, start, stride, count, points):
        """Real or imaginary parts of the row from `count` numbers, then zeros."""
        whole = count // width
        for u in range(whole):
            for t in range(width):
                reals[(2 * u + part) * width + t] = src[start + stride * (u * width + t)]
        for u in range(whole, points // width):
            for t in range(width):
                reals[(2 * u + part) * width + t] = 0
        for i in range(whole * width, count):
            reals[(2 * whole + part) * width + i % width] = src[start + stride * i]

    @inlined
    def store(reals, part, dst, start, stride, count):
        whole = count // width
        for u in range(whole):
            for t in range(width):
                dst[start + stride * (u * width + t)] = reals[(2 * u + part) * width + t]
        for i in range(whole * width, count):
            dst[start + stride * i] = reals[(2 * whole + part) * width + i % width]

    @inlined
    def top(work, points, blocks, number, table, forth):
        """The levels above so many blocks."""
        done = 1
        while done < blocks:
            radix, here = min(most, blocks // done), done
            if not forth:
                here = blocks // (done * radix)
            span = points // here
            step = span // radix * size
            for k in range(here):
                place = simd.address(work) + k * span * size
                row = row_at(simd.address(table), number * here + k, row_scratch(), 1)
                if forth:
                    down(radix, place, step, place, step, span // radix, row, fft.ONE, 0)
                else:
                    up(radix, place, step, place, step, span // radix, row, fft.ONE, 0)
            done *= radix

    @entry(f"convolve_{np.dtype(dtype).name}")
    def run(
        src,
        dst,
        m,
        length,
        mode,
        work,
        reals,
        spectra,
        channels,
        number,
        tables,
        keep,
        conjugate,
        first,
        last,
    ):
        points, table, back = work.size, tables[0], tables[1]
        blocks = max(1, keep.size // channels)
        for unit in range(first, last):
            channel, row, other = unit % channels, unit, -1
            if mode == PAIRS:
                row = unit // channels * 2 * channels + channel
                if (row + channels + 1) * m <= src.size:
                    other = row + channels
            if mode == COMPLEX:
                load(reals, 0, src, 2 * row * m, 2, m, points)
                load(reals, 1, src, 2 * row * m + 1, 2, m, points)
            elif mode == HALVES:
                load(reals, 0, src, row * m, 1, min(m, points), points)
                load(reals, 1, src, row * m + points, 1, max(0, m - points), points)
            else:
                load(reals, 0, src, row * m, 1, m, points)
                load(reals, 1, src, other * m, 1, m if other >= 0 else 0, points)
            top(work, points, blocks, number, table, True)
            part = points // blocks
            for k in range(blocks):
                piece = work[k * part : (k + 1) * part]
                if keep.size and not keep[channel * blocks + k]:
                    piece[:] = 0
                    continue
                at = number * blocks + k
                split(piece, piece, part, part, table, fft.ONE, at, True, -1, 0, 0)
                here = simd.address(piece)
                factors = simd.address(spectra) + (channel * points + k * part) * size
                products(here, factors, here, part, conjugate)
                merge(piece, piece, part, part, back, fft.ONE, at, True, -1, 0, 0)
            top(work, points, blocks, number, back, False)
            if mode == COMPLEX:
                store(reals, 0, dst, 2 * row * length, 2, length)
                store(reals, 1, dst, 2 * row * length + 1, 2, length)
            elif mode == HALVES:
                store(reals, 0, dst, row * length, 1, min(length, points))
                store(reals, 1, dst, row * length + points, 1, max(0, length - points))
            else:
                store(reals, 0, dst, row * length, 1, length)
                if other >= 0:
                    store(reals, 1, dst, other * length, 1, length)

    return run

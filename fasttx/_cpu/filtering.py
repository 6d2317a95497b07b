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


def _loader(width):
    """``load(reals, part, src, base, stride, first, last, points)``."""

    @inlined
    def load(reals, part, src, base, stride, first, last, points):
        """Place i of the parts from ``src[base + stride*i]``, first <= i < last, else zeros."""
        first, last = min(points, max(first, 0)), max(0, min(last, points))
        begin, end = (first + width - 1) // width, last // width
        for u in range(points // width):
            place = (2 * u + part) * width
            if begin <= u < end:
                for t in range(width):
                    reals[place + t] = src[base + stride * (u * width + t)]
            else:
                for t in range(width):
                    i = u * width + t
                    reals[place + t] = src[base + stride * i] if first <= i < last else 0

    return load


@functools.cache
def spectra(dtype):
    """``run(src, m, mode, points, out, reals, number, table, scale, alone, first, last)``.

    Spectra of rows of m samples, one row of `points` in `out` for each of `src`, times a factor;
    `reals` is `out` as real array. The other arguments are as for `convolve`.
    """
    split, load = fft.transform("split", -1, dtype), _loader(plan.width(dtype))

    @entry(f"spectra_{np.dtype(dtype).name}")
    def run(src, m, mode, points, out, reals, number, table, scale, alone, first, last):
        for row in range(first, last):
            piece = out[row * points : (row + 1) * points]
            parts = reals[2 * row * points : 2 * (row + 1) * points]
            if mode == COMPLEX:
                load(parts, 0, src, 2 * row * m, 2, 0, m, points)
                load(parts, 1, src, 2 * row * m + 1, 2, 0, m, points)
            else:
                second = m - points if mode == HALVES else 0
                load(parts, 0, src, row * m, 1, 0, m, points)
                load(parts, 1, src, row * m + points, 1, 0, second, points)
            split(piece, piece, points, points, table, scale, number, True, alone)

    return run


@functools.cache
def convolve(dtype):
    """``run(src, dst, m, length, ...)``: rows of m samples to rows of `length` results.

    `src` and `dst` are flat real arrays of C-contiguous (batch, channels, samples), `work` and
    `reals` the same memory of `points` complex numbers as complex and as real array. `spectra`
    holds a row of `points` for each channel. With `keep`, flags of shape (channels, blocks), only
    some blocks of a spectrum are other than zero. `number` is that of the rows as blocks: 0 modulo
    x**n - 1, 1 modulo x**n + 1, 3 modulo x**n - i.

    Results come by windows: results `back` and later of window w, which begins with sample
    ``w*step - origin``, are those from ``w*step`` on, `step` of them. Beyond a row there are zeros.
    A unit of work is a window of a row, or of a pair of rows.
    """
    width, size = plan.width(dtype), 2 * np.dtype(dtype).itemsize
    split, merge = (fft.transform(k, s, dtype) for k, s in (("split", -1), ("merge", 1)))
    radices = [r for r in (2, 4, 8) if r <= fft.vectors()]
    down, up = (
        simd_fft.passes(k, s, dtype, width, radices, "ss") for k, s in (("split", -1), ("merge", 1))
    )
    products = simd_fft.products(dtype, width)
    row_at = fft.rows_of_twiddles(dtype)
    row_scratch = simd.buffer(fft.row_bytes(dtype))
    most, load = radices[-1], _loader(width)

    @inlined
    def store(reals, part, dst, base, stride, first, last, points):
        """Place i of the parts to ``dst[base + stride*i]``, first <= i < last."""
        first, last = min(points, max(first, 0)), max(0, min(last, points))
        begin, end = (first + width - 1) // width, last // width
        for u in range(first // width, (last + width - 1) // width):
            place = (2 * u + part) * width
            if begin <= u < end:
                for t in range(width):
                    dst[base + stride * (u * width + t)] = reals[place + t]
            else:
                for i in range(max(first, u * width), min(last, (u + 1) * width)):
                    dst[base + stride * i] = reals[place + i % width]

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
        shape,
        windows,
        mode,
        work,
        reals,
        spectra,
        channels,
        number,
        tables,
        keep,
        conjugate,
        alone,
        first,
        last,
    ):
        m, length = shape
        step, origin, back = windows
        points, table, onward = work.size, tables[0], tables[1]
        blocks, count = max(1, keep.size // channels), (length + step - 1) // step
        for unit in range(first, last):
            row, window = unit // count, unit % count
            channel, other = row % channels, -1
            if mode == PAIRS:
                row = row // channels * 2 * channels + channel
                if (row + channels + 1) * m <= src.size:
                    other = row + channels
            start, begin = window * step - origin, window * step - back
            end, until = m - start, back + min(step, length - window * step)
            one, two = row * m + start, row * length + begin
            if mode == COMPLEX:
                load(reals, 0, src, 2 * one, 2, -start, end, points)
                load(reals, 1, src, 2 * one + 1, 2, -start, end, points)
            elif mode == HALVES:
                load(reals, 0, src, one, 1, -start, end, points)
                load(reals, 1, src, one + points, 1, -start - points, end - points, points)
            else:
                load(reals, 0, src, one, 1, -start, end, points)
                here = end if other >= 0 else 0
                load(reals, 1, src, other * m + start, 1, -start, here, points)
            top(work, points, blocks, number, table, True)
            part = points // blocks
            for k in range(blocks):
                piece = work[k * part : (k + 1) * part]
                if keep.size and not keep[channel * blocks + k]:
                    piece[:] = 0
                    continue
                at = number * blocks + k
                split(piece, piece, part, part, table, fft.ONE, at, True, alone)
                here = simd.address(piece)
                factors = simd.address(spectra) + (channel * points + k * part) * size
                products(here, factors, here, part, conjugate)
                merge(piece, piece, part, part, onward, fft.ONE, at, True, alone)
            top(work, points, blocks, number, onward, False)
            if mode == COMPLEX:
                store(reals, 0, dst, 2 * two, 2, back, until, points)
                store(reals, 1, dst, 2 * two + 1, 2, back, until, points)
            elif mode == HALVES:
                store(reals, 0, dst, two, 1, back, until, points)
                store(reals, 1, dst, two + points, 1, back - points, until - points, points)
            else:
                store(reals, 0, dst, two, 1, back, until, points)
                if other >= 0:
                    store(reals, 1, dst, other * length + begin, 1, back, until, points)

    return run

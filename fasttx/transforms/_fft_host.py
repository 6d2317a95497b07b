"""From NumPy arrays of any layout to the loops of the Fourier transform without bit reversal."""

import math
import struct
from functools import partial

import numpy as np

from .. import _threads
from .._array import dense_order
from .._cpu import bit_reversal, fft, fft_columns, fft_real, plan
from ._host import through_scratch

REAL = {np.dtype(np.complex64): "float32", np.dtype(np.complex128): "float64"}


def scale_bits(scale: float) -> int:
    """The bits of a float64, as loops take it."""
    return struct.unpack("q", struct.pack("d", scale))[0]


def apply(
    kind: str,
    sign: int,
    src: np.ndarray,
    out: np.ndarray,
    axis: int,
    *,
    scale: float = 1.0,
    workers: int = 1,
) -> None:
    """Write a "split" or a "merge" of `src` to the complex `out`: the same array, or one apart."""
    if out.size == 0:
        return
    task = partial(_dense, kind, sign, scale=scale)
    axes = dense_order(out)
    if axes is None:
        through_scratch(task, src, out, axis, workers, False)
        return
    dense = out.transpose(axes)
    source = dense if src is out else src.transpose(axes)
    if not (source.flags.c_contiguous and src.flags.writeable and src.dtype == out.dtype):
        np.copyto(out, src, casting="unsafe")
        source = dense
    task(source, dense, axes.index(axis), workers=workers)


def _dense(kind, sign, src, out, axis, *, scale, workers) -> None:
    real, n, inner = REAL[out.dtype], out.shape[axis], math.prod(out.shape[axis + 1 :])
    flat, bits = out.reshape(-1), scale_bits(scale)
    if n == 1:
        np.multiply(src, out.real.dtype.type(scale), out=out)
        return
    if inner == 1:
        rows(kind, sign, flat if src is out else src.reshape(-1), flat, n, bits, workers)
        return
    if src is not out:
        np.copyto(out, src)
    loops, table = fft_columns.transform(kind, sign, real), fft.twiddles(real, sign, n)
    if workers == 1:
        loops.run(flat, out.size, n, inner, table, bits, -1, 0, 0)
        return
    stages = [
        (partial(loops.run, flat, out.size, n, inner, table, bits, stage), units)
        for stage, units in enumerate(loops.stages(out.size, n, inner))
    ]
    _threads.in_turn(stages, workers)


def rows(kind, sign, src, dst, n, bits, workers, number=0, parted=False) -> None:
    """Flat complex arrays of rows of n numbers, see ``fft.transform``."""
    run, total = fft.transform(kind, sign, REAL[dst.dtype]), dst.size
    table = tables(sign, dst.dtype, n, number)
    call = partial(run, src, dst, total, n, table, bits, number, parted)
    if workers == 1:
        call(fft.ALONE)
    else:
        _threads.together(call, fft.stages(REAL[dst.dtype], n), workers)


def tables(sign, dtype, n, number=0):
    """Twiddles for rows of n numbers of that complex dtype, as blocks of that number."""
    real = REAL[dtype]
    return fft.twiddles(real, sign, max(1, (number + 1) * n // fft.leaf_points(real)))


def row_plan(kind, sign, dtype, n, scale):
    """Loops, tables and bits of the scale for rows of n numbers."""
    return fft.transform(kind, sign, REAL[dtype]), tables(sign, dtype, n), scale_bits(scale)


def real_plan(kind, dtype, n, scale):
    """Loop and its last arguments for rows of n real samples, of spectra of that dtype."""
    sign, scale = (-1, scale / 2) if kind == "split" else (1, scale)
    real, m = REAL[dtype], n // 2
    table, roots = tables(sign, dtype, m), fft_real.twiddles(real, sign, m)
    ends = fft.ALONE, fft.address(kind, sign, real)
    return fft_real.rows(kind, real), (table, scale_bits(scale), roots, *ends)


def real_rows(kind, src, dst, n, scale, workers):
    """Packed spectra ("split") of C-contiguous rows of n real samples, or back ("merge").

    `src` and `dst` are flat complex arrays and may be the same; rows that stay in cache are done
    one after the other.
    """
    if not dst.size:
        return
    m, real = n // 2, REAL[dst.dtype]
    run, tail = real_plan(kind, dst.dtype, n, scale)
    _, bits, roots, *_ = tail
    if dst.size > m > 1 and dst[:m].nbytes <= plan.l2_block():
        each = n if kind == "split" else m
        lines = src.view(real) if kind == "split" else src

        def some(first, last):
            there = dst[first * m : last * m]
            run(lines[first * each : last * each], there, m, *tail)

        _threads.share(some, dst.size // m, workers)
        return
    sign = -1 if kind == "split" else 1
    combine = fft_real.combine(sign, real)
    units = dst.size // m * fft_real.units(m, real)
    if kind == "merge":
        _threads.share(partial(combine, src, dst, m, roots), units, workers)
        src = dst
    if m > 1:
        rows(kind, sign, src, dst, m, bits, workers)
    else:
        np.multiply(src, dst.real.dtype.type(scale / 2 if kind == "split" else scale), out=dst)
    if kind == "split":
        _threads.share(partial(combine, dst, dst, m, roots), units, workers)


_BITS = {1: np.uint8, 2: np.uint16, 4: np.uint32, 8: np.uint64, 16: np.complex128}


def bit_reverse(src: np.ndarray, out: np.ndarray, axis: int, workers: int) -> None:
    """Write `src` with bit-reversed `axis` to `out`, both C-contiguous: the same, or apart."""
    n, inner = out.shape[axis], math.prod(out.shape[axis + 1 :])
    if out.size == 0:
        return
    kind = _BITS[out.dtype.itemsize]
    source: np.ndarray = src.reshape(-1).view(kind)
    flat: np.ndarray = out.reshape(-1).view(kind)
    levels = n.bit_length() - 1
    bits = bit_reversal.tile_bits(levels, out.dtype.itemsize)
    if inner > 1 or bits < 2:
        order = bit_reversal.reversed_bits(n)
        task = partial(bit_reversal.rows(kind), source, flat, order, inner)
        _threads.share(task, flat.size // inner, workers)
        return
    short = bit_reversal.reversed_bits(1 << bits)
    middle = bit_reversal.reversed_bits(n >> (2 * bits))
    task = partial(bit_reversal.tiles(kind), source, flat, short, middle, n)
    _threads.share(task, flat.size // n * middle.size, workers)

"""Packed spectra of real samples on a GPU, from transforms of half as many complex numbers.

As in `_cpu/fft_real.py`: samples 2j and 2j + 1 are the parts of number j, and the spectrum at a
place follows from the transform there and at the *partner*, whose index differs in all bits below
the leading one. Rows that fit in a tile find their partners through shared memory; longer ones
take a pass of their own for it.
"""

import functools
import math

import numba
import numpy as np

from . import (
    NumbaArray,
    check_dtype,
    codelets,
    fft,
    fft_kernel,
    launch,
    memory,
    tiles,
    trace,
    transposition,
    wrap,
)
from .memory import KINDS, SIMULATED, VECTOR_BYTES, Kernel

MAX_LEVELS = fft.MAX_LEVELS
COMPLEX = {"float32": "complex64", "float64": "complex128"}
REAL = {name: real for real, name in COMPLEX.items()}


def rfft(x, axis: int, scale: float):
    """Packed spectra along one axis of a device array of float32 or float64, times a factor."""
    return _along(x, axis, False, scale)


def irfft(x, axis: int, scale: float):
    """Samples along one axis from packed spectra of complex64 or complex128, times a factor."""
    return _along(x, axis, True, scale)


def check(x, inverse: bool, overwrite_x: bool = False) -> NumbaArray:
    """The wrapper of a device array that can be transformed, and written to if asked."""
    return check_dtype(wrap(x, overwrite_x), REAL if inverse else COMPLEX)


def _along(x, axis, inverse, scale):
    given = check(x, inverse)
    shape, n = given.shape, given.shape[axis]
    outer, inner = math.prod(shape[:axis]), math.prod(shape[axis + 1 :])
    length = 2 * n if inverse else n // 2
    out = (*shape[:axis], length, *shape[axis + 1 :])
    with given.context():
        src = given if given.contiguous else given.compact()
        if inner > 1:
            src = transposition.transpose(src, outer, n, inner, (outer, inner, n))
        dst = src.empty((outer * inner, length), (REAL if inverse else COMPLEX)[given.dtype])
        if dst.size:
            _rows(src, dst, n if inverse else length, inverse, scale)
        if inner > 1:
            dst = transposition.transpose(dst, outer, inner, length, out)
        return dst.reshape(out).array


def _rows(src, dst, m, inverse, scale):
    """Rows of m complex numbers, or of 2*m real ones."""
    kind = src.dtype if inverse else dst.dtype
    levels, count, stream = m.bit_length() - 1, src.size * KINDS[src.dtype].parts, dst.stream()
    scale = scale if inverse else scale / 2
    given = KINDS[kind]
    if levels <= codelets.TILE[codelets.element_bytes(kind, True)]:
        wide = (src.address | dst.address) % VECTOR_BYTES == 0
        wide = wide and codelets.layout(kind, levels, paired=True).vector <= levels
        kernel = transform(kind, levels, inverse=inverse, wide=wide)
        rows = count // (2 * m)
        blocks = max(-(-rows >> kernel.form.bits - levels), launch.MIN_BLOCKS)
        table = fft.roots(-1, m, given.number, dst.device)
        kernel.launch[blocks, kernel.form.threads, stream](
            dst.flat(),
            src.flat(),
            table,
            np.int64(rows),
            np.int32(0),
            getattr(np, given.number)(scale),
        )
        return
    combine = _combiner(given.number, levels, inverse)
    if inverse:
        launch.over(combine, count // 4, stream, dst.flat(), src.flat(), np.int64(count // 4))
        src = dst
    fft.rows(kind, src, dst, m, inverse, 1 if inverse else -1, scale)
    if not inverse:
        launch.over(combine, count // 4, stream, dst.flat(), dst.flat(), np.int64(count // 4))


@functools.cache
def transform(
    kind: str,
    levels: int,
    *,
    inverse: bool = False,
    wide: bool = True,
    shuffles: bool = not SIMULATED,
) -> Kernel:
    """Kernel for rows of ``2**levels`` complex numbers that fit in a tile.

    Parameters
    ----------
    kind : {"complex64", "complex128"}
    levels : int
    inverse : bool
        From spectra to samples.
    wide, shuffles : bool
        As for `fft_kernel.transform`.

    Returns
    -------
    Kernel
        ``launch`` is the kernel, of arguments ``(dst, src, roots, rows, zero, scale)``: flat
        arrays, `roots` as by `fft_kernel.roots` for ``2**levels`` blocks and the sign -1, and the
        number 0.
    """
    given = KINDS[kind]
    form = codelets.layout(kind, levels, paired=True)

    def body(m, dst, src, roots, rows, zero, scale):
        tile = codelets.Tile(
            m, form, given.number, 2, swapped=not inverse, shuffles=shuffles, gathers=True
        )
        length, inner = m.constant(1 << levels, "int64"), m.constant(1, "int64")
        place = tiles.Places(tile, levels, 0, "rows", length, inner, rows)
        fourier = fft_kernel.Fourier(place, 1 if inverse else -1, roots, conjugated=inverse)
        place.load(src, given.read, wide, 2)
        if not inverse:
            fourier.split()
        _meet_partners(place, roots, inverse, wide, zero)
        if inverse:
            fourier.merge()
        tile.scale(scale)
        place.store(dst, given.written, wide, parts=2)

    array, number = trace.flat(given.number), getattr(numba, given.number)
    name = f"rfft_{kind}_{levels}_{'merge' if inverse else 'split'}"
    signature = array, array, array, numba.int64, numba.int32, number
    return trace.kernel(name, body, signature, form)


def _meet_partners(place, roots, inverse, wide, zero):
    """Twice the spectra in place of transforms, or the reverse."""
    tile, m, name = place.tile, place.m, place.tile.number.name
    width = tile.form.width if wide else 1
    factors: list[list] = []

    def point(k):
        return place.point(tile.at + tile.offset(k))

    def below(index):
        """All bits below the leading one."""
        for step in (1, 2, 4, 8):
            index = index | index >> step
        return index >> 1

    def combine(k, other):
        if k % width == 0:
            at = m.convert(point(k), "int64")
            numbers = m.load(roots, at * 2, name, name, 2 * width)
            factors[:] = [numbers[i : i + 2] for i in range(0, 2 * width, 2)]
        x, first = tile.values[k], point(k) == 0
        one, _ = _combined(x, other, factors[k % width], inverse)
        ends = [x[0] + x[1], x[0] - x[1]]
        if not inverse:
            ends = [end + end for end in ends]
        return [m.where(first, end, y) for end, y in zip(ends, one, strict=True)]

    # Of bits apart, what is below the leading one is so for either.
    rest = (1 << place.levels) - 1
    tile.gather(below(place.point(tile.at)), lambda k: below(tile.offset(k) & rest), combine, zero)


def _combined(a, b, root, inverse):
    """What goes to the places of a and of its partner b."""
    plus, minus = [a[0] + b[0], a[1] - b[1]], [a[0] - b[0], a[1] + b[1]]
    factor = [root[1], root[0]] if inverse else [root[1], -root[0]]  # -i w, or i / w
    turned = fft_kernel.times(minus, factor)
    return (
        [plus[0] + turned[0], plus[1] + turned[1]],
        [plus[0] - turned[0], turned[1] - plus[1]],
    )


@functools.cache
def _combiner(number, levels, inverse):
    """Kernel: a thread takes two places that are partners, of a row longer than a tile."""

    def body(m, dst, src, count):
        pair = m.block * launch.THREADS + m.thread
        t = pair & (1 << levels - 1) - 1
        row = (pair - t) * 2
        high = t
        for step in (1, 2, 4, 8, 16):
            high = high | high >> step
        high = high + 1 >> 1  # the leading bit of t
        first = t == 0  # places 0 and 1
        p = t + high
        q = m.where(first, 1, 6 * high - 1 - p)

        def both():
            a, b = (m.load(src, (row + i) * 2, number, number, 2) for i in (p, q))
            reverse = m.convert(m.reverse(m.convert(p, "uint32")) >> 32 - levels, "int64")
            angle = m.convert(reverse, number) * (-1.0 / (1 << levels))
            root = [m.library(name, angle) for name in ("cospi", "sinpi")]
            x, y = _combined(a, b, root, inverse)
            ends, twice = [a[0] + a[1], a[0] - a[1]], [b[0] + b[0], -(b[1] + b[1])]
            if not inverse:
                ends = [end + end for end in ends]
            x = [m.where(first, end, z) for end, z in zip(ends, x, strict=True)]
            y = [m.where(first, end, z) for end, z in zip(twice, y, strict=True)]
            m.store(dst, (row + p) * 2, x, number)
            m.store(dst, (row + q) * 2, y, number)

        m.when(pair < count, both)

    array = trace.flat(number)
    return trace.kernel("rfft_partners", body, (array, array, numba.int64)).launch


def ptx(kind: str, levels: int, *, cc: tuple[int, int] = (8, 0), **options) -> str:
    """PTX of a kernel for compute capability `cc`; needs NVVM, no driver and no device."""
    return memory.ptx(transform(kind, levels, **options), cc)

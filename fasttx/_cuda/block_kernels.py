"""The kernels of block formats on a GPU: rotation, scales and elements in one pass.

A row is taken in pieces of the size of a block or of a group that is rotated, whichever is larger;
a tile is a power of two of pieces. A thread holds vectors of a block as they came from memory. The
lanes that hold a block find its largest magnitude by shuffles, and each of them makes the scale of
another of the thread's blocks.
"""

import functools
from typing import Any, NamedTuple

import numba
import numpy as np

from . import codelets, fwht_kernel, tiles, trace
from .blocks import Blocks, load_single
from .grids import CHANCE
from .memory import KINDS, Kernel
from .packed import Packed, word

GOLDEN = 0x9E3779B97F4A7C15
TABLE = 256  # scales that a byte stands for
LEAST_SIGNS = 16  # numbers of a table of signs: a vector of half-precision numbers


class Form(NamedTuple):
    """A block format, as far as kernels go.

    Attributes
    ----------
    element, scale : tuple
        From `grids`.
    block, rotation : int
        Bits of the size of blocks, and of groups that are rotated (0: none are).
    signed : bool
        Whether rotated numbers are first multiplied by a table of signs over sqrt(size).
    tensor : bool
        Whether scales are divided by one of the tensor.
    random : bool
        Whether elements are rounded by chance.
    """

    element: Any
    scale: Any
    block: int
    rotation: int
    signed: bool
    tensor: bool
    random: bool = False

    @property
    def piece(self) -> int:
        """Bits of a piece."""
        return max(self.block, self.rotation)


@functools.cache
def encode(kind: str, fmt: Form, *, flat: bool, wide: bool) -> Kernel:
    """Kernel from numbers to codes.

    Parameters
    ----------
    kind : str
        A name in `memory.KINDS` of real floats.
    fmt : Form
    flat : bool
        Whether pieces follow each other without gaps, or rows end inside of pieces.
    wide : bool
        Whether vectors of 16 bytes are read.

    Returns
    -------
    Kernel
        Of arguments ``(elements, scales, zeros, x, signs, table, tensor, length, stored, pieces,
        seed)``: flat arrays; elements in the units of `unit`; factors by scales of 8 bits; the
        length of rows, before and after their last group is filled up; pieces in all; the seed of
        random bits.
    """
    given, form = KINDS[kind], _layout(kind, fmt)

    def body(m, elements, scales, zeros, x, signs, table, tensor, length, stored, pieces, seed):
        tile, place = _load(m, kind, fmt, form, x, flat, wide, length, pieces)
        packed = Packed(place, fmt.element.bits, flat, stored)
        gain = _rotate(place, fmt, signs)
        blocks = Blocks(tile, fmt.block)
        values = [x for (x,) in tile.values]
        figures = _figures(m, blocks, values, fmt.scale.affine, gain)
        shared = m.load(tensor, m.constant(0, "int64"), "float32", "float32") if fmt.tensor else []

        def load(code):
            code = m.convert(code, "int64")
            return m.load(table, code, "float32", "float32")[0]

        def make(index, first, *figures):
            scale, factor, zero = fmt.scale.make(m, figures, load, *(shared or [None]))
            entry, there = packed.find(index, 1, 1 << fmt.block)
            m.store(scales, entry, [scale], fmt.scale.stored, where=there & first)
            if gain != 1:
                factor = factor * gain
            if zero is None:
                return [factor]
            m.store(zeros, entry, [m.convert(zero, "uint8")], "uint8", where=there & first)
            return [factor, zero]

        made = blocks.each(figures, make)
        codes = []
        for k, x in enumerate(values):
            factor, zero = (*made[blocks.of(k)], None)[:2]
            if fmt.random:
                chance = _chance(m, packed.index_in_rows(k), seed)
                codes.append(fmt.element.encode_by_chance(m, x, factor, zero, chance))
            else:
                codes.append(fmt.element.encode(m, x, factor, zero))
        packed.write(elements, codes, 0 if fmt.random else fmt.element.bias)

    return _kernel(f"block_encode_{kind}", body, form, fmt, flat, given.read)


@functools.cache
def decode(fmt: Form, *, flat: bool, wide: bool) -> Kernel:
    """Kernel from codes to float32; arguments and options are those of `encode`."""
    form = _layout("float32", fmt)

    def body(m, elements, scales, zeros, x, signs, table, tensor, length, stored, pieces, seed):
        tile = codelets.Tile(m, form, "float32")
        place = _places(tile, fmt, flat, length, pieces)
        packed = Packed(place, fmt.element.bits, flat, stored)
        shared = m.load(tensor, m.constant(0, "int64"), "float32", "float32") if fmt.tensor else []
        gain = 1.0 if fmt.signed or not fmt.rotation else 2.0 ** (-fmt.rotation / 2)
        width = 1 << form.vector
        for k in range(0, width << form.registers, width):
            index = m.convert(tile.at, "int64") + tile.offset(k)
            entry, there = packed.find(index, 1, 1 << fmt.block)
            number = "uint32" if fmt.scale.stored == "uint8" else "float32"
            (factor,) = m.load(scales, entry, fmt.scale.stored, number, where=there)
            if number == "uint32":
                factor = m.convert(factor, "int64")
                (factor,) = m.load(table, factor, "float32", "float32")
            for scale in shared:
                factor = m.product(factor, scale)
            if gain != 1:
                factor = factor * gain
            zero = None
            if fmt.scale.affine:
                (zero,) = m.load(zeros, entry, "uint8", "float32", where=there)
            for code in packed.read(elements, index):
                value = fmt.element.decode(m, code)
                value = value if zero is None else value - zero
                tile.values.append([m.product(value, factor)])
        if fmt.rotation:
            fwht_kernel.transform_tile(tile, range(fmt.rotation))
        if fmt.signed:
            _apply(place, signs, fmt.rotation)
        place.store(x, "float32", wide)

    return _kernel("block_decode", body, form, fmt, flat, "float32")


@functools.cache
def largest(kind: str, fmt: Form | None, *, flat: bool, wide: bool) -> Kernel:
    """Kernel for the largest finite magnitude of each tile, rotated.

    Of arguments ``(out, x, signs, length, pieces)``. Without a format, those of single numbers.
    """
    fmt = fmt or Form(None, None, 0, 0, False, False)
    given, form = KINDS[kind], _layout(kind, fmt)

    def body(m, out, x, signs, length, pieces):
        tile, place = _load(m, kind, fmt, form, x, flat, wide, length, pieces)
        gain = _rotate(place, fmt, signs)
        amax = _amax(tile, gain)
        tiles_in_all = (pieces << fmt.piece) + (1 << form.bits) - 1 >> form.bits
        m.store(out, m.block, [amax], "float32", where=(m.thread == 0) & (m.block < tiles_in_all))

    arrays = [trace.flat(name) for name in ("float32", given.read, "float32")]
    return trace.kernel(f"block_largest_{kind}", body, (*arrays, numba.int64, numba.int64), form)


@functools.cache
def tensor_scale(most: float, least: float) -> Kernel:
    """Kernel, of one block, for the scale of a tensor and factors by scales of 8 bits.

    Of arguments ``(out, table, partial, values, count, given)``: `out` becomes `given`, or where
    that is 0 the largest of `count` numbers over `most`, at least `least`, or 1 if that is 0;
    `table` becomes ``1 / out / values``.
    """
    form = _layout("float32", Form(None, None, 0, 0, False, False))

    def body(m, out, table, partial, values, count, given):
        tile = codelets.Tile(m, form, "float32")
        place = tiles.Places(tile, 0, 0, "rows", count, 1, count)
        place.load(partial, "float32", False)
        amax = _amax(tile, 1)
        scale = m.where(amax > 0, m.maximum(amax / most, least), 1.0)
        scale = m.where(given > 0, given, scale)
        m.store(out, m.constant(0, "int64"), [scale], "float32", where=(m.thread == 0))
        for start in range(0, TABLE, form.threads):
            index = m.convert(m.thread + start, "int64")
            (value,) = m.load(values, index, "float32", "float32")
            factor = m.constant(1, "float32") / scale / value
            m.store(table, index, [factor], "float32", where=index < TABLE)

    arrays = [numba.float32[::1]] * 4
    return trace.kernel("block_tensor_scale", body, (*arrays, numba.int64, numba.float32), form)


# Parts of kernels


def _chance(m, index, seed):
    """Random bits of an element: those of `_cpu.random.hashed`."""
    z = m.convert(seed, "uint64") + (m.convert(index, "uint64") + 1) * GOLDEN
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9
    z = (z ^ z >> 27) * 0x94D049BB133111EB
    return m.convert((z ^ z >> 31) >> 64 - CHANCE, "int32")


def _layout(kind, fmt):
    return codelets.layout(kind, fmt.piece, warp=fmt.block)


def _kernel(name, body, form, fmt, flat, read):
    stored, byte = fmt.scale.stored, trace.flat("uint8")
    elements = trace.flat(f"uint{word(form, fmt.element.bits, flat)}")
    arrays = [elements, trace.flat(stored), byte, trace.flat(read), *[numba.float32[::1]] * 3]
    return trace.kernel(name, body, (*arrays, *[numba.int64] * 4), form)


def unit(kind: str, fmt: Form, flat: bool) -> int:
    """Bits of the words in which a kernel of that kind sees elements."""
    return word(_layout(kind, fmt), fmt.element.bits, flat)


def _places(tile, fmt, flat, length, pieces):
    return tiles.Places(tile, fmt.piece, 0, "rows" if flat else "pieces", length, 1, pieces)


def _load(m, kind, fmt, form, x, flat, wide, length, pieces):
    """A tile of float32 and its places."""
    tile = codelets.Tile(m, form, KINDS[kind].number)
    place = _places(tile, fmt, flat, length, pieces)
    load_single(place, x, kind, wide)
    return tile, place


def _rotate(place, fmt, signs):
    """Rotate the groups of a tile, up to a factor that is returned."""
    if not fmt.rotation:
        return 1.0
    if fmt.signed:
        _apply(place, signs, fmt.rotation)
    fwht_kernel.transform_tile(place.tile, range(fmt.rotation))
    return 1.0 if fmt.signed else 2.0 ** (-fmt.rotation / 2)


def _apply(place, signs, levels):
    """Multiply by signs, which repeat every ``2**levels`` numbers."""
    tile, m, known = place.tile, place.m, {}
    width, mask = tile.form.width, max(1 << levels, LEAST_SIGNS) - 1
    start = m.convert(tile.at & mask, "int64")
    for k, (x,) in enumerate(tile.values):
        offset = tile.offset(k - k % width) & mask
        if offset not in known:
            known[offset] = m.load(signs, start + offset, "float32", "float32", width)
        tile.values[k] = [x * known[offset][k % width]]


def _figures(m, blocks, values, affine, gain):
    """The largest magnitude of each block, or its least and its largest number, and zero."""
    if not affine:
        tops = [blocks.reduce(m.larger, [m.absolute(x) for x in values])]
    else:
        zero = m.constant(0, "float32")
        low = blocks.reduce(m.larger, [m.larger(-x, zero) for x in values])
        high = blocks.reduce(m.larger, [m.larger(x, zero) for x in values])
        tops = [[-x for x in low], high]
    return tops if gain == 1 else [[m.product(x, gain) for x in top] for top in tops]


def _amax(tile, gain):
    """The largest finite magnitude of a tile, for all of its threads."""
    m = tile.m
    sizes = [m.absolute(x) for (x,) in tile.values]
    sizes = [m.where(x < np.inf, x, 0.0) for x in sizes]
    (amax,) = Blocks(tile, tile.form.bits).reduce(m.maximum, sizes)
    return amax * gain

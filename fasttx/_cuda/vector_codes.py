"""Codes of vectors on a GPU: norms, rotation, codes and bit planes of a row in one pass."""

import functools
from typing import NamedTuple

import numba
import numpy as np

from . import NumbaArray, codelets, launch, rotations, tiles, trace
from .blocks import Blocks, load_single
from .memory import KINDS, VECTOR_BYTES, Kernel

DTYPES = ("float16", "bfloat16", "float32", "float64")
LEVELS = range(4, 14)  # of the lengths of rows

_EXPONENT = 0x7F800000


class Form(NamedTuple):
    """A codec, as far as kernels go.

    Attributes
    ----------
    levels : int
        A row has ``2**levels`` numbers.
    rounds : int
        Of the rotation.
    bits : int
        Of a code.
    rule : {"plain", "unbiased", "least squares"}
        How gains are made, if there are any.
    norms : str
        Dtype of norms.
    """

    levels: int
    rounds: int
    bits: int
    rule: str
    norms: str


@functools.cache
def _encoder(kind: str, fmt: Form, wide: bool) -> Kernel:
    """Kernel of arguments ``(planes, norms, gains, x, signs, thresholds, levels, rows)``."""
    form = codelets.layout(kind, fmt.levels)
    d = 1 << fmt.levels

    def body(m, planes, norms, gains, x, signs, thresholds, levels, rows):
        tile = codelets.Tile(m, form, KINDS[kind].number)
        place = tiles.Places(tile, fmt.levels, 0, "rows", d, 1, rows)
        load_single(place, x, kind, wide)
        blocks = Blocks(tile, fmt.levels)
        values = [x for (x,) in tile.values]
        units = _units(m, blocks, values, d)
        tile.values = [
            [m.product(x, units[blocks.of(k)][0]) * units[blocks.of(k)][1]]
            for k, x in enumerate(values)
        ]
        rotations.rotate_tile(place, signs, fmt.rounds, False, wide=True)
        values = [x for (x,) in tile.values]
        sizes = [m.absolute(x) for x in values]
        codes = [_search(m, thresholds, x, fmt.bits - 1) for x in sizes]
        sums = []
        if fmt.rule != "plain":
            chosen = [_entry(m, levels, code) for code in codes]
            sums.append(blocks.add([x * y for x, y in zip(sizes, chosen, strict=True)]))
            if fmt.rule == "least squares":
                sums.append(blocks.add([y * y for y in chosen]))

        def finish(index, first, norm, *sums):
            row = place.begin + index >> fmt.levels
            there = first & (row < rows)
            norm = m.where(m.rounded(norm, fmt.norms) < np.inf, norm, np.nan)
            m.store(norms, row, [norm], fmt.norms, where=there)
            if sums:
                gain = sums[0] / sums[1] if len(sums) > 1 else m.constant(d, "float32") / sums[0]
                gain = m.where(norm == 0, m.constant(1, "float32"), gain)
                m.store(gains, row, [gain], "float16", where=there)
            return []

        blocks.each([[unit[2] for unit in units], *sums], finish)
        _write(place, fmt, planes, codes, values)

    arrays = ["uint8", fmt.norms, "float16", KINDS[kind].read, *["float32"] * 3]
    signature = (*map(trace.flat, arrays), numba.int64)
    return trace.kernel(f"vectors_encode_{kind}_{fmt.levels}", body, signature, form)


@functools.cache
def _decoder(fmt: Form, wide: bool) -> Kernel:
    """Kernel of the arguments of `_encoder`, without thresholds; float32 is written to `x`."""
    form = codelets.layout("float32", fmt.levels)
    d = 1 << fmt.levels

    def body(m, planes, norms, gains, x, signs, levels, rows):
        tile = codelets.Tile(m, form, "float32")
        place = tiles.Places(tile, fmt.levels, 0, "rows", d, 1, rows)
        for k in range(0, form.width << form.registers, form.width):
            index = m.convert(tile.at, "int64") + tile.offset(k)
            there, index = index < place.limit, place.begin + index
            row = index >> fmt.levels
            (scale,) = m.load(norms, row, fmt.norms, "float32", where=there)
            if fmt.rule != "plain":
                scale = m.product(scale, *m.load(gains, row, "float16", "float32", where=there))
            words = []
            for plane in range(fmt.bits):
                byte = _byte(fmt, row, plane, index)
                words += m.load(planes, byte, "uint8", "uint32", where=there)
            begin = m.convert(index & 7, "int32")
            words = [m.convert(word, "int32") >> begin for word in words]
            for i in range(form.width):
                code = m.constant(0, "int32")
                for plane, word in enumerate(words[:-1]):
                    code = code | (word >> i & 1) << plane
                level = _entry(m, levels, code)
                level = m.where((words[-1] >> i & 1) == 1, -level, level)
                tile.values.append([m.product(level, scale)])
        rotations.rotate_tile(place, signs, fmt.rounds, True, wide=True)
        place.store(x, "float32", wide)

    arrays = ["uint8", fmt.norms, "float16", *["float32"] * 3]
    signature = (*map(trace.flat, arrays), numba.int64)
    return trace.kernel(f"vectors_decode_{fmt.levels}", body, signature, form)


def _units(m, blocks, values, d):
    """For each row two factors that make its norm the root of d, and its norm over that root.

    The first is a power of two, with which squares are in range. The norm is NaN where a number is
    not finite.
    """

    def power(index, first, amax):
        field = m.bits(amax, "int32") & _EXPONENT
        field = m.where(field < 1 << 23, m.constant(1 << 23, "int32"), field)
        field = m.where(field > 252 << 23, m.constant(252 << 23, "int32"), field)
        return [m.bits(m.constant(254 << 23, "int32") - field, "float32")]

    largest = blocks.reduce(m.larger, [m.absolute(x) for x in values])
    powers = [unit for (unit,) in blocks.each([largest], power)]
    small = [m.product(x, powers[blocks.of(k)]) for k, x in enumerate(values)]
    squares = blocks.add([x * x for x in small])

    def units(index, first, amax, unit, square):
        norm = m.sqrt(square) / float(np.sqrt(d))
        inverse = m.where(norm > 0, m.constant(1, "float32") / norm, 0.0)
        return [unit, inverse, m.where(amax < np.inf, norm / unit, np.nan)]

    return blocks.each([largest, powers, squares], units)


def _entry(m, table, code):
    (value,) = m.load(table, m.convert(code, "int64"), "float32", "float32")
    return value


def _search(m, thresholds, x, bits):
    """The number of ``2**bits - 1`` increasing thresholds below `x`."""
    code = m.constant(0, "int32")
    for bit in reversed(range(bits)):
        above = x > _entry(m, thresholds, code + ((1 << bit) - 1))
        code = m.where(above, code + (1 << bit), code)
    return code


def _byte(fmt, row, plane, index):
    """The byte of a plane of a row that holds the bit of a number."""
    bytes_of_plane = 1 << fmt.levels - 3
    return (row * fmt.bits + plane) * bytes_of_plane + (index >> 3 & bytes_of_plane - 1)


def _write(place, fmt, planes, codes, values):
    """Write bit planes: the lanes whose vectors make up a byte join theirs."""
    tile, m = place.tile, place.m
    vector = tile.form.width
    signs = [m.where(x < 0, m.constant(1, "int32"), 0) for x in values]
    for k in range(0, len(codes), vector):
        parts = [
            sum((code >> plane & 1) << i for i, code in enumerate(codes[k : k + vector]))
            for plane in range(fmt.bits - 1)
        ]
        parts.append(sum(sign << i for i, sign in enumerate(signs[k : k + vector])))
        width, lanes = vector, 0
        while width < 8:
            word = sum(part << width * p for p, part in enumerate(parts))
            (other,) = tile.swap([m.bits(word, "float32")], lanes)
            other, mask = m.bits(other, "int32"), (1 << width) - 1
            parts = [part | (other >> width * p & mask) << width for p, part in enumerate(parts)]
            width, lanes = 2 * width, lanes + 1
        index = m.convert(tile.at, "int64") + tile.offset(k)
        there = (index < place.limit) & ((tile.lane & (1 << lanes) - 1) == 0)
        index = place.begin + index
        for plane, part in enumerate(parts):
            byte = _byte(fmt, index >> fmt.levels, plane, index)
            m.store(planes, byte, [m.convert(part, "uint8")], "uint8", where=there)


def encode(
    x: NumbaArray,
    fmt: Form,
    codes: dict[str, NumbaArray],
    signs,
    thresholds: np.ndarray,
    levels: np.ndarray,
) -> None:
    """Fill `planes`, `norms` and, if there are any, `gains` of rows; `signs` are on the device."""
    kernel = _encoder(x.dtype, fmt, x.address % VECTOR_BYTES == 0)
    tables = (launch.on_device(table, x.device) for table in (thresholds, levels))
    _launch(kernel, x, codes, signs, *tables)


def decode(codes: dict[str, NumbaArray], fmt: Form, out: NumbaArray, signs, levels) -> None:
    """Fill `out`, float32 rows, from codes."""
    kernel = _decoder(fmt, out.address % VECTOR_BYTES == 0)
    _launch(kernel, out, codes, signs, launch.on_device(levels, out.device))


def _launch(kernel, x, codes, signs, *tables):
    blocks = max(-(-x.size >> kernel.form.bits), launch.MIN_BLOCKS)
    planes, norms = codes["planes"].flat(), codes["norms"].flat()
    gains = codes["gains"].flat() if "gains" in codes else planes.view(np.dtype("uint16"))
    rows = x.size // x.shape[-1]
    launched = kernel.launch[blocks, kernel.form.threads, x.stream()]
    launched(planes, norms, gains, x.flat(), tables[0] if signs is None else signs, *tables, rows)

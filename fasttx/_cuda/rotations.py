"""Randomized Hadamard rotations on a GPU: all rounds in one pass, where a block fits in a tile."""

import functools

import numba
import numpy as np

from . import NumbaArray, codelets, fwht_kernel, launch, tiles, trace
from .memory import KINDS, VECTOR_BYTES, Kernel

DTYPES = ("float16", "bfloat16", "float32", "float64")


def most(dtype: str) -> int:
    """Levels of the longest block that is rotated in one pass."""
    return codelets.TILE[codelets.element_bytes(dtype)]


def rotate_tile(
    place: tiles.Places, signs, rounds: int, inverse: bool, *, wide: bool, d=None
) -> None:
    """Rotate the strips of a tile, in place.

    Parameters
    ----------
    place : tiles.Places
        Of strips as long as a block.
    signs : argument
        Factors, d for each round: ± the root of 1 over the length of a block.
    rounds : int
    inverse : bool
        Whether the transpose is applied.
    wide : bool
        Whether rows are whole vectors.
    d : value, optional
        Length of rows, where that is not the length of a block.
    """
    for step in range(rounds):
        r = rounds - 1 - step if inverse else step
        if not inverse:
            _multiply(place, signs, r, wide, d)
        fwht_kernel.transform_tile(place.tile, range(place.levels))
        if inverse:
            _multiply(place, signs, r, wide, d)


def _multiply(place, signs, r, wide, d):
    tile, m = place.tile, place.m
    name, width = tile.number.name, tile.form.width if wide else 1
    for k in range(0, len(tile.values), width):
        index = tile.at + tile.offset(k)
        if d is None:
            start = m.convert(place.point(index), "int64") + (r << place.levels)
        else:
            start = (place.begin + m.convert(index, "int64")) % d + d * r
        factors = m.load(signs, start, name, name, width)
        for i, factor in enumerate(factors, k):
            tile.values[i] = [tile.values[i][0] * factor]


@functools.cache
def kernel(
    kind: str, levels: int, rounds: int, *, inverse: bool, whole: bool, wide: bool
) -> Kernel:
    """Kernel of arguments ``(dst, src, signs, d, strips)`` for blocks of ``2**levels`` points.

    `whole` says whether a row is one block. Half precision becomes float32.
    """
    given, form = KINDS[kind], codelets.layout(kind, levels)

    def body(m, dst, src, signs, d, strips):
        tile = codelets.Tile(m, form, given.number)
        place = tiles.Places(tile, levels, 0, "rows", d, 1, strips)
        place.load(src, given.read, wide)
        rotate_tile(place, signs, rounds, inverse, wide=wide, d=None if whole else d)
        place.store(dst, given.number, wide)

    arrays = [trace.flat(name) for name in (given.number, given.read, given.number)]
    return trace.kernel(f"rotate_{kind}_{levels}", body, (*arrays, *[numba.int64] * 2), form)


def rotate(x: NumbaArray, out: NumbaArray, signs, rounds: int, levels: int, inverse: bool) -> None:
    """Rotate the rows of `x` in blocks of ``2**levels`` numbers, which may be in place.

    `signs` are factors on the device, flat, as for `rotate_tile`.
    """
    d, strips = x.shape[-1], x.size >> levels
    form = codelets.layout(x.dtype, levels)
    aligned = (x.address | out.address) % VECTOR_BYTES == 0
    wide = aligned and x.size % form.width == 0 and d % form.width == 0
    whole = d == 1 << levels
    made = kernel(x.dtype, levels, rounds, inverse=inverse, whole=whole, wide=wide)
    blocks = max(-(-x.size >> form.bits), launch.MIN_BLOCKS)
    launched = made.launch[blocks, form.threads, x.stream()]
    launched(out.flat(), x.flat(), signs, d, strips)


def multiply(x: NumbaArray, out: NumbaArray, signs, start: int) -> None:
    """Multiply rows by the factors from `start` on, or with less than 0 copy them."""
    arrays = out.flat(), x.flat(), signs
    made = _multiplier(x.dtype, start >= 0)
    launch.over(made, x.size, x.stream(), *arrays, max(start, 0), x.shape[-1], x.size)


@functools.cache
def _multiplier(kind, signed):
    given = KINDS[kind]

    def body(m, dst, src, signs, start, d, count):
        place = m.block * launch.THREADS + m.thread
        there = place < count
        (x,) = m.load(src, place, given.read, given.number, where=there)
        if signed:
            (sign,) = m.load(signs, start + place % d, given.number, given.number)
            x = x * sign
        m.store(dst, place, [x], given.number, where=there)

    arrays = [trace.flat(name) for name in (given.number, given.read, given.number)]
    return trace.kernel(f"rotate_signs_{kind}", body, (*arrays, *[numba.int64] * 3)).launch


def table(words: np.ndarray, d: int, factor: float, dtype: str) -> np.ndarray:
    """Factors of rounds from words of random bits, flat: ± `factor`, minus for a 1."""
    bits = np.unpackbits(words.astype("<u8").view(np.uint8), axis=1, count=d, bitorder="little")
    return np.where(bits, -factor, factor).astype(dtype).reshape(-1)

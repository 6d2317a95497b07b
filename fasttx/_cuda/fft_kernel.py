"""The kernels of the Fourier transform without bit reversal on a GPU.

As in `_cpu/fft.py`, a *split* takes polynomials modulo ``x**(2m) - r`` to remainders modulo
``x**m - s`` and ``x**m + s`` with ``s**2 = r``, over the bits of the index from the highest, so
natural order becomes bit-reversed; a *merge* goes back. The twiddle s of a block depends on its
number alone: it is ``exp(2 pi i sign t / 2)``, t the radical inverse of the number.

A thread holds complex numbers as two scalars, in the layout of `codelets`. A split begins where
the highest bits are in registers, and exchanges afterwards; a merge exchanges before.
"""

import cmath
import functools
import math

import numba
import numpy as np

from . import codelets, memory, tiles, trace
from .memory import KINDS, SIMULATED, Kernel


@functools.cache
def transform(
    kind: str,
    levels: int,
    *,
    merge: bool = False,
    sign: int = -1,
    mode: str = "rows",
    columns: int = 0,
    wide: bool = True,
    upper: int = 0,
    shuffles: bool = not SIMULATED,
) -> Kernel:
    """Kernel for transforms of ``n = 2**levels`` complex points that fit in a tile.

    Parameters
    ----------
    kind : str
        What is read, a name in `memory.KINDS`; complex numbers are written.
    levels : int
    merge : bool
        From bit-reversed to natural order, or (a split) from natural to bit-reversed.
    sign : {-1, 1}
        Of the exponent.
    mode : {"rows", "padded", "columns"}
    columns : int
    wide : bool
        As for the Walsh-Hadamard transform, for complex elements.
    upper : int
        A row (for columns: an array (n, inner)) is the block of the bit-reversed number that its
        number has in the lowest `upper` bits, one of as many of a longer transform.
    shuffles : bool
        Whether lanes exchange by shuffles, or through shared memory.

    Returns
    -------
    Kernel
        ``launch`` is the kernel, of arguments ``(dst, src, roots, length, inner, strips, scale)``:
        flat arrays of real numbers, `roots` as by `roots`.
    """
    given = KINDS[kind]
    form = codelets.layout(kind, levels + columns, paired=True)

    def body(m, dst, src, roots, length, inner, strips, scale):
        tile = codelets.Tile(m, form, given.number, 2, swapped=not merge, shuffles=shuffles)
        place = tiles.Places(tile, levels, columns, mode, length, inner, strips)
        fourier = Fourier(place, sign, roots)
        place.load(src, given.read, wide, given.parts)
        if merge:
            fourier.merge()
        if upper:
            fourier.twist(upper)
        if not merge:
            fourier.split()
        tile.scale(scale)
        place.store(dst, given.number, wide, parts=2)

    number = getattr(numba, given.number)
    arrays = [trace.flat(name) for name in (given.number, given.read, given.number)]
    what = "merge" if merge else "split"
    name = f"fft_{kind}_{levels}_{mode}_{what}"
    return trace.kernel(name, body, (*arrays, *[numba.int64] * 3, number), form)


class Fourier:
    """The levels of a split and of a merge of the strips of a tile.

    Parameters
    ----------
    place : tiles.Places
    sign : {-1, 1}
    roots : argument
        The twiddles, as by `roots`.
    number : int
        The strips, whole transforms, are blocks of that number: modulo ``x**n - 1`` for 0,
        ``x**n + 1`` for 1, ``x**n + sign * 1j`` for 3.
    conjugated : bool
        Whether the table has the conjugates of the twiddles: it is that of the other sign.
    """

    def __init__(self, place: tiles.Places, sign: int, roots, number=0, conjugated=False):
        self.place, self.tile, self.m = place, place.tile, place.m
        self.sign, self.roots = sign, roots
        self.number, self.conjugated = number, conjugated

    def split(self) -> None:
        """From natural to bit-reversed order, from the highest bit down."""
        for level in reversed(range(self.place.levels)):
            held, lane = self._bits(level)
            if held is None:
                self._multiply_upper(lane, level)
                self._add_lanes(lane)
                continue
            for i, j in self._pairs(held):
                x = self.tile.values[i]
                y = self._times(self.tile.values[j], self._root(i, level))
                self.tile.values[i], self.tile.values[j] = _plus(x, y), _minus(x, y)
        if self.tile.lane_bit(self.tile.form.vector) is None:
            self.tile.turn(0)  # neighbours in a sector of memory are in one access again

    def merge(self) -> None:
        """From bit-reversed to natural order, from the lowest bit up."""
        for level in range(self.place.levels):
            held, lane = self._bits(level)
            if held is None:
                self._add_lanes(lane)
                self._multiply_upper(lane, level)
                continue
            for i, j in self._pairs(held):
                x, y = self.tile.values[i], self.tile.values[j]
                turned = self._times(_minus(x, y), self._root(i, level))
                self.tile.values[i], self.tile.values[j] = _plus(x, y), turned

    def twist(self, upper: int, number: int = 0) -> None:
        """Multiply by the powers of a root that make a block one of a transform of its own.

        The blocks are those of ``2**upper`` in a block of that number.
        """
        values, place = self.tile.values, self.place
        for k, x in enumerate(values):
            index = self.m.convert(self.tile.at + self.tile.offset(k), "int64")
            block = place.row(index) & (1 << upper) - 1 | number << upper
            bits = upper + number.bit_length()
            values[k] = self._times(x, self._power(block, place.point(index), bits))

    def _bits(self, level):
        """The bit of a thread's numbers, or of its lane, for a level; they are swapped to be so."""
        tile, bit = self.tile, level + self.place.columns
        self._known: dict[int, list] = {}  # twiddles of this level
        held, lane = tile.held_bit(bit), tile.lane_bit(bit)
        if held is None and lane is None:
            tile.exchange()
            return tile.held_bit(bit), None
        if held is None:
            held = tile.turn(lane)
        return held, lane

    def _pairs(self, bit):
        count = len(self.tile.values)
        return [(i, i | 1 << bit) for i in range(count) if not i >> bit & 1]

    def _root(self, k, level, odd=None):
        """The twiddle of element k's block: a complex number where it is known, or its parts.

        With `odd`, one in the lanes for which that does not hold.
        """
        place, tile, m = self.place, self.tile, self.m
        above = level + 1 + place.columns
        offset = tile.offset(k) >> place.columns & (1 << place.levels) - 1
        if all(tile.held_bit(i) is not None for i in range(above, place.columns + place.levels)):
            return unit(self.sign, self.number << place.levels - level - 1 | offset >> level + 1)
        # Elements of a thread share a twiddle where their offsets differ below the level only.
        key = offset >> level + 1
        if key not in self._known:
            block = place.point(tile.at + tile.offset(k)) >> level + 1
            block = block | self.number << place.levels - level - 1
            if odd is not None:  # the first root is one
                block = m.where(odd, block, 0)
            name = tile.number.name
            root = m.load(self.roots, m.convert(block, "int64") * 2, name, name, 2)
            self._known[key] = [root[0], -root[1]] if self.conjugated else root
        return self._known[key]

    def _add_lanes(self, bit):
        """A level between lanes: the other lane's element, plus or minus the own."""
        sign = self.tile.sign(bit)
        self.tile.values = [
            [theirs + own * sign for own, theirs in zip(x, y, strict=True)]
            for x, y in zip(self.tile.values, self.tile.other_lanes(bit), strict=True)
        ]

    def _multiply_upper(self, bit, level):
        """All elements times their twiddles, in the lanes that have this bit."""
        odd, values = self.tile.is_odd(bit), self.tile.values
        for k, x in enumerate(values):
            root = self._root(k, level, odd)
            if root == 1:
                continue
            if isinstance(root, complex):
                number, where = self.tile.number_of, self.m.where
                root = [
                    where(odd, number(root.real), number(1)),
                    where(odd, number(root.imag), number(0)),
                ]
            values[k] = self._times(x, root)

    def _times(self, x, root):
        """A product with a twiddle."""
        if isinstance(root, complex):
            if root == 1:
                return x
            if root == -1:
                return [-x[0], -x[1]]
            if root in (1j, -1j):
                return [-x[1], x[0]] if root == 1j else [x[1], -x[0]]
            root = [self.tile.number_of(root.real), self.tile.number_of(root.imag)]
        return times(x, root)

    def _power(self, block, i, upper):
        """Power i of the root of a block of ``2**upper``."""
        m, number = self.m, self.tile.number.name
        whole = 1 << upper + self.place.levels
        reverse = m.convert(m.reverse(m.convert(block, "uint32")) >> 32 - upper, "int64")
        step = reverse * i & whole - 1
        # From minus to plus half a turn, where sines are most accurate.
        step = m.where(step >= whole // 2, step - whole, step)
        angle = m.convert(step, number) * (2 * self.sign / whole)
        return [m.library("cospi", angle), m.library("sinpi", angle)]


def times(x, y) -> list:
    """Product of two complex elements."""
    return [x[0] * y[0] - x[1] * y[1], x[0] * y[1] + x[1] * y[0]]


def _plus(x, y):
    return [a + b for a, b in zip(x, y, strict=True)]


def _minus(x, y):
    return [a - b for a, b in zip(x, y, strict=True)]


def unit(sign: int, block: int) -> complex:
    """The twiddle of the block of that number."""
    turns = math.ldexp(int(f"{block:b}"[::-1], 2), -block.bit_length() - 1)
    if turns in (0, 0.25, 0.5):
        return {0: 1 + 0j, 0.25: sign * 1j, 0.5: -1 + 0j}[turns]
    return cmath.exp(2j * math.pi * sign * turns)


@functools.lru_cache(maxsize=32)
def roots(sign: int, count: int, dtype: str) -> np.ndarray:
    """The twiddles of blocks 0 to count - 1, as pairs of real numbers, flat."""
    turns = np.zeros(1)
    while turns.size < count:  # the next bit of the number halves the turn
        turns = np.concatenate([turns, turns + 0.25 / turns.size])
    angles = 2 * np.pi * sign * turns[:count]
    return np.stack([np.cos(angles), np.sin(angles)], axis=-1).astype(dtype).reshape(-1)


def ptx(kind: str, levels: int, *, cc: tuple[int, int] = (8, 0), **options) -> str:
    """PTX of a kernel for compute capability `cc`; needs NVVM, no driver and no device."""
    return memory.ptx(transform(kind, levels, **options), cc)

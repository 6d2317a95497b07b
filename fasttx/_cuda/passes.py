"""Passes over the memory of a device that together make one long transform.

The array (outer, n, inner) is seen, for a pass over the bits of the index from `low` up, as
(outer * 2**above, 2**levels, inner * 2**low). Where the points of a pass, with the columns that
make up a sector of memory, fit in a tile, each number is read and written once.
"""

import math

import numpy as np

from . import codelets, launch, memory
from .memory import KINDS, SIMULATED, VECTOR_BYTES

_SECTOR = 8 if SIMULATED else 32  # bytes that the memory moves at the least
MAX_COLUMNS = 2 if SIMULATED else 7


class Passes:
    """The passes of a transform along one axis.

    Parameters
    ----------
    kind : str
        What the first pass reads and writes, a name in `memory.KINDS`.
    dst : NumbaArray
        The result, of n points along `axis`.
    axis : int
    levels : int
        The passes are over so many bits.
    stream : Numba's stream
    paired : bool
        Whether elements are complex numbers, or their parts each on their own.
    """

    def __init__(self, kind, dst, axis, levels, stream, paired=False):
        self.kind, self.dst, self.levels = kind, dst, levels
        self.stream, self.paired = stream, paired
        self.beside = 1 if paired else KINDS[kind].parts
        self.inner = math.prod(dst.shape[axis + 1 :]) * self.beside
        self.elements = dst.size * self.beside

    def factors(self) -> list[int]:
        """Levels of each pass, from the lowest bits."""
        tile = self._tile(self.kind)
        least = self._least(self.kind)
        across = (self.inner - 1).bit_length()
        most = tile - (across if self.inner == self.beside else min(least, across))
        if self.levels <= most:
            return [self.levels]
        later = -(-(self.levels - most) // (tile - least))
        # Tiles of which several fit on a multiprocessor overlap their reads and writes; the fewer
        # levels are left, the more columns are beside each other.
        first = max(min(most, tile - 1), self.levels - later * (tile - least))
        rest = self.levels - first
        return [first, *((rest + i) // later for i in range(later))]

    def launch(self, make, kind, src, dst, levels, inner, *, length, scale, table=None, **options):
        """One pass: ``2**levels`` points that are `inner` elements apart.

        `make` gives the kernel; `table` is its third argument.
        """
        outer, given = self.elements // (inner << levels), KINDS[kind]
        if inner == self.beside:
            mode = "rows" if length == 1 << levels else "padded"
            columns, strips = inner.bit_length() - 1, outer
        else:
            tile, across = self._tile(kind), (inner - 1).bit_length()
            columns = min(max(self._least(kind), tile - 1 - levels), MAX_COLUMNS, across)
            columns = min(columns, tile - levels)
            mode, strips = "columns", outer * -(-inner >> columns)
        form = codelets.layout(kind, levels + columns, self.paired)
        wide = whole_vectors(form, mode, columns, levels, length, inner, self.elements, src, dst)
        kernel = make(kind, levels, mode=mode, columns=columns, wide=wide, **options)
        blocks = max(-(-strips >> form.bits - columns - levels), launch.MIN_BLOCKS)
        target = dst.flat()
        source = src.flat() if src.size else target  # an empty axis, padded: never read
        number = np.float64 if given.number == "int64" else getattr(np, given.number)
        launched = kernel.launch[blocks, form.threads, self.stream]
        launched(
            target, source, target if table is None else table, length, inner, strips, number(scale)
        )

    def _tile(self, kind):
        return codelets.TILE[codelets.element_bytes(kind, self.paired)]

    def _least(self, kind):
        name = KINDS[kind].number if self.paired else KINDS[kind].written
        return sector_bits(memory.stored(name).itemsize << self.paired)


def sector_bits(size: int) -> int:
    """Bits of the columns, of elements of so many bytes, that make up a sector."""
    return max(1, _SECTOR // size).bit_length() - 1


def whole_vectors(form, mode, columns, levels, length, inner, elements, *arrays) -> bool:
    """Whether strips begin at multiples of a vector of 16 bytes, and end there.

    Parameters
    ----------
    form : codelets.Layout
    mode, columns, levels, length, inner
        As for `tiles.Places`.
    elements : int
        Of the array in all.
    *arrays : NumbaArray
    """
    along = inner if mode == "columns" else elements
    if mode == "padded":
        along = math.gcd(length * inner, inner << levels)
    wide = along % form.width == 0 and (mode != "columns" or columns >= form.vector)
    return wide and all(array.address % VECTOR_BYTES == 0 for array in arrays)

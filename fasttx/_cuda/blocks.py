"""Blocks of numbers in a tile, and what lanes and warps find out about them together."""

import functools
from collections.abc import Callable

import numpy as np

from .codelets import Tile
from .memory import KINDS
from .tiles import Places


def load_single(place: Places, src, kind: str, wide: bool) -> None:
    """Read a thread's elements as float32, whatever the kind."""
    tile, given = place.tile, KINDS[kind]
    place.load(src, given.read, wide)
    if given.number != "float32":
        tile.values = [[tile.m.convert(x, "float32")] for (x,) in tile.values]
        tile.number = np.dtype("float32")


class Blocks:
    """The blocks of ``2**levels`` elements of a tile.

    Figures are lists of one value for each of the thread's blocks.

    Parameters
    ----------
    tile : Tile
        Whose lanes and registers did not change places.
    levels : int
        At least those of a vector.
    """

    def __init__(self, tile: Tile, levels: int):
        self.tile, self.m, form = tile, tile.m, tile.form
        self.lanes = min(levels - form.vector, form.lanes)
        self.registers = min(levels - form.vector - self.lanes, form.registers)
        self.warps = levels - form.vector - self.lanes - self.registers
        if self.registers and tile.swapped and not self.warps:
            tile.exchange()
        self.count = 1 << form.registers - self.registers

    def of(self, k: int) -> int:
        """The block of a thread's element."""
        return k >> self.tile.form.vector + self.registers

    def reduce(self, combine: Callable, values: list) -> list:
        """Values of elements combined to one of each block."""
        step = len(values) // self.count
        tops = [
            functools.reduce(combine, values[i : i + step]) for i in range(0, len(values), step)
        ]
        for bit in range(self.lanes):
            others = self.tile.swap(tops, bit)
            tops = [combine(x, y) for x, y in zip(tops, others, strict=True)]
        return [self._over_warps(combine, x) for x in tops] if self.warps else tops

    def add(self, values: list) -> list:
        """Sums over blocks."""
        return self.reduce(lambda x, y: x + y, values)

    def each(self, figures: list[list], make: Callable) -> list[list]:
        """What ``make(index, first, *figures)`` gives for each block.

        A lane makes what belongs to one block and reads the others from the lanes beside it.
        `index` is that of the block in the tile, and `first` says whether no thread before makes
        the same.
        """
        tile, form, m = self.tile, self.tile.form, self.m
        share = min(self.count, 1 << self.lanes)
        own, first = tile.lane & share - 1, (tile.lane & (1 << self.lanes) - 1) < share
        if self.warps:
            first = first & ((tile.warp & (1 << self.warps) - 1) == 0)
        made = []
        for start in range(0, self.count, share):
            chosen = [self._choose(values[start : start + share], own) for values in figures]
            block = m.convert(own + start << self.registers, "int64")
            index = m.convert(tile.at, "int64") + form.offset(block, tile.swapped)
            results = make(index, first, *chosen)
            if share == 1:
                made.append(results)
                continue
            for j in range(share):
                made.append(tile.from_lane(results, tile.lane & ~(share - 1) | j))
        return made

    def _choose(self, values, own):
        """The value of that number."""
        bit = 0
        while len(values) > 1:
            odd = (own >> bit & 1) == 1
            values = [self.m.where(odd, values[i + 1], values[i]) for i in range(0, len(values), 2)]
            bit += 1
        return values[0]

    def _over_warps(self, combine, x):
        """A value of each warp of a block combined, in the order of warps."""
        tile, m = self.tile, self.m
        shared = m.shared("float32", 1 << tile.form.warps)
        m.when(tile.lane == 0, lambda: m.put(shared, tile.warp, x))
        m.sync()
        first = tile.warp & ~((1 << self.warps) - 1)
        return functools.reduce(combine, [m.get(shared, first + i) for i in range(1 << self.warps)])

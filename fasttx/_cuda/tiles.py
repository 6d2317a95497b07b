"""Where the elements of a tile are in memory: the loads and stores of a kernel.

An array is (outer, n, inner), C-contiguous. Its *strips* are rows, or pieces of ``2**columns``
columns side by side; a tile is a power of two of strips.
"""

from .codelets import Tile


class Places:
    """Addresses of elements.

    Parameters
    ----------
    tile : Tile
    levels : int
        The strips have ``2**levels`` points.
    columns : int
        Bits of the elements side by side in a strip.
    mode : {"rows", "padded", "pieces", "columns"}
        Rows of n points one after the other (`inner` is ``2**columns``); rows of another `length`,
        cropped or padded with zeros to n; rows of any `length`, in pieces of n points of which the
        last is padded with zeros (and `columns` is 0); points that are `inner` elements apart.
    length, inner, strips : values
        Points of the array that is read; elements between two points; strips in all.
    start : value, optional
        The first point that is read; for rows of another length and for columns.
    number : value, optional
        Number of the tile; by default that of the block.
    """

    def __init__(
        self, tile: Tile, levels, columns, mode, length, inner, strips, *, start=0, number=None
    ):
        self.tile, self.m = tile, tile.m
        self.levels, self.columns, self.mode = levels, columns, mode
        self.length, self.inner, self.strips = length, inner, strips
        self.spare = tile.form.bits - columns - levels  # bits of the strips in a tile
        self.start, number = start, self.m.block if number is None else number
        self.first = number << self.spare
        if mode == "columns":
            self.across = inner + ((1 << columns) - 1) >> columns
            self.whole = (self.first + (1 << self.spare) <= strips) & (
                length >= start + (1 << levels)
            )
            self.whole = self.whole & (inner & (1 << columns) - 1 == 0)
        else:
            self.begin = number << tile.form.bits
            self.limit = (strips << levels + columns) - self.begin
            self.whole = self.limit >= 1 << tile.form.bits
            self.pieces = length + (1 << levels) - 1 >> levels

    def point(self, index):
        """The point of an index in the tile."""
        return index >> self.columns & (1 << self.levels) - 1

    def row(self, index):
        """Number of the row or, for columns, of the array (n, inner)."""
        strip = self.first + (index >> self.levels + self.columns)
        return strip // self.across if self.mode == "columns" else strip

    def find(self, index):
        """Row of an index in the tile and the place in that row, for pieces; whether it exists."""
        strip, i, _ = self._locate(index)
        strip = self.first + strip
        row = strip // self.pieces
        return row, (strip - row * self.pieces << self.levels) + i, strip < self.strips

    def load(self, src, name: str, wide: bool, parts: int = 1) -> None:
        """Read a thread's elements: whole vectors where all of the tile is there.

        Elements of fewer parts in memory than in registers get zeros for the others.
        """
        tile, m = self.tile, self.m
        width = tile.form.width if wide else 1
        count = tile.form.width << tile.form.registers
        at = m.convert(tile.at, "int64")

        def read(checked):
            numbers = []
            for k in range(0, count, width):
                address, there = self._source(at + tile.offset(k))
                there = there if checked else None
                numbers += m.load(
                    src, address * parts, name, tile.number.name, width * parts, where=there
                )
            return numbers

        # Rows of another length have no tile of which all is there.
        if self.mode in ("padded", "pieces"):
            numbers = read(True)
        else:
            numbers = m.either(self.whole, lambda: read(False), lambda: read(True))
        zeros = [tile.number_of(0)] * (tile.parts - parts)
        tile.values = [numbers[i : i + parts] + zeros for i in range(0, len(numbers), parts)]

    def store(self, dst, name: str, wide: bool, parts: int = 1, position=None) -> None:
        """Write a thread's elements, point i to ``position(i)`` where that is given."""
        tile, m = self.tile, self.m
        width = tile.form.width if wide and position is None else 1
        at = m.convert(tile.at, "int64")

        def write(checked):
            for k in range(0, len(tile.values), width):
                address, there = self._target(at + tile.offset(k), position)
                numbers = [x for element in tile.values[k : k + width] for x in element[:parts]]
                m.store(dst, address * parts, numbers, name, where=there if checked else None)

        if self.mode == "pieces":
            write(True)
            return
        m.when(self.whole, lambda: write(False))
        m.when(~self.whole, lambda: write(True))

    def address(self, strip, point, column, points):
        """Where a point is in an array of so many points a strip, and whether it is there.

        `strip` is its number in the tile, `column` the number in the strip.
        """
        strip = self.first + strip
        if self.mode != "columns":
            return (strip * points + point << self.columns) + column, strip < self.strips
        outer = strip // self.across
        column = (strip - outer * self.across << self.columns) + column
        there = (strip < self.strips) & (column < self.inner)
        return (outer * points + point) * self.inner + column, there

    def _locate(self, index):
        """Strip, point and column of an index in the tile."""
        # With one strip in a tile no thread divides by the number of strips across.
        strip = index >> self.levels + self.columns if self.spare else 0
        return strip, self.point(index), index & (1 << self.columns) - 1

    def _source(self, index):
        """Address in an array of `length` points a strip, and the condition for reading there."""
        if self.mode == "rows":
            return self.begin + index, index < self.limit
        if self.mode == "pieces":
            row, i, there = self.find(index)
            return row * self.length + i, there & (i < self.length)
        strip, i, column = self._locate(index)
        i = self.start + i
        address, there = self.address(strip, i, column, self.length)
        return address, there & (i < self.length)

    def _target(self, index, position):
        """Address in an array of n points a strip, and the condition for writing there."""
        if self.mode == "pieces":
            return self._source(index)
        strip, i, column = self._locate(index)
        point = i if position is None else position(i)
        if self.mode == "columns":
            return self.address(strip, point, column, 1 << self.levels)
        address = self.begin + index
        if position is not None:
            address = address + (point - i << self.columns)
        return address, index < self.limit

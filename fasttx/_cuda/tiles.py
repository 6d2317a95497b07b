"""Where the elements of a tile are in memory: text of the loads and stores of a kernel.

An array is (outer, n, inner), C-contiguous. Its *strips* are rows, or pieces of ``2**columns``
columns side by side; a tile is a power of two of strips. A kernel that begins with these lines has
the arguments ``dst, src, length, inner, strips``.
"""

from .codelets import Layout, Text


class Places:
    """Addresses of elements.

    Parameters
    ----------
    form : Layout
    levels : int
        The strips have ``2**levels`` points.
    columns : int
        Bits of the elements side by side in a strip.
    mode : {"rows", "padded", "columns"}
        Rows of n points one after the other (`inner` is ``2**columns``); rows of another `length`,
        cropped or padded with zeros to n; points that are `inner` elements apart.
    """

    def __init__(self, form: Layout, levels: int, columns: int, mode: str):
        self.form, self.levels, self.columns, self.mode = form, levels, columns, mode
        self.strips = form.bits - columns - levels  # bits of the strips in a tile

    def begin(self, text: Text) -> None:
        """Lines for names that all threads of a block share."""
        bits = self.form.bits
        text.add(f"first = cuda.blockIdx.x << {self.strips}")
        if self.mode == "columns":
            text.add(
                f"across = (inner + {(1 << self.columns) - 1}) >> {self.columns}",
                f"whole = first + {1 << self.strips} <= strips and length == {1 << self.levels}",
                f"whole = whole and inner & {(1 << self.columns) - 1} == 0",
            )
            if not self.strips:
                self._find(text, "first", 1)
            return
        text.add(
            f"start = cuda.blockIdx.x << {bits}",
            f"limit = (strips << {self.levels + self.columns}) - start",
            f"whole = limit >= {1 << bits}",
        )

    def point(self, index: str) -> str:
        """Expression of the point of an index in the tile."""
        return f"({index}) >> {self.columns} & {(1 << self.levels) - 1}"

    def row(self, index: str) -> str:
        """Expression of the number of the row or, for columns, of the array (n, inner)."""
        strip = f"first + (({index}) >> {self.levels + self.columns})"
        if self.mode != "columns":
            return strip
        return f"({strip}) // across" if self.strips else "outer"

    def load(self, text: Text, wide: bool, swapped: bool = False, parts: int = 1) -> None:
        """Read a thread's elements: whole vectors where all of the tile is there.

        Elements of fewer parts in memory than in registers get zeros for the others.
        """
        text.values = text.fresh()
        # Rows of another length have no tile of which all is there.
        cases = [("if whole:", False), ("else:", True)]
        for case, asked in cases if self.mode != "padded" else [("if True:", True)]:
            text.add(case)
            for some, offset in self._vectors(text, wide, swapped):
                names = [name for element in some for name in element[:parts]]
                address, there = self._source(text, f"at + {offset}")
                line = f"{', '.join(names)}, = load(src, {_times(address, parts)})"
                if not asked:
                    text.add(line, depth=2)
                    continue
                text.add(f"if {there}:", depth=2)
                text.add(line, depth=3)
                text.add("else:", depth=2)
                text.add(*(f"{name} = zero" for name in names), depth=3)
        for element in text.values:
            text.add(*(f"{name} = zero" for name in element[parts:]))

    def store(
        self, text: Text, wide: bool, swapped: bool, parts: int = 1, permuted: bool = False
    ) -> None:
        """Write a thread's elements, point i to ``position(i)`` with `permuted`."""
        for case, asked in (("if whole:", False), ("else:", True)):
            text.add(case)
            for some, offset in self._vectors(text, wide and not permuted, swapped):
                names = [name for element in some for name in element[:parts]]
                address, there = self._target(text, f"at + {offset}", permuted)
                if asked:
                    text.add(f"if {there}:", depth=2)
                line = f"store(dst, {_times(address, parts)}, ({', '.join(names)},))"
                text.add(line, depth=3 if asked else 2)

    def _vectors(self, text, wide, swapped):
        """The elements that are read or written at once, and their first place."""
        form, width = self.form, self.form.width if wide else 1
        for k in range(0, len(text.values), width):
            offset = form.offset(k >> form.vector, swapped) + k % form.width
            yield text.values[k : k + width], offset

    def _find(self, text, strip, depth):
        text.add(
            f"strip = {strip}",
            "outer = strip // across",
            f"corner = strip - outer * across << {self.columns}",
            depth=depth,
        )

    def _locate(self, text, index):
        """Lines that find strip, point and column of an index in the tile."""
        strip = f"first + (p >> {self.levels + self.columns})"
        text.add(f"p = {index}", f"i = {self.point('p')}", depth=2)
        if self.mode != "columns":
            text.add(f"strip = {strip}", depth=2)
            return
        if self.strips:
            self._find(text, strip, 2)
        text.add(f"column = corner + (p & {(1 << self.columns) - 1})", depth=2)

    def _source(self, text, index):
        """Address in an array of `length` points a strip, and the condition for reading there."""
        if self.mode == "rows":
            return f"start + ({index})", f"{index} < limit"
        self._locate(text, index)
        if self.mode == "columns":
            inside = "strip < strips and i < length and column < inner"
            return "(outer * length + i) * inner + column", inside
        column = f"(p & {(1 << self.columns) - 1})"
        return f"(strip * length + i << {self.columns}) + {column}", "strip < strips and i < length"

    def _target(self, text, index, permuted):
        """Address in an array of n points a strip, and the condition for writing there."""
        if self.mode == "columns":
            self._locate(text, index)
            point = "position(i)" if permuted else "i"
            address = f"((outer << {self.levels}) + {point}) * inner + column"
            return address, "strip < strips and column < inner"
        if not permuted:
            return f"start + ({index})", f"{index} < limit"
        text.add(f"p = {index}", f"i = {self.point('p')}", depth=2)
        return f"start + p + (position(i) - i << {self.columns})", f"{index} < limit"


def _times(address, parts):
    return address if parts == 1 else f"({address}) * {parts}"

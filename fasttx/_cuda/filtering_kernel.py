"""The kernels of convolutions with fixed spectra on a GPU.

A row of samples becomes complex numbers in one of three ways (see `_cpu/filtering.py`): "halves",
n real samples modulo ``x**n + 1`` as n/2 complex ones modulo ``x**(n/2) - i``, whose real and
imaginary parts are the two halves; "pairs", two real rows modulo ``x**n - 1`` as one complex row;
"complex". Rows come and go by windows that overlap.

Where the points of a window fit in a tile, one kernel splits, multiplies and merges them: samples
are read once and results written once. Longer ones take three kernels: the highest levels, over
columns; all others with the product between them; and the highest again.
"""

import functools
from typing import Any, NamedTuple

import numba

from . import codelets, fft_kernel, memory, tiles, trace
from .memory import SIMULATED, Kernel

# Modulo which polynomial: numbers of blocks, see `fft_kernel.Fourier`.
BLOCKS = {"halves": 3, "pairs": 0, "complex": 0, "skew complex": 1}


class Part(NamedTuple):
    """Which levels of a transform of 2**(upper + levels + low) points a kernel does."""

    levels: int
    low: int = 0
    upper: int = 0
    columns: int = 0


class Sizes(NamedTuple):
    """Runtime sizes. Results `origin` to ``origin + step - 1`` of a window are its own."""

    samples: Any  # of a row
    history: Any  # of a row of those before
    length: Any  # results of a row
    step: Any  # samples from window to window; the first begins `origin` before the row
    origin: Any
    windows: Any  # of a row
    channels: Any
    rows: Any
    units: Any  # windows, or pairs of windows, in all


@functools.cache
def stage(
    kind: str,
    number: str,
    part: Part,
    *,
    block: str = "halves",
    read: str | None = None,
    written: str | None = None,
    parts: int = 1,
    split: bool = True,
    product: bool = True,
    merge: bool = True,
    conjugate: bool = False,
    short: bool = False,
    history: bool = False,
    reverse: bool = False,
    wide_in: bool = True,
    wide_out: bool = True,
    shuffles: bool = not SIMULATED,
) -> Kernel:
    """Kernel for windows, or for some levels of theirs.

    Parameters
    ----------
    kind : str
        A name in `memory.KINDS`, for the layout.
    number : {"float32", "float64"}
        What is computed with.
    part : Part
    block : str
        A key of `BLOCKS`.
    read, written : str, optional
        What samples and results are in memory; without, transforms are read or written as they
        are, and in place of each other.
    parts : int
        Numbers of a sample that is read.
    split, product, merge : bool
        What to do.
    conjugate : bool
        Multiply by conjugate spectra.
    short : bool
        Second halves are neither read nor written: they are beyond the rows.
    history : bool
        There are samples before each row, instead of zeros.
    reverse : bool
        Each row of results is written backwards.
    wide_in, wide_out : bool
        Whether samples are read and results written in vectors.
    shuffles : bool
        As for the Fourier transform.

    Returns
    -------
    Kernel
        ``launch`` is the kernel, of arguments ``(dst, src, before, spectra, roots, scale, zero,
        *sizes)``: flat arrays, `before` the samples before each row, `spectra` a row of complex
        numbers for each channel, `roots` as by `fft_kernel.roots` with the sign -1, a factor of
        what is not merged, the number 0, and `Sizes`.
    """
    form = codelets.layout(kind, part.levels + part.columns, paired=True)
    code = BLOCKS[block]

    def body(m, dst, src, before, spectra, roots, scale, zero, *sizes):
        tile = codelets.Tile(m, form, number, 2, swapped=split, shuffles=shuffles)
        place = Windows(tile, part, block, Sizes(*sizes), parts)
        if read:
            place.read(src, before if history else None, read, wide_in, short)
        else:
            place.load(src, number, place.total >= form.vector, 2)
        own = 0 if part.upper else code
        if split:
            fourier = fft_kernel.Fourier(place, -1, roots, own)
            if part.upper:
                fourier.twist(part.upper, code)
            fourier.split()
            if not merge:
                tile.scale(scale)
        if product:
            place.multiply(spectra, conjugate)
        if split and merge:
            tile.renumber(zero)
        if merge:
            fourier = fft_kernel.Fourier(place, 1, roots, own, conjugated=True)
            fourier.merge()
            if part.upper:
                fourier.twist(part.upper, code)
        if written:
            place.write(dst, written, wide_out, short, reverse)
        else:
            place.store(dst, number, place.total >= form.vector, 2)

    what = "".join(c for c, done in zip("spm", (split, product, merge), strict=True) if done)
    name = f"convolve_{kind}_{part.levels}_{block}_{what}".replace(" ", "_")
    arrays = [written or number, read or number, read or number, number, number]
    signature = (
        *map(trace.flat, arrays),
        getattr(numba, number),
        numba.int32,
        *[numba.int64] * len(Sizes._fields),
    )
    return trace.kernel(name, body, signature, form)


class Windows(tiles.Places):
    """Windows of rows of samples, whose transforms the strips of a tile are part of."""

    def __init__(self, tile: codelets.Tile, part: Part, block: str, sizes: Sizes, parts: int):
        m = tile.m
        self.part, self.sizes, self.parts = part, sizes, parts
        self.paired = block if block in ("halves", "pairs") else "complex"
        self.total = part.levels + part.low + part.upper
        strips = sizes.units << (part.low - part.columns if part.low else part.upper)
        inner, length = m.constant(1 << part.low, "int64"), m.constant(1 << part.levels, "int64")
        mode = "columns" if part.low else "rows"
        super().__init__(tile, part.levels, part.columns, mode, length, inner, strips)
        self._rows: dict[int, Any] = {}

    def read(self, src, before, name: str, wide: bool, short: bool) -> None:
        """Samples to the elements of a thread."""
        tile, count = self.tile, self.points
        width = self._width(wide and before is None)
        tile.values = []
        for k in range(0, 1 << tile.form.vector + tile.form.registers, width):
            row = self._row(k)
            sample = self._point(k) + row.start
            zeros = [tile.number_of(0)] * width

            def some(there, line, at, width=width):
                return self._samples(src, before, name, there, line, at, width)

            first = some(row.there, row.line, sample)
            second = zeros
            if self.parts == 2:
                first, second = first[::2], first[1::2]
            elif self.paired == "pairs":
                second = some(row.there & row.other_there, row.other, sample)
            elif self.paired == "halves" and not short:
                second = some(row.there, row.line, sample + count)
            tile.values += [list(pair) for pair in zip(first, second, strict=True)]

    def write(self, dst, name: str, wide: bool, short: bool, reverse: bool) -> None:
        """The elements of a thread to results."""
        tile, m, sizes, both = self.tile, self.m, self.sizes, self.paired == "complex"
        width = self._width(wide and not reverse)
        for k in range(0, len(tile.values), width):
            row, elements = self._row(k), tile.values[k : k + width]
            result = self._point(k) - sizes.origin

            def put(numbers, there, line, at, row=row):
                place = row.result + at
                there = there & (at >= 0) & (at < sizes.step) & (place < sizes.length)
                place = line * sizes.length + (sizes.length - 1 - place if reverse else place)
                m.store(dst, place * (2 if both else 1), numbers, name, where=there)

            if both:
                put([x for element in elements for x in element], row.there, row.line, result)
                continue
            put([x for x, _ in elements], row.there, row.line, result)
            others = [y for _, y in elements]
            if self.paired == "pairs":
                put(others, row.there & row.other_there, row.other, result)
            elif self.paired == "halves" and not short:
                put(others, row.there, row.line, result + self.points)

    def multiply(self, spectra, conjugate: bool) -> None:
        """Multiply each element by that of its channel's spectrum."""
        tile, m, number = self.tile, self.m, self.tile.number.name
        width = self._width(True)
        for k in range(0, len(tile.values), width):
            at = (self._row(k).channel << self.total) + self._point(k)
            factors = m.load(spectra, at * 2, number, number, 2 * width)
            for i in range(width):
                x, y = factors[2 * i : 2 * i + 2]
                tile.values[k + i] = fft_kernel.times(
                    tile.values[k + i], [x, -y if conjugate else y]
                )

    @property
    def points(self) -> int:
        """Complex numbers of a window."""
        return 1 << self.total

    def _width(self, wide):
        """Elements that are read at once, of one window."""
        form, along = self.tile.form, self.columns or self.levels
        return form.width if wide and form.vector <= along else 1

    def _samples(self, src, before, name, there, line, at, width):
        """Samples of a row from `at` on, those before it, or zeros; whole vectors are in or out."""
        m, sizes, number = self.m, self.sizes, self.tile.number.name
        inside = there & (at < sizes.samples)

        def load(array, place, where):
            return m.load(array, place * self.parts, name, number, width * self.parts, where=where)

        if before is None:
            return load(src, line * sizes.samples + at, inside & (at >= 0))
        old = at + sizes.history
        return m.either(
            at >= 0,
            lambda: load(src, line * sizes.samples + at, inside),
            lambda: load(before, line * sizes.history + old, there & (old >= 0)),
        )

    def _index(self, k):
        return self.m.convert(self.tile.at + self.tile.offset(k), "int64")

    def _point(self, k):
        """Place of element k in its window."""
        index, part = self._index(k), self.part
        if not part.low:
            block = self.row(index) & (1 << part.upper) - 1
            return (block << part.levels) + self.point(index)
        strip = self.first + (index >> self.levels + self.columns)
        corner = (strip & (1 << part.low - part.columns) - 1) << part.columns
        return (self.point(index) << part.low) + corner + (index & (1 << part.columns) - 1)

    def _row(self, k):
        """Row, window and channel of element k; elements that differ in lower bits share them."""
        bits, sizes = self.levels + self.columns, self.sizes
        key = self.tile.places if self.spare else (), self.tile.offset(k) >> bits
        if key not in self._rows:
            unit = self.row(self._index(k)) >> (0 if self.part.low else self.part.upper)
            line = unit // sizes.windows
            window, channel = unit - line * sizes.windows, line % sizes.channels
            other = line
            if self.paired == "pairs":
                line = (line - channel) * 2 + channel
                other = line + sizes.channels
            result = window * sizes.step
            self._rows[key] = _Row(
                line, other, other < sizes.rows, channel, unit < sizes.units, result,
                result - sizes.origin,
            )  # fmt: skip
        return self._rows[key]


class _Row(NamedTuple):
    line: Any
    other: Any
    other_there: Any
    channel: Any
    there: Any
    result: Any  # the first of the window's results
    start: Any  # its first sample


def ptx(kind: str, number: str, part: Part, *, cc: tuple[int, int] = (8, 0), **options) -> str:
    """PTX of a kernel for compute capability `cc`; needs NVVM, no driver and no device."""
    return memory.ptx(stage(kind, number, part, **options), cc)

"""The kernels of the Walsh-Hadamard transform on a GPU.

An array of shape (outer, n, inner), C-contiguous, is transformed along its middle axis; a kernel
does transforms whose points fit in a tile (see `codelets`), and reads and writes each number once.
"""

import functools
from collections import namedtuple

import numba
import numpy as np

from . import codelets, memory
from .memory import KINDS, SIMULATED, cuda

_REGISTERS = 1 << 16  # of a multiprocessor

# Merged into the kernel before it is typed: a device function compiled by itself asks for a device.
inlined = cuda.jit(device=True, inline="always")

Kernel = namedtuple("Kernel", "launch signature form")


@functools.cache
def transform(
    kind: str,
    levels: int,
    *,
    mode: str = "rows",
    columns: int = 0,
    order: str = "hadamard",
    wide: bool = True,
    signed: bool = False,
    shuffles: bool = not SIMULATED,
) -> Kernel:
    """Kernel for transforms of ``n = 2**levels`` points that fit in a tile.

    Parameters
    ----------
    kind : str
        A name in `memory.KINDS`. The parts of complex numbers lie side by side: ``inner`` and
        `columns` count them.
    levels : int
    mode : {"rows", "padded", "columns"}
        Rows of n points one after the other; rows of another length, cropped or padded with zeros
        to n; points that are ``inner`` numbers apart.
    columns : int
        Bits of the numbers that a block takes side by side: for rows those of the parts.
    order : {"hadamard", "sequency", "dyadic"}
        Order of the output, fused into the store.
    wide : bool
        Whether vectors of 16 bytes are read and, in natural order, written.
    signed : bool
        Whether point i is multiplied by ``signs[i]`` as it is read.
    shuffles : bool
        Whether lanes exchange by shuffles, or through shared memory.

    Returns
    -------
    Kernel
        ``launch`` is the kernel, of arguments ``(dst, src, signs, length, inner, strips, scale)``:
        flat arrays, the points that `src` has along the axis, the numbers between two points, the
        number of strips (rows, or pieces of ``2**columns`` columns) and a factor. `dst` may be
        `src` where both have n points: what is written depends on all that the block read.
    """
    given = KINDS[kind]
    form = codelets.layout(kind, levels + columns)
    steps = range(columns, columns + levels)
    text = codelets.Text(form, given.number, shuffles)
    text.begin(steps, text.needs_shared(steps))
    place = _Places(form, levels, columns, mode)
    place.begin(text)
    _load(text, place, wide, signed)
    text.transform(steps)
    if given.number != "int64":
        scaled = text.fresh(len(text.values))
        text.add(*(f"{y} = {x} * scale" for x, y in zip(text.values, scaled, strict=True)))
        text.values = scaled
    _store(text, place, wide, order)

    number = getattr(np, given.number)
    width = form.width if wide else 1
    names = {
        "cuda": cuda,
        "number": getattr(numba, given.number),
        "word": np.uint64,
        "zero": number(0),
        "one": number(1),
        "minus": number(-1),
        "load": memory.load(given.read, given.number, width),
        "load_signs": memory.load(given.number, given.number, 1),
        "store": memory.store(given.written, width if order == "hadamard" else 1),
        "position": _position(levels, order),
    }
    name = f"fwht_{kind}_{levels}_{mode}_{order}".replace(" ", "_")
    arguments = "dst, src, signs, length, inner, strips, scale"
    function = text.function(name, arguments, names)
    scale = numba.float64 if given.number == "int64" else names["number"]
    signature = (
        memory.signature(given.written),
        memory.signature(given.read),
        names["number"][::1],
        *[numba.int64] * 3,
        scale,
    )
    # The simulator has no registers to count.
    most = {} if SIMULATED else {"max_registers": min(255, _REGISTERS // form.threads)}
    return Kernel(cuda.jit(function, **most), signature, form)


def ptx(kind: str, levels: int, *, cc: tuple[int, int] = (8, 0), **options) -> str:
    """PTX of a kernel for compute capability `cc`; needs NVVM, no driver and no device."""
    kernel = transform(kind, levels, **options)
    code, _ = cuda.compile(
        kernel.launch.py_func, kernel.signature, cc=cc, device=False, abi="numba", output="ptx"
    )
    return code


class _Places:
    """Expressions of where the numbers of a tile are in memory, and whether they are there."""

    def __init__(self, form, levels, columns, mode):
        self.form, self.levels, self.columns, self.mode = form, levels, columns, mode
        self.strips = form.bits - columns - levels  # bits of the strips in a tile

    def begin(self, text):
        bits = self.form.bits
        if self.mode != "columns":
            text.add(
                f"start = cuda.blockIdx.x << {bits}",
                f"limit = (strips << {self.levels + self.columns}) - start",
            )
        if self.mode != "rows":
            text.add(f"first = cuda.blockIdx.x << {self.strips}")
        if self.mode == "columns":
            text.add(
                f"across = (inner + {(1 << self.columns) - 1}) >> {self.columns}",
                f"whole = first + {1 << self.strips} <= strips and length == {1 << self.levels}",
                f"whole = whole and inner & {(1 << self.columns) - 1} == 0",
            )
            if not self.strips:
                self._find(text, "first", 1)
        else:
            text.add(f"whole = limit >= {1 << bits}")

    def flat(self, index):
        """Address in an array of rows of n points."""
        return f"start + ({index})"

    def _find(self, text, strip, depth):
        text.add(
            f"strip = {strip}",
            "outer = strip // across",
            f"corner = strip - outer * across << {self.columns}",
            depth=depth,
        )

    def locate(self, text, index, depth):
        """Lines that find strip, point and column of an index in the tile."""
        strip = f"first + (p >> {self.levels + self.columns})"
        text.add(f"p = {index}", f"i = {self.point('p')}", depth=depth)
        if self.mode != "columns":
            text.add(f"strip = {strip}", depth=depth)
            return
        if self.strips:
            self._find(text, strip, depth)
        text.add(f"column = corner + (p & {(1 << self.columns) - 1})", depth=depth)

    def point(self, index):
        """Expression of the point of an index in the tile."""
        return f"({index}) >> {self.columns} & {(1 << self.levels) - 1}"

    def source(self):
        """Address, after `locate`, in an array that has `length` points along the axis."""
        if self.mode == "columns":
            return "(outer * length + i) * inner + column"
        return f"(strip * length + i << {self.columns}) + (p & {(1 << self.columns) - 1})"

    def target(self, point="i"):
        """Address, after `locate`, in an array that has n points along the axis."""
        return f"((outer << {self.levels}) + {point}) * inner + column"

    def readable(self):
        """Condition for reading, after `locate`."""
        inside = "strip < strips and i < length"
        return f"{inside} and column < inner" if self.mode == "columns" else inside


def _load(text, place, wide, signed):
    """Read a thread's numbers: whole vectors without questions where all of the tile is there."""
    form = place.form
    width = form.width if wide else 1
    text.values = text.fresh(1 << form.vector + form.registers)
    parts = [
        (text.values[k : k + width], form.offset(k >> form.vector, False) + k % form.width)
        for k in range(0, len(text.values), width)
    ]
    # Rows of another length have no tile of which all is there.
    cases = [("if whole:", False), ("else:", True)] if place.mode != "padded" else [("", True)]
    for case, asked in cases:
        depth = 1
        if case:
            text.add(case)
            depth = 2
        for names, offset in parts:
            index, left = f"at + {offset}", ", ".join(names) + ","
            if place.mode == "rows":
                address, there = place.flat(index), f"{index} < limit"
            else:
                place.locate(text, index, depth)
                address, there = place.source(), place.readable()
            if not asked:
                text.add(f"{left} = load(src, {address})", depth=depth)
                continue
            text.add(f"if {there}:", depth=depth)
            text.add(f"{left} = load(src, {address})", depth=depth + 1)
            text.add("else:", depth=depth)
            text.add(*(f"{name} = zero" for name in names), depth=depth + 1)
    if signed:
        new = text.fresh(len(text.values))
        for k, (x, y) in enumerate(zip(text.values, new, strict=True)):
            offset = form.offset(k >> form.vector, False) + k % form.width
            point = place.point(f"at + {offset}")
            text.add(f"(sign,) = load_signs(signs, {point})", f"{y} = {x} * sign")
        text.values = new


def _store(text, place, wide, order):
    form = place.form
    swapped = bool(form.swapped)
    width = form.width if wide and order == "hadamard" else 1
    if swapped:
        text.add(f"at = {form.base(True)}")
    for case, asked in (("if whole:", False), ("else:", True)):
        text.add(case)
        for k in range(0, len(text.values), width):
            offset = form.offset(k >> form.vector, swapped) + k % form.width
            index = f"at + {offset}"
            values = "(" + ", ".join(text.values[k : k + width]) + ",)"
            depth = 2
            if place.mode != "columns":
                address, there = place.flat(index), f"{index} < limit"
                if order != "hadamard":
                    text.add(f"p = {index}", f"i = {place.point('p')}", depth=2)
                    address = f"start + p + (position(i) - i << {place.columns})"
            else:
                place.locate(text, index, 2)
                there = "strip < strips and column < inner"
                address = place.target("i" if order == "hadamard" else "position(i)")
            if asked:
                text.add(f"if {there}:", depth=2)
                depth = 3
            text.add(f"store(dst, {address}, {values})", depth=depth)


def _position(levels, order):
    """Device function: where the coefficient of natural index i goes."""
    reverse = _reverse(levels)

    @inlined
    def sequency(i):
        # The inverse of the Gray code: bit k is the parity of the bits from k up.
        i = reverse(i)
        i ^= i >> 1
        i ^= i >> 2
        i ^= i >> 4
        i ^= i >> 8
        return i ^ i >> 16

    return _choose(levels, order, reverse, sequency)


def source(levels, order):
    """Device function: natural index of output i."""
    reverse = _reverse(levels)

    @inlined
    def sequency(i):
        return reverse(i ^ i >> 1)

    return _choose(levels, order, reverse, sequency)


def _reverse(levels):
    @inlined
    def reverse(i):
        return np.int64(cuda.brev(np.uint32(i)) >> np.uint32(32 - levels))

    return reverse


def _choose(levels, order, dyadic, sequency):
    @inlined
    def natural(i):
        return i

    if levels == 0:  # the shift would be by a whole word
        return natural
    return {"hadamard": natural, "dyadic": dyadic, "sequency": sequency}[order]

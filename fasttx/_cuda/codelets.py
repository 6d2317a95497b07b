"""Text of the transform kernels: which bits of an index live where, and the steps on them.

A block transforms one *tile* of ``2**bits`` numbers. The bits of an index in the tile are, from the
lowest: those of a vector of 16 bytes, of a lane of the warp, of the vectors that a thread holds,
of the warp. A thread keeps its numbers in scalar variables, so the compiler keeps them in
registers; levels over vector and register bits are additions, levels over lane bits take one
shuffle each, and the warp bits change places with register bits once, through shared memory.
"""

import functools
import linecache
from typing import NamedTuple

import numpy as np

from .memory import KINDS, SIMULATED, VECTOR_BYTES, stored

# The simulator runs each thread of a block as a Python thread: few lanes and few warps there.
LANES = 2 if SIMULATED else 5
_WARPS = 1 if SIMULATED else 3  # at least so many bits of warps: blocks of 256 threads
_MAX_WARPS = 2 if SIMULATED else 4
# Bits of what a thread holds and of the largest tile, by the bytes of an element in registers.
_HELD = {4: (2, 3), 8: (2, 3), 16: (1, 2)} if SIMULATED else {4: (4, 5, 6), 8: (4, 5), 16: (3, 4)}
TILE = {4: 6, 8: 5, 16: 4} if SIMULATED else {4: 15, 8: 13, 16: 12}
# Shared memory of an exchange; little in the simulator, so that it takes several turns there too.
_SHARED_BYTES = 64 if SIMULATED else 32 << 10
_LANES_BYTES = 32 << 10


class Layout(NamedTuple):
    """Bits of an index in a tile, from the lowest, and the warp bits that change places."""

    vector: int
    lanes: int
    registers: int
    warps: int
    swapped: int

    @property
    def bits(self) -> int:
        """Bits of the tile."""
        return self.vector + self.lanes + self.registers + self.warps

    @property
    def threads(self) -> int:
        """Threads of a block."""
        return 1 << self.lanes + self.warps

    @property
    def width(self) -> int:
        """Numbers of a vector."""
        return 1 << self.vector

    def offset(self, j: int, swapped: bool) -> int:
        """What vector j of a thread adds to the thread's index in the tile."""
        low = self.vector + self.lanes
        if not swapped:
            return j << low
        mask = (1 << self.swapped) - 1
        return (j & ~mask) << low | (j & mask) << low + self.registers

    def base(self, swapped: bool) -> str:
        """Expression of the thread's index in the tile."""
        low, top = self.vector + self.lanes, self.vector + self.lanes + self.registers
        if not swapped:
            return f"lane << {self.vector} | warp << {top}"
        mask = (1 << self.swapped) - 1
        return (
            f"lane << {self.vector} | (warp & {mask}) << {low} "
            f"| (warp >> {self.swapped}) << {top + self.swapped}"
        )


@functools.cache
def layout(kind: str, bits: int, paired: bool = False) -> Layout:
    """The layout for transforms whose points, with those beside them, take `bits` bits.

    Whole vectors come first, then as few elements a thread as have room for one exchange. With
    `paired` the elements are complex numbers, held as pairs.
    """
    given = KINDS[kind]
    read = stored(given.read).itemsize * (given.parts if paired else 1)
    held = _HELD[element_bytes(kind, paired)]
    widest = (VECTOR_BYTES // read).bit_length() - 1
    for vector in range(widest, -1, -1):
        for values in held:
            registers = values - vector
            swapped = max(0, bits - values - LANES)
            if 0 <= swapped <= min(registers, _MAX_WARPS):
                return Layout(vector, LANES, registers, max(swapped, _WARPS), swapped)
    raise AssertionError(f"no layout for {bits} bits of {kind}")


def element_bytes(kind: str, paired: bool = False) -> int:
    """Bytes of an element in registers: the key of `TILE`."""
    return np.dtype(KINDS[kind].number).itemsize << paired


class Text:
    """Lines of a kernel and the names of the elements that a thread holds.

    An element is a tuple of names: of a number, or of the parts of a complex one.
    """

    def __init__(self, form: Layout, number: str, parts: int = 1, shuffles: bool = not SIMULATED):
        self.form, self.number, self.parts, self.shuffles = form, np.dtype(number), parts, shuffles
        self.lines: list[str] = []
        self.values: list[tuple[str, ...]] = []
        self._count, self._met = 0, not shuffles  # whether others may still read shared memory

    def add(self, *lines: str, depth: int = 1) -> None:
        """Append lines at a depth of indentation."""
        self.lines += ["    " * depth + line for line in lines]

    def fresh(self) -> list[tuple[str, ...]]:
        """New names for all elements of a thread."""
        count = 1 << self.form.vector + self.form.registers
        start, self._count = self._count, self._count + count
        return [tuple(f"x{start + i}{'ri'[p]}" for p in range(self.parts)) for i in range(count)]

    def begin(self, levels: range, swapped: bool = False) -> None:
        """Names of the thread, and the signs of its lane at the levels of lanes."""
        lanes = self.form.lanes
        if self.form.swapped or (not self.shuffles and self.lane_levels(levels)):
            self.add(f"tile = cuda.shared.array({self._shared_size()}, number)")
        self.add("thread = cuda.threadIdx.x")
        self.add(f"lane, warp = thread & {(1 << lanes) - 1}, thread >> {lanes}")
        self.add(f"at = {self.form.base(swapped)}")
        for bit in self.lane_levels(levels):
            self.add(f"odd{bit} = lane & {1 << bit}")
            if self.number.kind == "f":
                self.add(f"sign{bit} = minus if odd{bit} else one")

    def lane_levels(self, levels: range) -> list[int]:
        """Those of the levels that are over bits of the lane, as bits of the lane."""
        start, stop = self.form.vector, self.form.vector + self.form.lanes
        return [bit - start for bit in levels if start <= bit < stop]

    def held_bit(self, level: int) -> int | None:
        """The bit of an index into `values` that is this bit of the index in the tile."""
        form = self.form
        if level < form.vector:
            return level
        level -= form.lanes
        return level if form.vector <= level < form.vector + form.registers else None

    def other_lanes(self, bit: int):
        """Pairs of an element's number and names of the same element in the other lane."""
        step = 1 if self.shuffles else self._together()
        for start in range(0, len(self.values), step):
            some = range(start, start + step)
            if not self.shuffles:
                self._share(some, f"thread ^ {1 << bit}")
            for i in some:
                if self.shuffles:
                    names = tuple(
                        f"cuda.shfl_xor_sync(0xffffffff, {x}, {1 << bit})" for x in self.values[i]
                    )
                else:
                    names = tuple(f"other{i - start}{'ri'[p]}" for p in range(self.parts))
                yield i, names

    def _share(self, some, source):
        """Read elements of another thread, through shared memory."""
        names = [
            (self.form.threads * (self.parts * n + p), x, f"other{n}{'ri'[p]}")
            for n, i in enumerate(some)
            for p, x in enumerate(self.values[i])
        ]
        self.add("cuda.syncthreads()")
        self.add(*(f"tile[word(thread + {place})] = {x}" for place, x, _ in names))
        self.add("cuda.syncthreads()")
        self.add(*(f"{name} = tile[word(({source}) + {place})]" for place, _, name in names))

    def _together(self):
        """Elements of a thread that other lanes read at once."""
        room = _LANES_BYTES // (self.form.threads * self.number.itemsize * self.parts)
        return min(1 << self.form.vector + self.form.registers, max(1, room))

    def _shared_size(self):
        """Numbers in shared memory."""
        form = self.form
        size = form.threads * self._at_once() << form.swapped
        return size if self.shuffles else max(size, form.threads * self._together() * self.parts)

    def _at_once(self):
        """Groups of numbers that have room in shared memory; each is exchanged by itself."""
        form = self.form
        groups = self.parts << form.registers - form.swapped + form.vector
        room = _SHARED_BYTES // self.number.itemsize
        return min(groups, max(1, room // (form.threads << form.swapped)))

    def exchange(self) -> None:
        """Swap the lowest warp bits with register bits."""
        form, threads = self.form, self.form.threads
        mask, along = (1 << form.swapped) - 1, 1 << form.swapped
        new = self.fresh()
        self.add(
            f"own = (warp & {mask}) * {threads} + ((warp & {~mask}) << {form.lanes}) + lane",
        )
        spare = 1 << form.registers - form.swapped
        groups = [
            [((h << form.swapped | a) << form.vector | c, p) for a in range(along)]
            for h in range(spare)
            for c in range(form.width)
            for p in range(self.parts)
        ]
        step = self._at_once()
        for start in range(0, len(groups), step):
            if self._met:
                self.add("cuda.syncthreads()")
            self._met = True
            some = groups[start : start + step]
            for g, group in enumerate(some):
                for a, (i, p) in enumerate(group):
                    place = (g * along + a) * threads
                    self.add(f"tile[word(thread + {place})] = {self.values[i][p]}")
            self.add("cuda.syncthreads()")
            for g, group in enumerate(some):
                for a, (i, p) in enumerate(group):
                    place = g * along * threads + (a << form.lanes)
                    self.add(f"{new[i][p]} = tile[word(own + {place})]")
        self.values = new

    def scale(self) -> None:
        """Multiply all elements by the argument `scale`."""
        new = self.fresh()
        for given, scaled in zip(self.values, new, strict=True):
            self.add(*(f"{y} = {x} * scale" for x, y in zip(given, scaled, strict=True)))
        self.values = new

    def function(self, name: str, arguments: str, names: dict):
        """The function of these lines; its text is shown in tracebacks."""
        text = "\n".join([f"def {name}({arguments}):", *self.lines, ""])
        file = f"<fasttx {name}>"
        linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
        number = self.number.type
        names = {
            "word": np.uint64,
            "zero": number(0),
            "one": number(1),
            "minus": number(-1),
            **names,
        }
        exec(compile(text, file, "exec"), names)
        return names[name]

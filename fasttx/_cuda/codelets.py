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
_HELD = {4: (2, 3), 8: (2, 3)} if SIMULATED else {4: (4, 5, 6), 8: (4, 5)}
# Bits of the largest tile, by the bytes of a number while it is transformed.
TILE = {4: 6, 8: 5} if SIMULATED else {4: 15, 8: 13}
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
def layout(kind: str, bits: int) -> Layout:
    """The layout for transforms whose points, with those beside them, take `bits` bits.

    Whole vectors come first, then as few numbers a thread as have room for one exchange.
    """
    read = stored(KINDS[kind].read).itemsize
    held = _HELD[np.dtype(KINDS[kind].number).itemsize]
    widest = (VECTOR_BYTES // read).bit_length() - 1
    for vector in range(widest, -1, -1):
        for values in held:
            registers = values - vector
            swapped = max(0, bits - values - LANES)
            if 0 <= swapped <= min(registers, _MAX_WARPS):
                return Layout(vector, LANES, registers, max(swapped, _WARPS), swapped)
    raise AssertionError(f"no layout for {bits} bits of {kind}")


class Text:
    """Lines of a kernel and the names of the numbers that a thread holds."""

    def __init__(self, form: Layout, number: str, shuffles: bool):
        self.form, self.number, self.shuffles = form, np.dtype(number), shuffles
        self.lines: list[str] = []
        self.values: list[str] = []
        self._count = 0

    def add(self, *lines: str, depth: int = 1) -> None:
        """Append lines at a depth of indentation."""
        self.lines += ["    " * depth + line for line in lines]

    def fresh(self, count: int) -> list[str]:
        """New names."""
        self._count += count
        return [f"x{i}" for i in range(self._count - count, self._count)]

    def begin(self, levels: range, shared: bool) -> None:
        """Names of the thread, and the signs of its lane at the levels of lanes."""
        if shared:
            self.add(f"tile = cuda.shared.array({self.shared_size()}, number)")
        lanes = self.form.lanes
        self.add("thread = cuda.threadIdx.x")
        self.add(f"lane, warp = thread & {(1 << lanes) - 1}, thread >> {lanes}")
        self.add(f"at = {self.form.base(False)}")
        for bit in self._lane_levels(levels):
            self.add(f"odd{bit} = lane & {1 << bit}")
            if self.number.kind == "f":
                self.add(f"sign{bit} = minus if odd{bit} else one")

    def shared_size(self) -> int:
        """Numbers in shared memory."""
        size = self.form.threads * self._at_once() << self.form.swapped
        return size if self.shuffles else max(size, self.form.threads * self._together())

    def needs_shared(self, levels: range) -> bool:
        """Whether threads meet in shared memory at these levels."""
        return bool(self.form.swapped or (not self.shuffles and self._lane_levels(levels)))

    def transform(self, levels: range) -> None:
        """All levels of the transform over the bits `levels` of the index in the tile."""
        form = self.form
        held, first = form.vector + form.lanes, form.vector
        for bit in levels:
            if bit < form.vector:
                self._level(bit)
            elif held <= bit < held + form.registers:
                self._level(bit - held + first)
        for bit in self._lane_levels(levels):
            self._lane_level(bit)
        if form.swapped:
            self._exchange()
            for bit in range(form.swapped):
                self._level(bit + first)

    def _lane_levels(self, levels):
        start, stop = self.form.vector, self.form.vector + self.form.lanes
        return [bit - start for bit in levels if start <= bit < stop]

    def _level(self, bit):
        """Butterflies between the numbers of a thread."""
        new = self.fresh(len(self.values))
        for i, x in enumerate(self.values):
            if not i >> bit & 1:
                y = self.values[i | 1 << bit]
                self.add(f"{new[i]} = {x} + {y}", f"{new[i | 1 << bit]} = {x} - {y}")
        self.values = new

    def _lane_level(self, bit):
        """Butterflies between lanes: the other lane's number, plus or minus the own."""
        new = self.fresh(len(self.values))
        step = 1 if self.shuffles else self._together()
        for start in range(0, len(new), step):
            values = self.values[start : start + step]
            if not self.shuffles:
                self._share(values, f"thread ^ {1 << bit}")
            for i, (name, x) in enumerate(zip(new[start:], values, strict=False)):
                other = f"other{i}"
                if self.shuffles:
                    other = f"cuda.shfl_xor_sync(0xffffffff, {x}, {1 << bit})"
                if self.number.kind == "i":
                    self.add(f"other = {other}")
                    self.add(f"{name} = other - {x} if odd{bit} else other + {x}")
                else:
                    self.add(f"{name} = {other} + {x} * sign{bit}")
        self.values = new

    def _share(self, values, source):
        """Read the numbers of another thread, through shared memory."""
        places = [self.form.threads * i for i in range(len(values))]
        self.add("cuda.syncthreads()")
        self.add(*(f"tile[word(thread + {p})] = {x}" for p, x in zip(places, values, strict=True)))
        self.add("cuda.syncthreads()")
        self.add(*(f"other{i} = tile[word(({source}) + {p})]" for i, p in enumerate(places)))

    def _together(self):
        """Numbers of a thread that other lanes read at once."""
        room = _LANES_BYTES // (self.form.threads * self.number.itemsize)
        return min(1 << self.form.vector + self.form.registers, max(1, room))

    def _at_once(self):
        """Groups of vectors' parts that have room in shared memory; each is closed by itself."""
        form = self.form
        groups = 1 << form.registers - form.swapped + form.vector
        room = _SHARED_BYTES // self.number.itemsize
        return min(groups, max(1, room // (form.threads << form.swapped)))

    def _exchange(self):
        """Swap the lowest warp bits with register bits."""
        form, threads = self.form, self.form.threads
        mask, along = (1 << form.swapped) - 1, 1 << form.swapped
        new = self.fresh(len(self.values))
        self.add(
            f"own = (warp & {mask}) * {threads} + ((warp & {~mask}) << {form.lanes}) + lane",
        )
        spare = 1 << form.registers - form.swapped
        groups = [(h, c) for h in range(spare) for c in range(form.width)]
        step = self._at_once()
        for start in range(0, len(groups), step):
            if start or not self.shuffles:
                self.add("cuda.syncthreads()")
            for g, (h, c) in enumerate(groups[start : start + step]):
                for a in range(along):
                    x = self.values[(h << form.swapped | a) << form.vector | c]
                    self.add(f"tile[word(thread + {(g * along + a) * threads})] = {x}")
            self.add("cuda.syncthreads()")
            for g, (h, c) in enumerate(groups[start : start + step]):
                for a in range(along):
                    name = new[(h << form.swapped | a) << form.vector | c]
                    place = g * along * threads + (a << form.lanes)
                    self.add(f"{name} = tile[word(own + {place})]")
        self.values = new

    def function(self, name: str, arguments: str, names: dict):
        """The function of these lines; its text is shown in tracebacks."""
        text = "\n".join([f"def {name}({arguments}):", *self.lines, ""])
        file = f"<fasttx {name}>"
        linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
        exec(compile(text, file, "exec"), names)
        return names[name]

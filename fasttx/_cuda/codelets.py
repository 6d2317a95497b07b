"""The numbers of a tile in the threads of a block: which bits of an index live where.

A block transforms one *tile* of ``2**bits`` numbers. The bits of an index in the tile are, from the
lowest: those of a vector of 16 bytes, of a lane of the warp, of the vectors that a thread holds,
of the warp. Levels over vector and register bits are additions within a thread, levels over lane
bits take one shuffle each, and the warp bits change places with register bits once, through shared
memory.
"""

import functools
import operator
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
# Registers of a thread that holds up to so many words.
_MOST_REGISTERS = ((16, 64), (32, 80), (64, 128), (128, 224))
# Shared memory of an exchange; little in the simulator, so that it takes several turns there too.
_SHARED_BYTES = 64 if SIMULATED else 32 << 10


class Layout(NamedTuple):
    """Bits of an index in a tile, from the lowest, and the warp bits that change places."""

    vector: int
    lanes: int
    registers: int
    warps: int
    swapped: int
    bytes: int = 4  # of an element in registers

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

    @property
    def most_registers(self) -> int:
        """Registers that a thread may have, so that several blocks fit on a multiprocessor."""
        words = (self.bytes << self.vector + self.registers) // 4
        return next(most for words_held, most in _MOST_REGISTERS if words <= words_held)

    def offset(self, j: int, swapped: bool) -> int:
        """What vector j of a thread adds to the thread's index in the tile."""
        low = self.vector + self.lanes
        if not swapped:
            return j << low
        mask = (1 << self.swapped) - 1
        return (j & ~mask) << low | (j & mask) << low + self.registers

    def start(self, lane, warp, swapped: bool):
        """The thread's index in the tile, of traced values."""
        low, top = self.vector + self.lanes, self.vector + self.lanes + self.registers
        if not swapped:
            return lane << self.vector | warp << top
        mask = (1 << self.swapped) - 1
        high = (warp >> self.swapped) << top + self.swapped
        return lane << self.vector | (warp & mask) << low | high


@functools.cache
def layout(kind: str, bits: int, paired: bool = False, warp: int = 0) -> Layout:
    """The layout for transforms whose points, with those beside them, take `bits` bits.

    Whole vectors come first, then as few elements a thread as have room for one exchange. With
    `paired` the elements are complex numbers, held as pairs. A warp holds ``2**warp`` elements
    that follow each other, or more.
    """
    given = KINDS[kind]
    read = stored(given.read).itemsize * (given.parts if paired else 1)
    held = _HELD[element_bytes(kind, paired)]
    widest = (VECTOR_BYTES // read).bit_length() - 1
    for vector in range(widest, -1, -1):
        for values in held:
            registers = values - vector
            swapped = max(0, bits - values - LANES)
            if 0 <= swapped <= min(registers, _MAX_WARPS) and warp <= values + LANES:
                warps, size = max(swapped, _WARPS), element_bytes(kind, paired)
                return Layout(vector, LANES, registers, warps, swapped, size)
    raise AssertionError(f"no layout for {bits} bits of {kind}")


def element_bytes(kind: str, paired: bool = False) -> int:
    """Bytes of an element in registers: the key of `TILE`."""
    return np.dtype(KINDS[kind].number).itemsize << paired


class Tile:
    """A thread's part of a tile, while a kernel is traced.

    Parameters
    ----------
    m : emitted.Machine
    form : Layout
    number : str
        Dtype of the numbers.
    parts : int
        Numbers of an element: 2 for complex ones.
    swapped : bool
        Whether register bits begin in the place of warp bits.
    shuffles : bool
        Whether lanes exchange by shuffles, or through shared memory.
    gathers : bool
        Whether there is to be room for `gather`.
    shared : optional
        Shared memory with room for all of the tile, by ``m.shared``, which `share` needs; else
        there is as much as an exchange takes.

    Attributes
    ----------
    values : list of list of values
        The thread's elements, each a list of its parts.
    """

    def __init__(
        self,
        m,
        form,
        number,
        parts=1,
        *,
        swapped=False,
        shuffles=not SIMULATED,
        gathers=False,
        shared=None,
    ):
        self.m, self.form, self.parts, self.number = m, form, parts, np.dtype(number)
        self._least_room = 1 << form.bits if gathers else 0
        self.shuffles, self.swapped = shuffles, swapped and bool(form.swapped)
        self.lane = m.thread & (1 << form.lanes) - 1
        self.warp = m.thread >> form.lanes
        self._turned: dict[int, int] = {}  # bits of the layout that are other bits of the index
        self.values: list[list] = []
        self._shared, self._all = shared, shared is not None
        self._met = False  # whether others may still read shared memory

    @property
    def at(self):
        """The thread's index in the tile."""
        start = self.form.start(self.lane, self.warp, self.swapped)
        if not self._turned:
            return start
        return _moved(start, {bit: self._turned.get(bit, bit) for bit in range(self.form.bits)})

    @property
    def places(self) -> tuple:
        """Which bits of the index are where: a key of what is known about elements."""
        return self.swapped, *self._turned.items()

    def offset(self, k: int) -> int:
        """What element k adds to the thread's index in the tile."""
        form = self.form
        start = form.offset(k >> form.vector, self.swapped) + k % form.width
        bits = range(start.bit_length())
        return sum(1 << self._turned.get(bit, bit) for bit in bits if start >> bit & 1)

    def number_of(self, value):
        """A constant of the tile's dtype."""
        return self.m.constant(value, self.number.name)

    def lane_bit(self, level: int) -> int | None:
        """The bit of the lane that is this bit of the index in the tile."""
        level = self._in_layout(level) - self.form.vector
        return level if 0 <= level < self.form.lanes else None

    def held_bit(self, level: int) -> int | None:
        """The bit of an index into `values` that is this bit of the index in the tile."""
        form, level = self.form, self._in_layout(level)
        if level < form.vector:
            return level
        low = form.vector + form.lanes + (form.registers if self.swapped else 0)
        held = form.swapped if self.swapped else form.registers
        return level - low + form.vector if low <= level < low + held else None

    def _in_layout(self, level):
        """The bit of the layout that is this bit of the index."""
        return next((bit for bit, to in self._turned.items() if to == level), level)

    def is_odd(self, bit: int):
        """Whether the thread's lane has this bit."""
        return (self.lane >> bit & 1) == 1

    def sign(self, bit: int):
        """-1 where the thread's lane has this bit, else 1."""
        return self.m.where(self.is_odd(bit), self.number_of(-1), self.number_of(1))

    def other_lanes(self, bit: int) -> list[list]:
        """The elements of the lane that differs in this bit."""
        others = self.swap([x for element in self.values for x in element], bit)
        return [others[i : i + self.parts] for i in range(0, len(others), self.parts)]

    def swap(self, numbers: list, bit: int) -> list:
        """Such numbers of the lane that differs in this bit."""
        if self.shuffles:
            return [self.m.shuffle(x, 1 << bit) for x in numbers]
        return self._read(numbers, self.m.thread ^ 1 << bit)

    def from_lane(self, numbers: list, lane) -> list:
        """Such numbers of the lane of that number."""
        if self.shuffles:
            return [self.m.shuffle_from(x, lane) for x in numbers]
        return self._read(numbers, self.warp << self.form.lanes | lane)

    def _read(self, numbers, source):
        """Numbers of another thread, through shared memory."""
        step, threads, read = self._room() // self.form.threads, self.form.threads, []
        for start in range(0, len(numbers), step):
            self._meet()
            some = range(min(step, len(numbers) - start))
            for i in some:
                self._put(self.m.thread + i * threads, numbers[start + i])
            self.m.sync()
            read += [self._get(source + i * threads) for i in some]
        return read

    def turn(self, bit: int) -> int | None:
        """Swap a bit of the lane with the lowest register bit; returns that bit of `values`.

        One of two elements is sent, so that this takes half of the shuffles of `other_lanes`; None
        where there are no register bits or no shuffles.
        """
        form, where = self.form, self.m.where
        if not (form.registers and self.shuffles):
            return None
        odd, held = self.is_odd(bit), form.vector
        for i, x in enumerate(self.values):
            if i >> held & 1:
                continue
            y = self.values[i | 1 << held]
            for p, (a, b) in enumerate(zip(list(x), list(y), strict=True)):
                other = self.m.shuffle(where(odd, a, b), 1 << bit)
                x[p], y[p] = where(odd, other, a), where(odd, b, other)
        lane, register = form.vector + bit, form.offset(1, self.swapped).bit_length() - 1
        one, two = (self._turned.get(b, b) for b in (lane, register))
        self._turned[lane], self._turned[register] = two, one
        return held

    def exchange(self) -> None:
        """Swap the lowest warp bits with register bits, if any are to be."""
        form = self.form
        if not form.swapped:
            return
        mask, along, threads = (1 << form.swapped) - 1, 1 << form.swapped, form.threads
        own = (self.warp & mask) * threads + ((self.warp & ~mask) << form.lanes) + self.lane
        groups = [
            [((h << form.swapped | a) << form.vector | c, p) for a in range(along)]
            for h in range(1 << form.registers - form.swapped)
            for c in range(form.width)
            for p in range(self.parts)
        ]
        new: list[list] = [[None] * self.parts for _ in self.values]
        step = max(1, self._room() // (threads << form.swapped))
        for start in range(0, len(groups), step):
            self._meet()
            some = groups[start : start + step]
            for g, group in enumerate(some):
                for a, (i, p) in enumerate(group):
                    self._put(self.m.thread + (g * along + a) * threads, self.values[i][p])
            self.m.sync()
            for g, group in enumerate(some):
                for a, (i, p) in enumerate(group):
                    new[i][p] = self._get(own + (g * along * threads + (a << form.lanes)))
        self.values, self.swapped = new, not self.swapped

    def gather(self, mask, also, use, zero) -> None:
        """Replace element k by ``use(k, other)``: the index of the other differs in some bits.

        These are the bits of `mask`, a value, and of the number ``also(k)``. Register bits must be
        in their own place; `zero` is as for `renumber`.
        """
        form = self.form
        slots, low, top = {}, form.vector + form.lanes, form.lanes + form.warps
        for level in range(form.bits):
            bit = self._in_layout(level)
            if bit < form.vector:
                slots[level] = top + bit
            elif bit < low:
                slots[level] = bit - form.vector
            elif bit < low + form.registers:
                slots[level] = top + bit - form.lanes
            else:
                slots[level] = bit - form.vector - form.registers
        others: list[list] = [[] for _ in self.values]
        for part in range(self.parts):
            if part:
                self.renumber(zero)
            self._meet()
            for k, element in enumerate(self.values):
                self._put(self.m.thread + k * form.threads, element[part])
            self.m.sync()
            thread = self.lane | self.warp << form.lanes
            moved = _moved(mask, slots)
            for k, other in enumerate(others):
                bits = moved | sum(1 << slots[i] for i in slots if also(k) >> i & 1)
                other.append(self._get(thread + k * form.threads ^ bits))
                if part == self.parts - 1:
                    self.values[k] = use(k, other)

    def beside(self) -> "Tile":
        """Another tile of the same threads, whose turn in shared memory it is now."""
        other = Tile(self.m, self.form, self.number, self.parts, shuffles=self.shuffles)
        other._shared, other._met = self._shared, self._met
        return other

    def renumber(self, zero) -> None:
        """Add a zero that no compiler knows of to the thread's numbers.

        Of two halves of a kernel that have the same addresses and twiddles, a compiler would keep
        these from the first to the second, in local memory where registers are too few.
        """
        self.lane, self.warp = self.lane + zero, self.warp + zero

    def scale(self, factor) -> None:
        """Multiply all elements."""
        self.values = [[x * factor for x in element] for element in self.values]

    def share(self) -> None:
        """Put all elements into shared memory, where every thread finds them by `element`."""
        self._meet()
        for k, element in enumerate(self.values):
            for part, x in enumerate(element):
                self._put(self._slot(self.at + self.offset(k), part), x)
        self.m.sync()

    def element(self, index, part: int = 0):
        """A number of an element that was shared."""
        return self._get(self._slot(index, part))

    def _slot(self, index, part):
        # Vectors of lanes begin in the same banks: their numbers change places by those bits of
        # lanes that are beyond the banks, and by the one that `turn` moved farthest.
        width, banks = self.form.width, (128 // self.number.itemsize).bit_length() - 1
        index = index ^ index >> banks & width - 1 ^ index >> LANES + 1 & width >> 1
        return index + (part << self.form.bits)

    def _room(self):
        """Numbers that shared memory has room for."""
        form, size = self.form, self.number.itemsize
        wanted = form.threads * self.parts << form.registers + form.vector
        if self._all:
            return wanted
        room = min(wanted, max(_SHARED_BYTES // size, form.threads << form.swapped))
        return max(room, self._least_room)

    def _meet(self):
        if self._met:
            self.m.sync()
        self._met = True

    def _put(self, place, x):
        if self._shared is None:
            self._shared = self.m.shared(self.number.name, self._room())
        self.m.put(self._shared, place, x)

    def _get(self, place):
        return self.m.get(self._shared, place)


def _moved(value, places: dict[int, int]):
    """A value with its bits at other places."""
    masks: dict[int, int] = {}  # of the bits that move equally far
    for bit, to in places.items():
        masks[to - bit] = masks.get(to - bit, 0) | 1 << bit
    parts = [(value & mask, by) for by, mask in masks.items()]
    return functools.reduce(operator.or_, (x << by if by > 0 else x >> -by for x, by in parts))

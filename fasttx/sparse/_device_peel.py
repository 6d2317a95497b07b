"""Peeling on a device: what `_peel.Peeling` does on the host.

Arrays stay there until the terms are final; the host reads counts and sums, to decide what is next.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from .._cuda import spright
from .._cuda import spright_peeling as peeling
from .._cuda.workspace import Workspace
from ._design import Group
from ._device_bins import DeviceBins, Seen
from ._levels import Levels
from ._peel import OFTEN, ROUNDS, Reading


@dataclasses.dataclass
class Terms:
    """Tables of terms on a device. One that was dropped is not live, and has the size 0."""

    count: int
    room: int
    keys: Any
    sizes: Any  # as float64, (count, outputs)
    change: Any  # of the sizes
    times: Any  # that a key was found
    live: Any  # 0 or 1, as float64

    @classmethod
    def of(cls, space: Workspace, room: int, outputs: int, words: int) -> Terms:
        """Room for so many."""
        sizes, change = (space.new(room * outputs, "float64") for _ in range(2))
        times, live = space.new(room, "int64"), space.new(room, "float64")
        return cls(0, room, space.new(room * words, "uint64"), sizes, change, times, live)


class DevicePeeling(Levels):
    """Bins of all groups, and the terms taken out of them.

    Parameters
    ----------
    space : Workspace
    groups : list of Group
    samples : flat device array
        Real values, (N, outputs).
    outputs : int
    reading : Reading
        By votes or over cosets.
    log_keys, variance, floor, every_key
        As for the peeling on the host; the variance is known.
    repeated : int
        As `repeated` there.
    """

    def __init__(
        self,
        space: Workspace,
        groups: list[Group],
        samples: Any,
        outputs: int,
        reading: Reading,
        log_keys: float,
        variance: float,
        floor: float,
        every_key: Callable[[], np.ndarray] | None,
        repeated: int,
    ):
        starts = np.cumsum([0] + [g.length for g in groups])
        bins = [
            DeviceBins(space, group, samples, outputs, reading, log_keys, int(start))
            for group, start in zip(groups, starts, strict=False)
        ]
        super().__init__(
            bins, reading.confidence, log_keys, variance, floor, exact=every_key is not None
        )
        self.space, self.outputs, self.every_key = space, outputs, every_key
        self.words = groups[0].directions.shape[1]
        self._bins, self._groups = int(starts[-1]), len(groups)
        table = space.table
        hashing = [g.directions[: g.bits] for g in groups]
        sizes = np.array([len(rows) for rows in hashing])
        self._starts = table(starts)
        self._hash = table(sizes), table(np.cumsum(sizes) - sizes), table(np.concatenate(hashing))
        self._signs = table(np.concatenate([g.offsets for g in groups]))
        self._rows = table(np.cumsum([0] + [b.offsets for b in bins]))
        self._zero = table(np.array([self.zero(b) for b in bins]))
        self._limit = table(np.array([self.rest(b) for b in bins]))
        self._weight = table(np.array([float(b.offsets * b.group.length) for b in bins]))
        self.count = sum(b.offsets * b.group.length for b in bins)  # of samples
        self._repeated = repeated
        self.known = Seen.of(space, self._bins, outputs, self.words)
        self.terms = Terms.of(space, self._bins, outputs, self.words)
        self._list()

    def run(self) -> None:
        """Peel until no bin shows a single key."""
        self.space.fill(self.known.state, self._bins, spright.DIRTY)
        self._examine()
        for _ in range(ROUNDS):
            if not (self._found(strict=1) or self._found(strict=0) or self._jointly()):
                return

    def _marks(self, items: int) -> tuple[Any, Any, Any]:
        """Arrays for flags of items, for the terms that these are, and for mean amplitudes."""
        new = self.space.new
        return new(items, "int64"), new(items, "int64"), new(items * self.outputs, "float64")

    def _lookup(self) -> tuple[Any, ...]:
        """What kernels find a key's bins and its number among the terms with."""
        tables = self.terms.keys, self.terms.times
        return self._starts, *self._hash, *self._lists, *tables, self._groups

    def _found(self, strict: int) -> bool:
        """Take keys that bins show; strictly, only from bins with nothing else in them."""
        marks = self._marks(self._bins)
        levels = self._zero, self._limit, self._weight
        known = self.known
        bins = known.state, known.energy, known.rest, known.amplitude, known.key
        counts = self._bins, self.outputs, OFTEN, strict
        kernel = peeling.found(self.words)
        self.space.run(kernel, self._bins, *marks, *bins, *levels, *self._lookup(), *counts)
        return self._take(marks, known.key, self._bins)

    def _jointly(self) -> bool:
        """Take keys that only all groups together tell from noise."""
        if not self.noisy:
            return False
        if self.every_key is None:
            keys, items = self.known.key, self._bins
            self.space.run(spright.again(), items, self.known.state, items)
            for b in self.bins:
                b.examine(self.known, 0.0)
        else:
            few = self.every_key()
            keys, items = self.space.table(few), len(few)
        sums = self.project(keys, items)
        ones = self.space.new(self._bins, "float64")
        self.space.fill(ones, self._bins, 1.0)
        left = sum(
            b.group.length * self.space.dot(self.known.energy, ones, b.group.length, b.start)
            for b in self.bins
        )
        # What is not resolved yet disturbs like noise. Samples that two groups share count once.
        level = max(self.variance, left / (self.count * self.outputs))
        level *= self.count / (self.count - self._repeated)
        marks = self._marks(items)
        counts = items, self.outputs, float(self.count), level * self.least_significance, OFTEN
        self.space.run(
            peeling.sure(self.words), items, *marks, sums, self.known.amplitude, keys,
            *self._lookup(), *counts, int(self.every_key is not None),
        )  # fmt: skip
        return self._take(marks, keys, items)

    def _take(self, marks: tuple[Any, Any, Any], keys: Any, items: int) -> bool:
        """Make marked keys terms, and take them out; whether there are any."""
        flags, slots, mean = marks
        ranks = self.space.ranks(flags, items)
        new, count = divmod(self.space.number(ranks, items), peeling.NEW)
        if not count:
            return False
        if self.terms.count + new > self.terms.room:
            self._grow(2 * (self.terms.count + new))
        terms = self.terms
        self.space.fill(terms.change, (terms.count + new) * self.outputs, 0.0)
        columns = terms.keys, terms.change, terms.sizes, terms.times, terms.live
        arrays = flags, ranks, slots, mean, keys, *columns
        counts = items, self.outputs, terms.count
        self.space.run(peeling.merge(self.words), items, *arrays, *counts)
        terms.count += new
        self._list()
        self.move()
        return True

    def unresolved(self) -> list[int]:
        """Bins of each group whose energy is not that of noise."""
        counts = self.space.zeros(self._groups, "int64")
        arrays = counts, self.known.energy, self._zero, self._starts
        self.space.run(spright.unresolved(), self._bins, *arrays, self._groups, self._bins)
        return [int(c) for c in self.space.host(counts)[: self._groups]]

    def project(self, keys: Any, items: int) -> Any:
        """Inner products of keys' signs with what is left of the samples."""
        sums = self.space.zeros(items * self.outputs, "float64")
        kernel, row = peeling.project(self.words), 0
        for b in self.bins:
            sizes = row, b.group.bits, b.group.length, b.offsets, self.outputs, items
            self.space.run(kernel, items, sums, b.seen, keys, b.signs, self._hash[2], *sizes)
            row += b.group.bits
        return sums

    def normal(self) -> tuple[Any, ...]:
        """What kernels know the normal matrix of the terms by."""
        tables = self._signs, self._rows, self._starts, self._places, *self._lists
        return self.terms.keys, self.terms.live, *tables, self._groups, self.terms.count

    def move(self) -> None:
        """Add the changes to the terms, take them out of the bins, and look at those again."""
        terms, kernel = self.terms, peeling.subtract(self.words)
        count = terms.count * self.outputs
        self.space.add(terms.sizes, terms.change, 1.0, 1.0, count)
        for g, b in enumerate(self.bins):
            tables = terms.change, terms.keys, b.signs, self._places, *self._lists
            sizes = g, terms.count, b.start, b.group.length, b.offsets, self.outputs
            threads = b.offsets * terms.count
            self.space.run(kernel, threads, b.seen, self.known.state, *tables, *sizes)
        self._examine()

    def _examine(self) -> None:
        for b in self.bins:
            b.examine(self.known, self.zero(b))

    def _list(self) -> None:
        """Find the bins of all terms, and the terms in every bin."""
        items = self._groups * self.terms.count
        self._places = self.space.new(items, "int64")
        bits, firsts, directions = self._hash
        tables = self.terms.keys, directions, self._starts, bits, firsts
        counts = self._groups, self.terms.count
        self.space.run(peeling.places(self.words), items, self._places, *tables, *counts)
        self._lists = self.space.lists(self._places, items, self._bins)

    def _grow(self, room: int) -> None:
        old, new = self.terms, Terms.of(self.space, room, self.outputs, self.words)
        widths = {"keys": self.words, "sizes": self.outputs, "times": 1, "live": 1}
        for name, width in widths.items():
            self.space.copy(getattr(new, name), getattr(old, name), old.count * width)
        new.count, self.terms = old.count, new

"""Bins of one group on a device, and the best single key of each: what `_peel.Bins` is there."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from .._cuda import fwht, launch, spright
from .._cuda.workspace import Workspace
from ._bits import unpack, words
from ._design import Group
from ._levels import log_allowed
from ._peel import Reading

_BATCH = 1 << 26  # numbers that a search over cosets handles at a time


@dataclasses.dataclass
class Seen:
    """What is known of the bins of all groups, one group after the other: flat device arrays."""

    state: Any
    energy: Any
    rest: Any
    amplitude: Any
    key: Any

    @classmethod
    def of(cls, space: Workspace, bins: int, outputs: int, words: int) -> Seen:
        """Of so many bins, in which nothing was seen."""
        energy, rest = (space.zeros(bins, "float64") for _ in range(2))
        amplitude, key = space.zeros(bins * outputs, "float64"), space.zeros(bins * words, "uint64")
        return cls(space.zeros(bins, "int32"), energy, rest, amplitude, key)


class DeviceBins:
    """One group's bins: what its offsets saw, and the tables that keys are read with.

    Parameters
    ----------
    space : Workspace
    group : Group
    samples : flat device array
        Real values, (N, outputs).
    outputs : int
    reading : Reading
        By votes or over cosets.
    log_keys : float
        Logarithm of the number of keys that there may be.
    start : int
        Number of the group's first bin among those of all groups.
    """

    def __init__(
        self,
        space: Workspace,
        group: Group,
        samples: Any,
        outputs: int,
        reading: Reading,
        log_keys: float,
        start: int,
    ):
        self.space, self.group, self.reading, self.start = space, group, reading, start
        self.offsets, self.outputs = len(group.y), outputs
        self.dof = self.offsets * outputs
        self.how = reading.how
        self.signs, self._back = space.table(group.offsets), space.table(group.back)
        self._words = words(group.check.rank)
        self._allowed = log_allowed(group, log_keys, reading.confidence)
        if self.how == "coset" and group.unknown:
            self._where = space.table(_places_of_offsets(group))
        else:
            self._votes = space.table(group.base), space.table(group.steps)
        shape = (outputs, self.offsets, group.length)
        seen = space.array(shape, "float64")
        sizes = *shape, group.length // group.segments.shape[1]
        arrays = seen.flat(), samples, space.table(group.segments)
        space.run(spright.gather(), seen.size, *arrays, *sizes)
        fwht.fwht(seen.array, group.length, 2, 1 / group.length, overwrite_x=True)
        self.seen = seen.flat()

    def power(self, output: int) -> float:
        """Sum of squares of what was seen."""
        count = self.offsets * self.group.length
        return self.space.dot(self.seen, self.seen, count, output * count)

    def examine(self, known: Seen, least: float) -> None:
        """Look for single keys in bins that are to be looked at, of an energy above `least`."""
        arrays = self.seen, known.state, known.energy
        sizes = self.start, self.group.length, self.dof, least
        self.space.run(spright.energies(), self.group.length, *arrays, *sizes)
        if self.how == "coset" and self.group.unknown:
            best = self._likeliest(known)
            self._read(known, False, (best, best), 0)
        else:
            self._read(known, True, self._votes, len(self.group.base))

    def _read(self, known: Seen, voted: bool, tables: tuple[Any, Any], shifts: int) -> None:
        group, reading = self.group, self.reading
        most = 64 * self._words if reading.degree is None else reading.degree
        self.space.run(
            spright.read(self._words, voted), group.length, self.seen, known.state, known.energy,
            known.rest, known.amplitude, known.key, self.signs, self._back, *tables, self.start,
            group.length, self.offsets, self.outputs, group.bits, group.unknown, shifts,
            int(reading.hard), most, self._allowed,
        )  # fmt: skip

    def _likeliest(self, known: Seen) -> Any:
        """Unknown coordinates of the key of largest correlation, over the whole coset."""
        space, group, outputs = self.space, self.group, self.outputs
        length, unknown = group.length, group.unknown
        flags, best = space.new(length, "int64"), space.new(length, "int64")
        space.run(spright.pending(), length, flags, known.state, self.start, length)
        ranks = space.ranks(flags, length)
        count = space.number(ranks, length)
        at = space.new(count, "int64")
        space.run(spright.select(), length, at, ranks, flags, length)
        step = max(1, _BATCH // (outputs << unknown))
        for first in range(0, count, step):
            some = min(step, count - first)
            rows = space.array((some * outputs, 1 << unknown), "float32")
            sizes = self.start, first, length, self.offsets, outputs, unknown, some
            arrays = rows.flat(), self.seen, known.energy, at, self._where
            space.run(spright.waves(), rows.size, *arrays, *sizes)
            fwht.fwht(rows.array, 1 << unknown, 1, overwrite_x=True)
            blocks = max(some, launch.MIN_BLOCKS)
            kernel = spright.likeliest()[blocks, launch.THREADS, space.stream]
            kernel(rows.flat(), at, best, first, outputs, unknown, some)
        return best


def _places_of_offsets(group: Group) -> np.ndarray:
    """For all unknown coordinates the offset that has them, or -1."""
    where = np.full(1 << group.unknown, -1, np.int32)
    bits = unpack(group.y, group.check.rank)[:, group.bits :].astype(np.int64)
    where[bits @ (1 << np.arange(group.unknown))] = np.arange(len(bits))
    return where

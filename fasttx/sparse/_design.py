"""Queries of sparse Walsh-Hadamard recovery: groups of affine subspaces, and where they meet.

Keys are read through a parity-check matrix: ``s = H k``, H being the identity or that of a code
whose words are far apart. A group has a random regular matrix T over GF(2); of a key's coordinates
``v = T s`` the first b are its bin, and the others remain to be identified. Samples are taken at
``x = (first b rows of T H)^T l + (T H)^T y`` for all l and transformed over l; the sign that offset
y gives a key is ``(-1)**<y, v>``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np

from .._cpu import gf2, spright
from ..transforms.fwht import fwht
from ._bits import pack, unit, unpack, weights, words
from ._codes import BCH, Convolutional


class Check(Protocol):
    """Parity checks that tell the keys of interest apart."""

    rank: int

    def lift(self, vectors: np.ndarray) -> np.ndarray:
        """Combinations of the rows of H, packed."""

    def decode(self, syndromes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Keys with these syndromes, and their numbers of ones (-1 where there is no key)."""


class Identity:
    """Every bit of the key is read."""

    def __init__(self, n: int):
        self.rank = n

    def lift(self, vectors: np.ndarray) -> np.ndarray:
        return vectors

    def decode(self, syndromes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return syndromes, weights(syndromes)


class Coded:
    """Keys of small weight are read through the parity checks of a BCH code."""

    def __init__(self, n: int, weight: int):
        self._code = BCH(n, weight)
        self.rank = self._code.rank

    def lift(self, vectors: np.ndarray) -> np.ndarray:
        out = np.empty((len(vectors), self._code.rows.shape[1]), np.uint64)
        gf2.combine()(self._code.rows, vectors, out)
        return out

    def decode(self, syndromes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return self._code.decode(syndromes)


class Blocks:
    """Affine subspaces of queries, numbered one after the other."""

    def __init__(self, n: int):
        width = words(n)
        self.size = 0
        self._columns = np.empty((0, width), np.uint64)
        self._firsts: list[int] = []  # of each space: where its columns begin
        self._bits: list[int] = []
        self._shifts: list[np.ndarray] = []  # of each space: (blocks, width)
        self._bases: list[np.ndarray] = []
        self._table: tuple[np.ndarray, ...] | None = None

    def space(self, columns: np.ndarray) -> int:
        """Register the subspace spanned by independent columns; its number."""
        self._firsts.append(len(self._columns))
        self._bits.append(len(columns))
        self._columns = np.concatenate([self._columns, columns])
        self._shifts.append(np.empty((0, columns.shape[1]), np.uint64))
        self._bases.append(np.empty(0, np.int64))
        return len(self._bits) - 1

    def add(self, space: int, shifts: np.ndarray) -> np.ndarray:
        """Add cosets of a space; the number of the first query of each."""
        length = 1 << self._bits[space]
        bases = self.size + length * np.arange(len(shifts), dtype=np.int64)
        self.size += length * len(shifts)
        self._shifts[space] = np.concatenate([self._shifts[space], shifts])
        self._bases[space] = np.concatenate([self._bases[space], bases])
        self._table = None
        return bases

    def points(self, index: np.ndarray) -> np.ndarray:
        """The packed points with those numbers."""
        limits, firsts, columns, shifts = self.tables()
        out = np.empty((len(index), shifts.shape[1]), np.uint64)
        gf2.points()(np.ascontiguousarray(index), limits, firsts, columns, shifts, out)
        return out

    def tables(self) -> tuple[np.ndarray, ...]:
        """First queries of the cosets (and the end), their first columns; columns, and shifts."""
        if self._table is None:
            bases = np.concatenate(self._bases)
            sort = np.argsort(bases)
            firsts = np.repeat(self._firsts, [len(b) for b in self._bases])
            shifts = np.concatenate(self._shifts)
            limits = np.append(bases[sort], self.size)
            self._table = limits, firsts[sort].astype(np.int64), shifts[sort]
        limits, firsts, shifts = self._table
        return limits, firsts, self._columns, shifts

    def repeats(self, first: int) -> tuple[np.ndarray, np.ndarray]:
        """Queries from number `first` on that repeat another one, and the first that they repeat.

        Two cosets meet where the difference of their shifts lies in the sum of their spaces.
        """
        pairs = [np.empty((0, 2), np.int64)]
        for g in range(len(self._bits)):
            for h in range(g + 1, len(self._bits)):
                if max(self._bases[g].max(initial=-1), self._bases[h].max(initial=-1)) >= first:
                    pairs += self._meetings(g, h, first)
        pair = np.concatenate(pairs)
        later, earlier = pair.max(axis=1), pair.min(axis=1)
        keep = later >= first
        later, earlier = later[keep], earlier[keep]
        sort = np.lexsort((earlier, later))
        later, earlier = later[sort], earlier[sort]
        new = np.ones(len(later), bool)
        new[1:] = later[1:] != later[:-1]
        return later[new], earlier[new]

    def contains(self, points: np.ndarray) -> np.ndarray:
        """Whether each packed point is among the queries."""
        found = np.zeros(len(points), bool)
        for g in range(len(self._bits)):
            reduced, _, _ = self._reduce([g], [self._shifts[g], points])
            known = {row.tobytes() for row in reduced[0]}
            found |= [row.tobytes() in known for row in reduced[1]]
        return found

    def _reduce(self, spaces: list[int], vectors: list[np.ndarray]):
        """Vectors modulo the sum of spaces, with what was subtracted, and the spaces' relations."""
        spans = [(self._firsts[g], self._firsts[g] + self._bits[g]) for g in spaces]
        basis = np.concatenate([self._columns[a:b] for a, b in spans])
        marks = np.uint64(1) << np.arange(len(basis), dtype=np.uint64)[:, None]
        pivots = np.zeros(len(basis), np.int64)
        rank = gf2.eliminate()(basis, marks, pivots)
        reduced = [v.copy() for v in vectors]
        tracks = [np.zeros((len(v), 1), np.uint64) for v in vectors]
        for v, track in zip(reduced, tracks, strict=True):
            gf2.reduce()(basis[:rank], marks[:rank], pivots[:rank], v, track)
        return reduced, tracks, marks[rank:, 0]

    def _meetings(self, g: int, h: int, first: int) -> list[np.ndarray]:
        reduced, tracks, relations = self._reduce([g, h], [self._shifts[g], self._shifts[h]])
        at: dict[bytes, list[int]] = {}
        for i, row in enumerate(reduced[0]):
            at.setdefault(row.tobytes(), []).append(i)
        kernel = np.zeros(1, np.uint64)
        for relation in relations:
            kernel = np.concatenate([kernel, kernel ^ relation])
        pairs = []
        low = np.uint64((1 << self._bits[g]) - 1)
        for c, row in enumerate(reduced[1]):
            for a in at.get(row.tobytes(), ()):
                base, other = self._bases[g][a], self._bases[h][c]
                if max(base, other) >= first:
                    meet = tracks[0][a, 0] ^ tracks[1][c, 0] ^ kernel
                    left = (meet & low).astype(np.int64)
                    right = (meet >> np.uint64(self._bits[g])).astype(np.int64)
                    pairs.append(np.stack([base + left, other + right], axis=1))
        return pairs


def random_words(rng: np.random.Generator, rows: int, bits: int) -> np.ndarray:
    """Packed random bits."""
    raw = rng.integers(0, 2**64, size=(rows, words(bits)), dtype=np.uint64)
    if bits % 64:
        raw[:, -1] &= np.uint64((1 << bits % 64) - 1)
    return raw


def _random_regular(rng: np.random.Generator, r: int) -> tuple[np.ndarray, np.ndarray]:
    """A random regular matrix as packed rows t_i, and rows that give s from the v_i = <t_i, s>."""
    below = np.tri(r, k=-1, dtype=bool)
    half = [unpack(random_words(rng, r, r), r).astype(bool) & below | np.eye(r, dtype=bool)]
    half.append(unpack(random_words(rng, r, r), r).astype(bool) & below | np.eye(r, dtype=bool))
    upper = pack(half[1].T[:, rng.permutation(r)])
    matrix = np.empty_like(upper)
    gf2.combine()(upper, pack(half[0]), matrix)
    transposed = pack(np.ascontiguousarray(unpack(matrix, r).T))
    back = np.empty_like(transposed)
    gf2.invert()(transposed, back)
    return matrix, back


class Group:
    """Samples that share one way to hash keys into 2**bits bins.

    Offsets are kept as coordinates y, r bits of which the first `bits` are zero. `shifts` are those
    that are followed by their sums with every unit vector, for votes; `others` are any; `rates` is
    how many generator polynomials of the convolutional code there are.
    """

    def __init__(self, check: Check, bits: int, blocks: Blocks, rng: np.random.Generator):
        r = check.rank
        self.check, self.bits, self.rng = check, bits, rng
        self._blocks, self._first_bits = blocks, bits
        matrix, self.back = _random_regular(rng, r)
        self.directions = np.ascontiguousarray(check.lift(matrix))
        self._space = blocks.space(self.directions[:bits])
        self._known: dict[bytes, int] = {}
        self.shifts = np.empty((0, words(r)), np.uint64)
        self.others = np.empty((0, words(r)), np.uint64)
        self.rates = 0

    @property
    def length(self) -> int:
        """Number of bins."""
        return 1 << self.bits

    @property
    def coded(self) -> bool:
        """Whether keys are read through a code's parity checks."""
        return isinstance(self.check, Coded)

    @property
    def unknown(self) -> int:
        """Coordinates of a key that its bin does not tell."""
        return self.check.rank - self.bits

    def draw(self, count: int) -> np.ndarray:
        """Random coordinates of offsets."""
        y = random_words(self.rng, count, self.check.rank)
        return self._clear(y)

    def _clear(self, y: np.ndarray) -> np.ndarray:
        low = pack((np.arange(self.check.rank) >= self.bits).astype(np.uint8)[None])
        return y & low

    def widen(self) -> None:
        """Double the number of bins: the next direction joins those that are hashed."""
        self.bits += 1
        self.shifts, self.others = self._clear(self.shifts), self._clear(self.others)

    def lay(self) -> None:
        """Make sure that there are queries for all offsets, and note what is where."""
        r, b = self.check.rank, self.bits
        steps = np.zeros((r - b + 1, words(r)), np.uint64)
        for i in range(b, r):
            steps[i - b + 1] = unit(r, i)
        wanted = [(s ^ steps) for s in self.shifts]
        if self.rates:
            code = Convolutional(self.unknown, self.rates)
            rows = np.zeros((len(code.rows), r), np.uint8)
            rows[:, b:] = unpack(code.rows, self.unknown)
            wanted.append(pack(rows))
        number: dict[bytes, int] = {}
        places = []
        for y in np.concatenate([*wanted, self.others]):
            places.append(number.setdefault(y.tobytes(), len(number)))
        count = (len(self.shifts), r - b + 1)
        votes = np.array(places[: count[0] * count[1]], np.int64).reshape(count)
        self.base, self.steps = votes[:, 0].copy(), votes[:, 1:].copy()
        self.code_rows = np.array(places[votes.size : len(places) - len(self.others)], np.int64)
        self.y = np.frombuffer(b"".join(number), np.uint64).reshape(len(number), words(r)).copy()
        self.offsets = np.empty((len(self.y), self.directions.shape[1]), np.uint64)
        gf2.combine()(self.directions, self.y, self.offsets)
        self._sample()

    def _sample(self) -> None:
        parts = 1 << (self.bits - self._first_bits)
        inner = np.zeros((parts, self.y.shape[1]), np.uint64)
        for i in range(self.bits - self._first_bits):
            half = 1 << i
            inner[half : 2 * half] = inner[:half] ^ unit(self.check.rank, self._first_bits + i)
        cosets = (self.y[:, None] ^ inner).reshape(-1, self.y.shape[1])
        names = [y.tobytes() for y in cosets]
        new = [i for i, name in enumerate(names) if name not in self._known]
        if new:
            shifts = np.empty((len(new), self.directions.shape[1]), np.uint64)
            gf2.combine()(self.directions, np.ascontiguousarray(cosets[new]), shifts)
            bases = self._blocks.add(self._space, shifts)
            self._known.update(zip((names[i] for i in new), bases.tolist(), strict=True))
        self.segments = np.array([self._known[name] for name in names]).reshape(-1, parts)

    def gather(self, values: np.ndarray) -> np.ndarray:
        """What each offset saw: (outputs, offsets, points of the subspace)."""
        step = 1 << self._first_bits
        out = np.empty((values.shape[1], len(self.y), self.length))
        for t, bases in enumerate(self.segments.tolist()):
            for part, base in enumerate(bases):
                out[:, t, part * step : (part + 1) * step] = values[base : base + step].T
        return out

    def answer(
        self, keys: np.ndarray, values: np.ndarray
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Queries of the group and what a function of that spectrum answers."""
        places, sign = self.coordinates(keys), np.empty((1, len(keys)))
        step = np.arange(1 << self._first_bits)
        for t, bases in enumerate(self.segments):
            spright.signs()(self.offsets[t : t + 1], keys, sign)
            seen = fwht(np.bincount(places, sign[0] * values, self.length), overwrite_x=True)
            yield (bases[:, None] + step).ravel(), seen

    def mark(self, used: np.ndarray) -> None:
        """Set what belongs to the queries that this group uses."""
        step = 1 << self._first_bits
        for base in self.segments.ravel().tolist():
            used[base : base + step] = True

    def coordinates(self, keys: np.ndarray) -> np.ndarray:
        """The bin of each key."""
        out = np.empty(len(keys), np.int64)
        spright.hashes()(self.directions[: self.bits], keys, out)
        return out

"""The kernels of sketches on a GPU: sampled Hadamard transforms, and sparse sums."""

import functools
import math
from types import SimpleNamespace
from typing import Any

import numba

from . import codelets, launch, random, tiles, trace
from .fwht_kernel import transform_tile
from .memory import KINDS, SIMULATED, Kernel

# Levels of a tile all of which is in shared memory, by the bytes of an element in registers.
SHARED = codelets.TILE if SIMULATED else {4: 13, 8: 12}
# What a thread may carry from block to block without running out of registers.
CARRIED = 16
_REGISTERS = 128
_AT_ONCE = 4  # numbers a thread asks for before it needs the first

LANES = 4 if SIMULATED else 32  # threads side by side that sum up columns
THREADS = launch.THREADS
ROW_BYTES = 128 if SIMULATED else 32 << 10  # of rows in shared memory
ROWS = {4: 8, 8: 4}  # whose sums a thread makes at once, by the bytes of a number


@functools.cache
def hadamard(
    kind: str,
    levels: int,
    *,
    mode: str,
    columns: int,
    wide: bool,
    rounds: int = 1,
    carried: int = 0,
    order: int = 1,
    power: int = 0,
) -> Kernel:
    """Kernel for k entries of H D x, or of H D H D x.

    D are random signs, and x is padded with zeros. Where x does not fit in a tile it is taken block
    by block, as in `_cpu/sketch.py`: the levels across blocks are computed for the wanted entries
    alone, whose sums stay in registers. A block of threads takes some of the blocks of points.

    Parameters
    ----------
    kind : str
    levels : int
        A tile has columns of ``2**levels`` points.
    mode : {"rows", "padded", "columns"}
    columns : int
    wide : bool
        As for `fwht_kernel.transform`.
    rounds : {1, 2}
        The second one is for x of one block.
    carried : int
        Sums of a thread; 0 where x is one block.
    order, power : int
        There are ``order * 2**power`` blocks, and a Hadamard matrix of that base order.

    Returns
    -------
    Kernel
        ``launch`` is the kernel, of arguments ``(dst, src, chosen, base, seed, second, length,
        inner, strips, k, parts, turns, size, scale)``: the indices of the entries, the base matrix,
        seeds of the signs, what `fwht_kernel.transform` has, the number of entries, that of parts
        into which the blocks are split, of blocks in a part, and of numbers in the result of one.
    """
    given, form = KINDS[kind], codelets.layout(kind, levels + columns)
    spare, threads, n = form.bits - levels - columns, form.threads, 1 << levels
    number = given.number

    def body(m, dst, src, chosen, base, seed, second, length, inner, strips, k, parts, turns, size,
             scale):  # fmt: skip
        space = m.shared(number, 1 << form.bits)
        signs = [random.Signs(m, threads, levels) for _ in range(rounds)]
        zero = m.constant(0, "int64")
        block, part = (m.block // parts, m.block % parts) if carried else (m.block, zero)
        outputs = m.convert(k, "int32") << columns + spare

        def transformed(start):
            tile = codelets.Tile(m, form, number, shared=space)
            place = tiles.Places(
                tile, levels, columns, mode, length, inner, strips, start=start, number=block
            )
            place.load(src, given.read, wide)
            for stream, key in zip(signs, (seed, second), strict=False):
                stream.make(key, start)
            m.sync()
            for i, stream in enumerate(signs):
                if i:
                    tile.scale(n**-0.5)
                random.change_signs(place, stream.word)
                transform_tile(tile, range(columns, columns + levels))
            tile.share()
            return place

        def output(place, o):
            """Entry of an output of the tile, and its address in the result and in the tile."""
            column, s, strip, first = o & (1 << columns) - 1, o >> columns, 0, 0
            if spare:
                strip = s // m.convert(k, "int32")
                s = s - strip * m.convert(k, "int32")
                first = (strip & (1 << spare) - 1) << levels  # also for threads without an output
            s = m.convert(s, "int64")
            address, there = place.address(strip, s, column, k)
            there = there & (o < outputs)
            (entry,) = m.load(chosen, s, "uint32", "uint32", where=there)
            index = (first | m.convert(entry & n - 1, "int32")) << columns | column
            return entry, index, address, there

        def single():
            place = transformed(zero)

            def some(i, carried):
                first = m.convert(i, "int32") * (_AT_ONCE * threads) + m.thread
                found = [output(place, first + a * threads) for a in range(_AT_ONCE)]
                values = [place.tile.element(index) for _, index, _, _ in found]
                for (_, _, address, there), x in zip(found, values, strict=True):
                    m.store(dst, address, [x * scale], number, where=there)
                return carried

            step = _AT_ONCE * threads
            m.loop((outputs + (step - 1)) // step, [], some)

        def several():
            def add(i, sums):
                j = part * turns + i
                place, total = transformed(j << levels), []
                for a, old in enumerate(sums):
                    entry, index, _, _ = output(place, m.thread + a * threads)
                    row = entry >> levels
                    total.append(old + times(place.tile.element(index), row, j))
                m.sync()  # before the next block takes the shared memory
                return total

            sums = m.loop(turns, [m.constant(0, number)] * carried, add)
            place = tiles.Places(
                codelets.Tile(m, form, number, shared=space),
                levels, columns, mode, length, inner, strips, number=block,
            )  # fmt: skip
            for a, x in enumerate(sums):
                _, _, address, there = output(place, m.thread + a * threads)
                m.store(dst, part * size + address, [x * scale], number, where=there)

        def times(x, row, j):
            """Times the entry of the matrix of blocks."""
            bits = m.ones(row & m.convert(j & (1 << power) - 1, "uint32")) & 1
            if order > 1:
                place = m.convert(row >> power, "int64") * order + (j >> power)
                inside = place < order * order  # blocks beyond the last one are zeros
                (sign,) = m.load(base, place, "int8", number, where=inside)
                x = x * sign
            return m.where(bits == 1, -x, x)

        (several if carried else single)()

    arrays = [trace.flat(name) for name in (number, given.read, "uint32", "int8")]
    counts = [numba.uint64] * 2 + [numba.int64] * 7
    held: Any = form
    if carried:
        held = SimpleNamespace(threads=threads, most_registers=_REGISTERS)
    name = f"sketch_hadamard_{kind}_{levels}_{mode}"
    return trace.kernel(name, body, (*arrays, *counts, getattr(numba, number)), held)


@functools.cache
def sum_columns(kind: str, columns: int) -> Kernel:
    """Kernel for S @ x, S a sparse matrix by rows; x has ``2**columns`` columns or more.

    Returns
    -------
    Kernel
        Of arguments ``(dst, src, ends, entries, values, length, inner, k, old)``: x of shape
        (length, inner); of row b of S, of k, the entries ``ends[b]`` to ``ends[b + 1] - 1``; 1 for
        a product that is added to `dst`. A block is for one row of S and one group of columns.
    """
    given = KINDS[kind]
    number, phases = given.number, THREADS >> columns

    def body(m, dst, src, ends, entries, values, length, inner, k, old):
        groups = inner + ((1 << columns) - 1) >> columns
        row, group = m.block // groups, m.block % groups
        column = (group << columns) + (m.thread & (1 << columns) - 1)
        phase, inside = m.thread >> columns, column < inner
        first, last = _range(m, ends, row, where=row < k)

        def add(i, total):
            places = [first + phase + (i * _AT_ONCE + a) * phases for a in range(_AT_ONCE)]
            wanted = [_entry(m, entries, values, p, p < last, number) for p in places]
            loaded = [
                m.load(
                    src, entry * inner + column, given.read, number, where=inside & (p < last)
                )[0]
                for p, (entry, _) in zip(places, wanted, strict=True)
            ]  # fmt: skip
            for (_, value), x in zip(wanted, loaded, strict=True):
                total = [total[0] + value * x]
            return total

        step = phases * _AT_ONCE
        (total,) = m.loop((last - first + (step - 1)) // step, [m.constant(0, number)], add)
        total = _sum_phases(m, number, total, phases, columns)
        address, there = row * inner + column, inside & (phase == 0) & (row < k)
        _store(m, dst, address, total, number, there, old)

    name = f"sketch_sum_columns_{kind}_{columns}"
    return trace.kernel(name, body, _signature(given))


@functools.cache
def sum_rows(kind: str, sums: int) -> Kernel:
    """Kernel for x @ S.T, S a sparse matrix by rows, x of shape (outer, length), by pieces.

    Returns
    -------
    Kernel
        Of arguments ``(dst, src, ends, entries, values, length, inner, k, old)``, as for
        `sum_columns`: `inner` is the number of rows of x, and the entries of S are sorted by pieces
        of `piece` columns first, within these by rows. A block makes `sums` of a thread for as many
        rows as are in shared memory; elements of complex numbers have two parts.
    """
    given = KINDS[kind]
    number, parts, rows = given.number, given.parts, rows_at_once(kind)
    points = piece(kind) * parts

    def body(m, dst, src, ends, entries, values, length, inner, k, old):
        space = m.shared(number, rows * points)
        groups = (k * parts + (THREADS * sums - 1)) // (THREADS * sums)
        begin, group = m.block // groups * rows, m.block % groups
        outputs = [m.thread + (group * sums + a) * THREADS for a in range(sums)]

        def add(i, totals):
            for o in range(0, rows * points, THREADS):
                at = m.thread + o
                column, row = i * points + at % points, begin + at // points
                there = (column < length * parts) & (row < inner)
                (x,) = m.load(src, row * (length * parts) + column, given.read, number, where=there)
                m.put(space, at, x)
            m.sync()
            new = []
            for a, o in enumerate(outputs):
                new += gathered(i, o, totals[a * rows : (a + 1) * rows])
            m.sync()
            return new

        def gathered(i, o, totals):
            first, last = _range(m, ends, i * k + o // parts, where=o < k * parts)

            def one(e, totals):
                entry, value = _entry(m, entries, values, first + e, None, number)
                at = (entry - i * (points // parts)) * parts + o % parts
                return [
                    total + value * m.get(space, at + r * points) for r, total in enumerate(totals)
                ]

            return m.loop(last - first, totals, one)

        zeros = [m.constant(0, number)] * (rows * sums)
        pieces = (length + (points // parts - 1)) // (points // parts)
        totals = m.loop(pieces, zeros, add)
        for a, o in enumerate(outputs):
            for r in range(rows):
                row = begin + r
                there = (row < inner) & (o < k * parts)
                address = row * (k * parts) + o
                _store(m, dst, address, totals[a * rows + r], number, there, old)

    return trace.kernel(f"sketch_sum_rows_{kind}_{sums}", body, _signature(given))


def rows_at_once(kind: str) -> int:
    """Rows that a block of `sum_rows` takes."""
    return ROWS[codelets.element_bytes(kind)]


def piece(kind: str) -> int:
    """Elements of a row that a block of `sum_rows` has in shared memory at once."""
    size = codelets.element_bytes(kind) * KINDS[kind].parts
    return max(1, ROW_BYTES // (rows_at_once(kind) * size))


@functools.cache
def move(kind: str, *, chosen: bool, signed: bool) -> Kernel:
    """Kernel: point i of the output is a point of the input, or zero where that has none.

    Parameters
    ----------
    kind : str
    chosen : bool
        Whether it is point ``table[i]``, or i.
    signed : bool
        Whether it is multiplied by the random sign i of a seed.

    Returns
    -------
    Kernel
        Of arguments ``(dst, src, table, seed, length, n, inner, count, scale)``: points of the
        input and of the output, numbers between two points and of the output.
    """
    given = KINDS[kind]
    number = given.number

    def body(m, dst, src, table, seed, length, n, inner, count, scale):
        place = m.block * THREADS + m.thread
        row, there = place // inner, place < count
        i, column = row % n, place % inner
        point = i
        if chosen:
            point = m.convert(m.load(table, i, "uint32", "uint32", where=there)[0], "int64")
        (x,) = m.load(
            src, (row // n * length + point) * inner + column, given.read, number,
            where=there & (point < length),
        )  # fmt: skip
        x = x * scale
        if signed:
            bit = random.hashed(m, seed, i >> 6) >> m.convert(i & 63, "uint64") & 1
            x = m.where(bit == 1, -x, x)
        m.store(dst, place, [x], number, where=there)

    arrays = [trace.flat(name) for name in (number, given.read, "uint32")]
    signature = (*arrays, numba.uint64, *[numba.int64] * 4, getattr(numba, number))
    return trace.kernel("sketch_move", body, signature)


@functools.cache
def total(number: str) -> Kernel:
    """Kernel ``(dst, src, parts, count)``: sums of so many arrays of `count` numbers."""

    def body(m, dst, src, parts, count):
        place = m.block * THREADS + m.thread
        there = place < count

        def add(i, sums):
            (x,) = m.load(src, i * count + place, number, number, where=there)
            return [sums[0] + x]

        m.store(dst, place, m.loop(parts, [m.constant(0, number)], add), number, where=there)

    array = trace.flat(number)
    return trace.kernel("sketch_total", body, (array, array, numba.int64, numba.int64))


def _signature(given):
    arrays = [trace.flat(n) for n in (given.number, given.read, "int64", "uint32", given.number)]
    return (*arrays, *[numba.int64] * 4)


def _range(m, ends, row, where=None):
    """Where the entries of a row begin and end."""
    return [m.load(ends, row + side, "int64", "int64", where=where)[0] for side in (0, 1)]


def _entry(m, entries, values, place, where, number):
    """Column and value of an entry."""
    (entry,) = m.load(entries, place, "uint32", "uint32", where=where)
    (value,) = m.load(values, place, number, number, where=where)
    return m.convert(entry, "int64"), value


def _sum_phases(m, number, total, phases, columns):
    """Sum over the threads of a column, in the first of them."""
    space = m.shared(number, THREADS)
    for level in reversed(range(int(math.log2(phases)))):
        m.put(space, m.thread, total)
        m.sync()
        total = total + m.get(space, m.thread + (1 << level + columns) & THREADS - 1)
        m.sync()
    return total


def _store(m, dst, address, x, number, where, old):
    """Write a sum, or add it to what is there."""
    (before,) = m.load(dst, address, number, number, where=where & (old == 1))
    m.store(dst, address, [before + x], number, where=where)

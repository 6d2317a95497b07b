"""Points of digital nets and lattices, in order, written straight in the dtype asked for.

The digits of point i are the sum of columns at the ones of an index (i, or its Gray code), plus a
shift: by exclusive or for a net, modulo a power of two for a lattice. A block of threads takes
``2**(2 * BITS)`` points and some coordinates of them. Two tables in shared memory have the sums of
the lowest columns and of those next to them; the sum of the rest is one for all of the block, or
one of two where its points do not begin at a multiple of their number.
"""

import functools

import numba
import numpy as np

from . import NumbaArray, launch, trace
from .memory import SIMULATED, VECTOR_BYTES

BITS = 2 if SIMULATED else 6
_COORDINATES = 4 if SIMULATED else 32  # of a block: the tables take half a KB for each
_THREADS = 16 if SIMULATED else 256
_LEVELS = 6  # of a binary tree, whose 63 nodes take a bit each of one hash


def fill(
    family: str,
    out: NumbaArray,
    columns: np.ndarray,
    shift: np.ndarray,
    *,
    mask: int | np.uint64,
    drop: int,
    scale: float,
    gray: bool,
    first: int,
    keys: np.ndarray | None = None,
) -> None:
    """Write points number `first` and so on.

    Parameters
    ----------
    family : {"net", "lattice"}
    out : NumbaArray, shape (n, d) or (copies, n, d)
        Contiguous, of float32, float64, uint32 or uint64.
    columns : ndarray of uint64, shape (copies, m, d)
    shift : ndarray of uint64, shape (copies, d)
    mask, drop, scale
        Unsigned integers are ``digits & mask``; floats ``(digits & mask) >> drop`` times `scale`.
    gray : bool
        Whether points are in the order of the Gray code.
    first : int
    keys : ndarray of uint64, shape (copies, d), optional
        Of nested uniform scrambling, done last: then `mask` has the digits that are scrambled.
    """
    copies, m, d = columns.shape
    n = out.shape[-2]
    width = VECTOR_BYTES // np.dtype(out.dtype).itemsize
    if d % width or out.address % VECTOR_BYTES:
        width = 1
    chunks = -(-d // _COORDINATES)
    chunk = -(-d // (chunks * width)) * width
    nested = 0 if keys is None else int(mask).bit_length()
    kernel = _kernel(family, out.dtype, width, gray, nested).launch
    blocks = max(chunks * -(-n >> 2 * BITS), launch.MIN_BLOCKS)
    number = np.uint64(1) if out.dtype.startswith("u") else np.dtype(out.dtype).type(scale)
    tables = [launch.on_device(t, out.device) for t in (columns, shift)]
    tables.append(tables[1] if keys is None else launch.on_device(keys, out.device))
    target, launched = out.flat(), kernel[blocks, _THREADS, out.stream()]
    for copy in range(copies):
        sizes = copy, first, n, d, m, chunk, chunks
        launched(target, *tables, np.uint64(mask), np.uint64(drop), number, *sizes)


@functools.cache
def _kernel(family, kind, width, gray, nested):
    """The kernel for one copy of the points: each thread has coordinates of its own.

    Of nested scrambling `nested` has the number of digits.
    """
    points, low = 1 << 2 * BITS, (1 << BITS) - 1
    net, integer = family == "net", kind.startswith("u")

    def add(x, y):
        return x ^ y if net else x + y

    def index(i):
        return i ^ i >> 1 if gray else i

    def body(
        m, out, columns, shifts, keys, mask, drop, scale, copy, first, n, d, count, chunk, chunks
    ):  # fmt: skip
        block = m.block // chunks
        corner, start = (m.block - block * chunks) * chunk, block * points
        across = m.where(chunk < d - corner, chunk, d - corner)  # coordinates of this block
        across = m.convert(across, "int32")
        place, own = copy * count * d + corner, copy * d + corner
        table = m.shared("uint64", (2 << BITS) * _COORDINATES)
        common = m.shared("uint64", 2 * _COORDINATES)
        origin = (first + start) >> 2 * BITS

        def word(array, at, where=None):
            return m.load(array, at, "uint64", "uint64", where=where)[0]

        def column(b, chosen, j):
            """Column number b, or zero."""
            return word(columns, place + b * d + j, (b < count) & (chosen == 1))

        def tabulate(k, _):
            p = m.thread + m.convert(k, "int32") * _THREADS
            entry, j = p // across, p % across
            upper, total = (entry >> BITS) * BITS, m.constant(0, "uint64")
            for b in range(BITS):
                total = add(total, column(upper + b, entry >> b & 1, j))
            m.put(table, p, total)
            return []

        def begin(k, _):
            p = m.thread + m.convert(k, "int32") * _THREADS
            j, ones = p % across, index(origin + p // across)

            def further(b, total):
                return [add(total[0], column(b + 2 * BITS, ones >> b & 1, j))]

            total = m.loop(count - 2 * BITS, [word(shifts, own + j)], further)
            m.put(common, p, total[0])
            return []

        def write(k, _, row, step, j):
            row = row + m.convert(k, "int32") * step
            i = first + start + row
            g, c = index(i), m.convert((i >> 2 * BITS) - origin, "int32") * across + j
            a, b = (m.convert(g >> shift & low, "int32") for shift in (0, BITS))
            a, b = a * across + j, (b + low + 1) * across + j
            values = []
            for w in range(width):
                x = add(add(m.get(common, c + w), m.get(table, a + w)), m.get(table, b + w))
                if nested:
                    x = x ^ _flips(m, x, word(keys, own + j + w), nested)
                x = x & mask
                if not integer:
                    x = m.convert(m.convert(x >> drop, "int64"), kind) * scale
                values.append(m.convert(x, kind))
            m.store(out, (copy * n + start + row) * d + corner + j, values, kind)
            return []

        def work():
            for size, body in (((2 << BITS) * across, tabulate), (2 * across, begin)):
                m.loop((size - m.thread + _THREADS - 1) // _THREADS, [], body)
            m.sync()
            vectors = across // width
            step = _THREADS // vectors  # rows that all threads write at once
            row, j = m.thread // vectors, m.thread % vectors * width
            end = m.convert(m.where(n - start < points, n - start, points), "int32")
            rows = m.where(row < step, (end - row + step - 1) // step, 0)
            m.loop(rows, [], functools.partial(write, row=row, step=step, j=j))

        m.when(start < n, work)

    scale = numba.uint64 if integer else getattr(numba, kind)
    words = [trace.flat("uint64")] * 3
    signature = trace.flat(kind), *words, numba.uint64, numba.uint64, scale, *[numba.int64] * 7
    return trace.kernel(f"points_{family}_{kind}", body, signature)


def _flips(m, x, key, digits):
    """Random bits for the digits of a number, so many.

    As in `_cpu`: the digits before each `_LEVELS` name a subtree, which is hashed; a bit of the
    hash belongs to each of its nodes, and those on the path of the digits are taken.
    """
    places = range((digits - 1) // _LEVELS * _LEVELS, -1, -_LEVELS)
    flips = m.constant(0, "uint64")
    for depth, place in enumerate(places):
        prefix = x >> place
        node = (prefix >> _LEVELS) | 1 << depth * _LEVELS
        bits = mixed(node * 0x9E3779B97F4A7C15 + key)
        path = prefix & (1 << _LEVELS) - 1 | 1 << _LEVELS
        for level in range(_LEVELS):
            flips = flips << 1 | bits >> (path >> _LEVELS - level) & 1
    return flips & (1 << digits) - 1


def mixed(x):
    """The finalizer of SplitMix64."""
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9
    x = (x ^ x >> 27) * 0x94D049BB133111EB
    return x ^ x >> 31

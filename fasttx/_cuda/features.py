"""Random features of device arrays: chains of Hadamard transforms, then cosines and sines."""

import functools
import math

import numba
import numpy as np

from . import codelets, launch, random, sketch_kernel, tiles, trace
from .fwht_kernel import transform_tile
from .memory import KINDS, VECTOR_BYTES, Kernel
from .passes import whole_vectors
from .sketch import check, kind_of


def chain(x, scales, order, owner, m: int, waves=None):
    """Products of rows with frequencies that are chains of Hadamard matrices and diagonals.

    Parameters
    ----------
    x : device array
        Of two dimensions and a dtype in `sketch.DTYPES`, but for complex ones. Strided arrays of
        CuPy and torch are first copied on their device; those of Numba are refused.
    scales, order : ndarray
        As for `_cpu.features.chain`: of shapes (chains, factors, n) and (chains, n) or (chains, 0).
    owner : object
        Tables stay on the device while it lives.
    m : int
        Number of frequencies.
    waves : tuple of phases, float and int, optional
        For features instead of products: m phases, a factor, and the number k of features. There
        are cosines of all products, then sines of the first k - m.

    Returns
    -------
    device array
        Of shape (rows, m) or (rows, k); of the library and device of `x`, computed on the library's
        current stream (for Numba on the stream of `x`). The call does not wait for it. float32 for
        it and for half precision, else float64.

    Notes
    -----
    Rows are read once for each chain, and only the result is written.
    """
    given = check(x)
    kind = kind_of(given)
    if kind.parts > 1:
        raise TypeError(f"x must be real; got {given.dtype}")
    n, permuted = scales.shape[2], bool(order.shape[1])
    most = (sketch_kernel.SHARED if permuted else codelets.TILE)[np.dtype(kind.number).itemsize]
    if n > 1 << most:
        raise NotImplementedError(
            f"chains of transforms of at most {1 << most} points are accepted on a device for "
            f"{given.dtype}; got {n}"
        )
    with given.context():
        return _chain(given, scales, order, owner, m, waves).array


def _chain(given, scales, order, owner, m, waves):
    source, kind = given if given.contiguous else given.compact(), kind_of(given)
    count, length = source.shape
    chains, _, n = scales.shape
    number, levels = getattr(np, kind.number), n.bit_length() - 1
    phases, factor, k = waves or (np.zeros(1), 1.0, m)
    signs = tuple(bool((np.abs(scales[:, f]) == 1).all()) for f in range(scales.shape[1]))

    def tables():
        bits = [np.packbits(scales[:, f] < 0, axis=1, bitorder="little") for f in _where(signs)]
        others = scales[:, [f for f in range(len(signs)) if not signs[f]]].swapaxes(0, 1)
        # Words of the signs of a chain begin anew.
        words = np.zeros((len(bits), chains, -(-n // 32) * 4), np.uint8)
        for word, packed in zip(words, bits, strict=True):
            word[:, : packed.shape[1]] = packed
        return [
            np.append(words.ravel(), np.zeros(4, np.uint8)).view(np.uint32),
            np.append(others.ravel(), 0).astype(number),
            np.append(order.ravel(), 0).astype(np.uint32),
            np.asarray(phases / math.pi, number),
        ]

    kept = launch.kept(owner, (source.device, number, k), tables)
    out = source.empty((count, k), kind.number)
    if not out.size:
        return out
    form = codelets.layout(kind.name, levels)
    mode = "rows" if length == n else "padded"
    kernel = transform(
        kind.name, levels, mode=mode, signs=signs, permuted=bool(order.shape[1]),
        waves=waves is not None, phased=bool(np.any(phases)),
        wide=whole_vectors(form, mode, 0, levels, length, 1, source.size, source),
        aligned=m % form.width == k % form.width == out.address % VECTOR_BYTES == 0,
    )  # fmt: skip
    blocks = -(-count >> form.bits - levels) * chains
    launched = kernel.launch[max(blocks, launch.MIN_BLOCKS), form.threads, source.stream()]
    launched(out.flat(), source.flat(), *kept, length, count, chains, m, k, number(factor))
    return out


def _where(flags):
    return [i for i, flag in enumerate(flags) if flag]


@functools.cache
def transform(
    kind: str,
    levels: int,
    *,
    mode: str,
    signs: tuple[bool, ...],
    permuted: bool,
    waves: bool,
    phased: bool,
    wide: bool,
    aligned: bool,
) -> Kernel:
    """Kernel for chains of transforms of ``2**levels`` points that fit in a tile.

    Parameters
    ----------
    kind : str
    levels : int
    mode : {"rows", "padded"}
    wide : bool
        As for `fwht_kernel.transform`.
    signs : tuple of bool
        Of each diagonal, whether its entries are ±1, kept as bits.
    permuted : bool
        Whether there is a permutation before the second diagonal.
    waves : bool
        Whether cosines and sines are stored, or the products.
    phased : bool
        Whether a phase is not zero.
    aligned : bool
        Whether vectors of 16 bytes are written.

    Returns
    -------
    Kernel
        ``launch`` is the kernel, of arguments ``(dst, src, words, scales, order, phases, length,
        strips, chains, m, k, factor)``: diagonals of signs in words of 32 bits, and the others, of
        shapes (diagonals, chains, n); phases over pi; points and number of the rows that are read,
        number of chains, of frequencies and of features.
    """
    given, form = KINDS[kind], codelets.layout(kind, levels)
    number, n = given.number, 1 << levels

    def body(m, dst, src, words, scales, order, phases, length, strips, chains, count, k, factor):
        space = m.shared(number, 1 << form.bits) if permuted else None
        tile = codelets.Tile(m, form, number, shared=space)
        block, c = m.block // chains, m.block % chains
        one = m.constant(1, "int64")
        place = tiles.Places(tile, levels, 0, mode, length, one, strips, number=block)
        place.load(src, given.read, wide)
        width = min(form.width, n)

        def vectors(step):
            """First elements of vectors, and their points."""
            for start in range(0, len(tile.values), step):
                yield start, m.convert(place.point(tile.at + tile.offset(start)), "int64")

        def multiply(diagonal):
            for start, point in vectors(width):
                address = (diagonal * chains + c) * n + point
                factors = m.load(scales, address, number, number, width)
                for i, x in enumerate(factors, start):
                    tile.values[i] = [tile.values[i][0] * x]

        def permute():
            tile.share()
            values = []
            for k, point in vectors(1):
                (other,) = m.load(order, c * n + point, "uint32", "uint32")
                first = tile.at + tile.offset(k) >> levels << levels
                values.append([tile.element(first + m.convert(other, "int32"))])
            tile.values = values

        for f, is_signs in enumerate(signs):
            if f:
                transform_tile(tile, range(levels))
            if f == 1 and permuted:
                permute()
            diagonal = sum(same == is_signs for same in signs[:f])
            if is_signs:
                base = (diagonal * chains + c) * max(1, n // 32)
                random.change_signs(
                    place,
                    lambda i, base=base: m.load(
                        words, base + m.convert(i, "int64"), "uint32", "uint32"
                    )[0],
                )
            else:
                multiply(diagonal)
        step = width if aligned else 1
        for start, point in vectors(step):
            row = place.first + (tile.at + tile.offset(start) >> levels)
            column = c * n + point
            numbers = [x for (x,) in tile.values[start : start + step]]
            there = (row < strips) & (column < count)
            address = row * k + column
            if not waves:
                m.store(dst, address, numbers, number, where=there)
                continue
            turns = [x * (1 / math.pi) for x in numbers]
            if phased:
                more = m.load(phases, column, number, number, step, where=there)
                turns = [x + y for x, y in zip(turns, more, strict=True)]
            for function, ahead in (("cospi", 0), ("sinpi", count)):
                values = [m.library(function, x) * factor for x in turns]
                inside = there & (column + ahead < k)
                m.store(dst, address + ahead, values, number, where=inside)

    arrays = [trace.flat(name) for name in (number, given.read, "uint32", number, "uint32", number)]
    signature = (*arrays, *[numba.int64] * 5, getattr(numba, number))
    return trace.kernel(f"features_chain_{kind}_{levels}_{mode}", body, signature, form)

"""From NumPy arrays of any layout to the loops: views, blocks that stay in cache, threads.

Contiguous arrays, in whatever order of axes, go to the loops as they are. What a loop cannot take
(strided arrays in place, half precision) passes through scratch of a cache's size. Base matrices
and orders other than the natural one are applied to blocks while they are in cache if a transform
fits there, else in passes of their own.
"""

import functools
import math
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from .. import _threads
from .._array import NAMES, dense_order, is_half
from .._cpu import fwht as loops
from .._cpu import plan
from .hadamard import base_matrix, split_length
from .orders import source_tables


def apply(
    op: str,
    src: np.ndarray,
    out: np.ndarray,
    axis: int,
    *,
    scale: float = 1.0,
    order: str = "hadamard",
    transpose: bool = False,
    workers: int = 1,
) -> None:
    """Write the transform of `src` along `axis` to `out`: the same array, or one apart from it."""
    if out.size == 0:
        return
    axes = dense_order(out)
    task = partial(_dense, op, scale=scale, order=order, transpose=transpose)
    if axes is None or is_half(out.dtype):
        through_scratch(task, src, out, axis, workers, order == "hadamard")
        return
    dense = out.transpose(axes)
    source = dense if src is out else src.transpose(axes)
    usable = source.flags.c_contiguous and src.flags.writeable and src.dtype == out.dtype
    if not usable:  # each kind of array would compile the loops anew
        np.copyto(out, src, casting="unsafe")
        source = dense
    task(source, dense, axes.index(axis), workers=workers)


def rows(dtype: np.dtype) -> Callable[[np.ndarray, np.ndarray, int], bool] | None:
    """``f(x, out, n)``: transforms of few C-contiguous rows of n = 2**p points, if there is one.

    It returns False, with nothing done, for integers that might overflow.
    """
    if dtype == np.float16 and plan.converts_half():
        run = loops.transform("wht", "float32", 1).run
        load, store = loops.half("float16", "float32"), loops.half("float32", "float16")

        def halves(x, out, n):
            scratch = np.empty(x.size, np.float32)
            load(x.reshape(-1).view(np.uint16), scratch)
            run(scratch, scratch, x.size, n, 1, 1.0, -1, 0, 0)
            store(scratch, out.reshape(-1).view(np.uint16))
            return True

        return halves
    if dtype not in NAMES:
        return None
    if dtype.kind == "c":
        real = np.empty(0, dtype).real.dtype
        run = loops.transform("wht", NAMES[real], 2).run

        def pairs(x, out, n):
            x, out = x.reshape(-1).view(real), out.reshape(-1).view(real)
            run(x, out, x.size, n, 2, 1.0, -1, 0, 0)
            return True

        return pairs
    run = loops.transform("wht", NAMES[dtype], 1).run
    magnitude = loops.magnitude() if dtype.kind == "i" else None

    def numbers(x, out, n):
        if x.ndim > 1:
            x, out = x.reshape(-1), out.reshape(-1)
        if magnitude is not None and n * (int(magnitude(x)) + 1) >= 1 << 63:
            return False
        run(x, out, x.size, n, 1, 1.0, -1, 0, 0)
        return True

    return numbers


def apply_product(left, right, out, axis, *, scale: float, workers: int) -> None:
    """Write the transform of ``left * right`` to `out`, all C-contiguous; `left` may be `out`.

    The product is taken block by block just before a block's first levels.
    """
    if out.size == 0:
        return
    fused = left.shape == right.shape == out.shape
    if not fused:
        np.multiply(left, right, out=out)
    kernel, data, n, inner = _kernel("wht", out, axis)
    first, *stages = kernel.stages(data.ctypes.data, data.size, n, inner)
    left, right, whole = left.reshape(-1), right.reshape(-1), out.reshape(-1)

    def start(begin: int, end: int) -> None:
        step = max(1, plan.l2_block() * first // out.nbytes)
        for unit in range(begin, end, step):
            last = min(end, unit + step)
            if fused:
                cut = slice(unit * out.size // first, last * out.size // first)
                np.multiply(left[cut], right[cut], out=whole[cut])
            kernel.run(data, data, data.size, n, inner, scale, 0, unit, last)

    rest = [
        (partial(kernel.run, data, data, data.size, n, inner, scale, number), units)
        for number, units in enumerate(stages, 1)
    ]
    _threads.in_turn([(start, first), *rest], workers)


def _kernel(op, out, axis):
    """Loops for a C-contiguous array, the array seen flat and real, its n and its inner length."""
    n, inner = out.shape[axis], math.prod(out.shape[axis + 1 :])
    flat = out.reshape(-1)
    if out.dtype.kind == "c":
        flat, inner = flat.view(out.real.dtype), 2 * inner
    narrow = inner * flat.itemsize < plan.vector_bytes() and inner & (inner - 1) == 0
    return loops.transform(op, NAMES[flat.dtype], inner if narrow else 0), flat, n, inner


def _dense(op, src, out, axis, *, scale, order, transpose, workers) -> None:
    """The transform of one C-contiguous array into another of the same shape."""
    kernel, flat, n, inner = _kernel(op, out, axis)
    src, out = flat if src is out else src.reshape(-1).view(flat.dtype), flat
    m, exponent = split_length(n)
    part, slab = n // m, n * inner
    codes = _codes(m, transpose) if m > 1 else None
    tables = source_tables(exponent, order) if order != "hadamard" else None

    def steps(src, out, workers):
        if tables is not None:
            _reorder(tables, inner, src.copy() if src is out else src, out, workers)
            src = out
        _levels(kernel, src, out, part, inner, scale, workers)
        if codes is not None:
            _apply_base(codes, part * inner, out, workers)

    if codes is None and tables is None:
        steps(src, out, workers)
        return
    # As many slabs at a time as stay in cache for all steps; one, on all threads, if none does.
    together = plan.l2_block() // (slab * out.itemsize)
    length = max(1, together) * slab

    def blocks(first: int, last: int) -> None:
        for start in range(first * length, last * length, length):
            here = out[start : start + length]
            there = here if src is out else src[start : start + length]
            steps(there, here, 1 if together else workers)

    _threads.share(blocks, -(-out.size // length), workers if together else 1)


@functools.lru_cache(maxsize=16)
def _codes(m: int, transpose: bool) -> np.ndarray:
    return loops.base_codes(base_matrix(m).T if transpose else base_matrix(m))


def _levels(kernel, src, out, n, inner, scale, workers) -> None:
    if workers == 1:
        kernel.run(src, out, out.size, n, inner, scale, -1, 0, 0)
        return
    stages = [
        (partial(kernel.run, src, out, out.size, n, inner, scale, stage), units)
        for stage, units in enumerate(kernel.stages(out.ctypes.data, out.size, n, inner))
    ]
    _threads.in_turn(stages, workers)


def _apply_base(codes, length, flat, workers) -> None:
    m = len(codes)
    units = flat.size // (m * length) * -(-length // loops.BASE_COLUMNS)
    _threads.share(partial(loops.base(NAMES[flat.dtype]), flat, m, length, codes), units, workers)


def _reorder(tables, inner, src, out, workers) -> None:
    n = math.prod(len(table) for table in tables)
    units = out.size // (n * inner) * len(tables[1])
    _threads.share(
        partial(loops.gather(NAMES[out.dtype]), src, out, *tables, inner), units, workers
    )


def through_scratch(task, src, out, axis, workers, separable) -> None:
    """The transform by pieces that are copied to contiguous scratch and back.

    A `separable` one of n points is one of a matrix of n points along both of its axes.
    """
    half = is_half(out.dtype)
    work = np.dtype(np.float32) if half else out.dtype
    limit = plan.l2_block() // 2 // work.itemsize
    if separable and not half and out.shape[axis] > 2 * limit:  # a line longer than the scratch
        n = out.shape[axis]
        columns = 1 << (split_length(n)[1] // 2)
        shape = (*out.shape[:axis], n // columns, columns, *out.shape[axis + 1 :])
        matrix = out.reshape(shape)  # a view: splitting an axis never copies
        if src is not out:
            np.copyto(out, src, casting="unsafe")
        through_scratch(task, matrix, matrix, axis, workers, True)
        through_scratch(partial(task, scale=1.0), matrix, matrix, axis + 1, workers, True)
        return
    pieces = list(_pieces(out.shape, axis, limit))

    def transform(first: int, last: int) -> None:
        for piece in pieces[first:last]:
            scratch = np.empty(out[piece].shape, work)
            _load(src[piece], scratch)
            task(scratch, scratch, axis, workers=1)
            _store(scratch, out[piece])

    _threads.share(transform, len(pieces), workers)


def _pieces(shape, axis, limit) -> Iterator[tuple[slice, ...]]:
    """Slices that cover an array by pieces of at most `limit` elements, whole along `axis`."""
    whole = tuple(slice(0, length) for length in shape)
    stack = [whole]
    while stack:
        piece = stack.pop()
        lengths = [cut.stop - cut.start for cut in piece]
        others = [a for a, length in enumerate(lengths) if a != axis and length > 1]
        if not others or np.prod(lengths, dtype=np.int64) <= limit:
            yield piece
            continue
        a = others[0]
        middle = (piece[a].start + piece[a].stop) // 2
        for cut in (slice(middle, piece[a].stop), slice(piece[a].start, middle)):
            stack.append((*piece[:a], cut, *piece[a + 1 :]))


def _load(src, scratch) -> None:
    if src.dtype == np.float16 and plan.converts_half():
        bits = np.ascontiguousarray(src).reshape(-1).view(np.uint16)
        loops.half("float16", "float32")(_writable(bits), scratch.reshape(-1))
    else:
        np.copyto(scratch, src, casting="unsafe")


def _store(scratch, out) -> None:
    if out.dtype == np.float16 and plan.converts_half():
        dense = out if out.flags.c_contiguous else np.empty(out.shape, out.dtype)
        loops.half("float32", "float16")(scratch.reshape(-1), dense.reshape(-1).view(np.uint16))
        if dense is not out:
            out[...] = dense
    else:
        with np.errstate(over="ignore"):  # a half overflows to inf, as float32 does
            np.copyto(out, scratch, casting="unsafe")


def _writable(x):
    return x if x.flags.writeable else x.copy()

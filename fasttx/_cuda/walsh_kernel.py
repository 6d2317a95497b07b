"""The dyadic convolution of rows on a GPU, in one kernel.

Both rows are transformed in registers, multiplied, and their product is transformed: each is read
once, and the result is written once.
"""

import functools

import numba
import numpy as np

from . import NumbaArray, codelets, fft_kernel, fwht_kernel, launch, memory, tiles, trace
from .memory import KINDS, SIMULATED, VECTOR_BYTES, Kernel

DTYPES = ("float16", "bfloat16", "float32", "float64", "complex64", "complex128")
_MAX_LEVELS = 5 if SIMULATED else 13  # two rows have to find room in registers


def most_points(dtype: str) -> int:
    """The longest rows of that dtype that `xor_convolve` takes."""
    tile = codelets.TILE[codelets.element_bytes(dtype)]
    return 1 << min(_MAX_LEVELS, tile - (KINDS[dtype].parts - 1))


def xor_convolve(a: NumbaArray, b: NumbaArray, dst: NumbaArray) -> None:
    """Dyadic convolution of the rows of `a` and of `b`, along their last axes, into `dst`.

    Parameters
    ----------
    a, b, dst : NumbaArray
        C-contiguous, of one dtype of `DTYPES` and one length, a power of two of at most
        `most_points`. The rows of `a` or `b` are repeated where `dst` has more of them, and then
        as often as they fit. `dst` may be one of them that has as many rows.
    """
    if not dst.size:
        return
    n, kind = dst.shape[-1], KINDS[dst.dtype]
    levels, columns = n.bit_length() - 1, kind.parts - 1
    arrays = dst, a, b
    wide = not any(x.address % VECTOR_BYTES for x in arrays)
    kernel = convolution(dst.dtype, levels, wide=wide)
    rows, spare = dst.size // n, kernel.form.bits - levels - columns
    blocks = max(-(-rows >> spare), launch.MIN_BLOCKS)
    launched = kernel.launch[blocks, kernel.form.threads, dst.stream()]
    counts = (rows, a.size // n, b.size // n)
    launched(*(x.flat() for x in arrays), *map(np.int64, counts))


@functools.cache
def convolution(
    kind: str, levels: int, *, wide: bool = True, shuffles: bool = not SIMULATED
) -> Kernel:
    """Kernel for rows of ``2**levels`` points.

    Parameters
    ----------
    kind : str
        A name in `DTYPES`.
    levels : int
    wide, shuffles : bool
        As for the transform.

    Returns
    -------
    Kernel
        ``launch`` is the kernel, of arguments ``(dst, a, b, rows, rows_a, rows_b)``: flat arrays
        and their numbers of rows.
    """
    given = KINDS[kind]
    columns = given.parts - 1
    form = codelets.layout(kind, levels + columns)
    form = form._replace(bytes=2 * form.bytes)  # of both rows
    bits = range(columns, columns + levels)
    wide = wide and form.vector <= levels + columns

    def body(m, dst, a, b, rows, rows_a, rows_b):
        tile = codelets.Tile(m, form, given.number, shuffles=shuffles)
        _read(tile, a, rows, rows_a, given.read, levels + columns, wide)
        fwht_kernel.transform_tile(tile, bits, turning=True)
        other = tile.beside()
        _read(other, b, rows, rows_b, given.read, levels + columns, wide)
        fwht_kernel.transform_tile(other, bits, turning=True)
        tile.values = _products(tile.values, other.values, given.parts)
        fwht_kernel.transform_tile(tile, bits, turning=True)
        tile.scale(tile.number_of(0.5**levels))
        inner, length = m.constant(given.parts, "int64"), m.constant(1 << levels, "int64")
        place = tiles.Places(tile, levels, columns, "rows", length, inner, rows)
        place.store(dst, given.written, wide)

    arrays = [trace.flat(given.read)] * 3
    name = f"xor_convolve_{kind}_{levels}"
    return trace.kernel(name, body, (*arrays, *[numba.int64] * 3), form)


def _read(tile, src, rows, own, name, bits, wide):
    """The elements of a thread, from an array whose `own` rows are repeated."""
    m, form = tile.m, tile.form
    width, first = form.width if wide else 1, m.block << form.bits - bits
    tile.values = []
    for k in range(0, 1 << form.vector + form.registers, width):
        index = m.convert(tile.at + tile.offset(k), "int64")
        row = first + (index >> bits)
        place = (row % own << bits) + (index & (1 << bits) - 1)
        values = m.load(src, place, name, tile.number.name, width, where=row < rows)
        tile.values += [[x] for x in values]


def _products(x, y, parts):
    """Products of elements, complex ones of two parts side by side."""
    if parts == 1:
        return [[a * b] for (a,), (b,) in zip(x, y, strict=True)]
    products = []
    for i in range(0, len(x), 2):
        one, two = ([a for (a,) in values[i : i + 2]] for values in (x, y))
        products += [[a] for a in fft_kernel.times(one, two)]
    return products


def ptx(kind: str, levels: int, *, cc: tuple[int, int] = (8, 0), **options) -> str:
    """PTX of a kernel for compute capability `cc`; needs NVVM, no driver and no device."""
    return memory.ptx(convolution(kind, levels, **options), cc)

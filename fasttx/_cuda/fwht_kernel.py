"""The kernels of the Walsh-Hadamard transform on a GPU.

An array of shape (outer, n, inner), C-contiguous, is transformed along its middle axis; a kernel
does transforms whose points fit in a tile (see `codelets`), and reads and writes each number once.
"""

import functools

import numba

from . import codelets, memory, orders, tiles, trace
from .memory import KINDS, SIMULATED, Kernel


@functools.cache
def transform(
    kind: str,
    levels: int,
    *,
    mode: str = "rows",
    columns: int = 0,
    order: str = "hadamard",
    wide: bool = True,
    signed: bool = False,
    butterfly: str = "walsh",
    shuffles: bool = not SIMULATED,
) -> Kernel:
    """Kernel for transforms of ``n = 2**levels`` points that fit in a tile.

    Parameters
    ----------
    kind : str
        A name in `memory.KINDS`. The parts of complex numbers lie side by side: ``inner`` and
        `columns` count them.
    levels : int
    mode : {"rows", "padded", "columns"}
        Rows of n points one after the other; rows of another length, cropped or padded with zeros
        to n; points that are ``inner`` numbers apart.
    columns : int
        Bits of the numbers that a block takes side by side: for rows those of the parts.
    order : {"hadamard", "sequency", "dyadic"}
        Order of the output, fused into the store.
    wide : bool
        Whether vectors of 16 bytes are read and, in natural order, written.
    signed : bool
        Whether point i is multiplied by ``signs[i]`` as it is read.
    butterfly : {"walsh", "zeta", "mobius"}
        What becomes of two points: sum and difference, or the second one plus or minus the first.
    shuffles : bool
        Whether lanes exchange by shuffles, or through shared memory.

    Returns
    -------
    Kernel
        ``launch`` is the kernel, of arguments ``(dst, src, signs, length, inner, strips, scale)``:
        flat arrays, the points that `src` has along the axis, the numbers between two points, the
        number of strips (rows, or pieces of ``2**columns`` columns) and a factor. `dst` may be
        `src` where both have n points: what is written depends on all that the block read.
    """
    given = KINDS[kind]
    form = codelets.layout(kind, levels + columns)
    position = None if order == "hadamard" else orders.destination(levels, order)

    def body(m, dst, src, signs, length, inner, strips, scale):
        tile = codelets.Tile(m, form, given.number, shuffles=shuffles)
        place = tiles.Places(tile, levels, columns, mode, length, inner, strips)
        place.load(src, given.read, wide)
        if signed:
            _apply_signs(place, signs)
        transform_tile(tile, range(columns, columns + levels), butterfly, turning=True)
        if given.number != "int64":
            tile.scale(scale)
        place.store(dst, given.written, wide, position=position and functools.partial(position, m))

    name = f"{butterfly}_{kind}_{levels}_{mode}_{order}"
    number = getattr(numba, given.number)
    signature = (
        trace.flat(given.written),
        trace.flat(given.read),
        number[::1],
        *[numba.int64] * 3,
        numba.float64 if given.number == "int64" else number,
    )
    return trace.kernel(name, body, signature, form)


def transform_tile(
    tile: codelets.Tile, levels: range, butterfly: str = "walsh", *, turning: bool = False
) -> None:
    """Butterflies over the bits `levels` of the index in the tile, in any order.

    With `turning`, lanes and registers change places on the way: half of the shuffles.
    """
    lanes: list[int] = []
    tops: list[int] = []
    for level in levels:
        held, lane = tile.held_bit(level), tile.lane_bit(level)
        if held is not None:
            _held_level(tile, held, butterfly)
        elif lane is not None:
            lanes.append(lane)
        else:
            tops.append(level)
    for lane in lanes:
        held = tile.turn(lane) if turning else None
        if held is None:
            _lane_level(tile, lane, butterfly)
        else:
            _held_level(tile, held, butterfly)
    if tile.form.swapped:
        tile.exchange()
    for level in tops:
        _held_level(tile, tile.held_bit(level), butterfly)


_BUTTERFLIES = {
    "walsh": lambda x, y: (x + y, x - y),
    "zeta": lambda x, y: (x, x + y),
    "mobius": lambda x, y: (x, y - x),
}


def _held_level(tile, bit, butterfly):
    """Butterflies between the numbers of a thread."""
    for i, (x,) in enumerate(tile.values):
        if not i >> bit & 1:
            j = i | 1 << bit
            one, two = _BUTTERFLIES[butterfly](x, tile.values[j][0])
            tile.values[i], tile.values[j] = [one], [two]


def _lane_level(tile, bit, butterfly):
    """Butterflies between lanes: the own number is the first of two, or the second."""
    pairs = list(zip(tile.values, tile.other_lanes(bit), strict=True))
    if butterfly == "walsh" and tile.number.kind == "f":  # one instruction each
        sign = tile.sign(bit)
        tile.values = [[other + x * sign] for (x,), (other,) in pairs]
        return
    odd, both = tile.is_odd(bit), _BUTTERFLIES[butterfly]
    tile.values = [[tile.m.where(odd, both(y, x)[1], both(x, y)[0])] for (x,), (y,) in pairs]


def _apply_signs(place, signs):
    """Multiply each point by its sign."""
    tile, m = place.tile, place.m
    for k, (x,) in enumerate(tile.values):
        point = m.convert(place.point(tile.at + tile.offset(k)), "int64")
        (sign,) = m.load(signs, point, tile.number.name, tile.number.name)
        tile.values[k] = [x * sign]


def ptx(kind: str, levels: int, *, cc: tuple[int, int] = (8, 0), **options) -> str:
    """PTX of a kernel for compute capability `cc`; needs NVVM, no driver and no device."""
    return memory.ptx(transform(kind, levels, **options), cc)

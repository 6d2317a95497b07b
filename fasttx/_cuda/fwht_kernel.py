"""The kernels of the Walsh-Hadamard transform on a GPU.

An array of shape (outer, n, inner), C-contiguous, is transformed along its middle axis; a kernel
does transforms whose points fit in a tile (see `codelets`), and reads and writes each number once.
"""

import functools

import numba
import numpy as np

from . import codelets, memory, tiles
from .memory import KINDS, SIMULATED, Kernel, cuda, inlined


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
    steps = range(columns, columns + levels)
    text = _Text(form, given.number, shuffles=shuffles)
    text.begin(steps)
    place = tiles.Places(form, levels, columns, mode)
    place.begin(text)
    place.load(text, wide)
    if signed:
        text.apply_signs(place)
    text.transform(steps)
    if given.number != "int64":
        text.scale()
    permuted = order != "hadamard"
    place.store(text, wide, swapped=bool(form.swapped), permuted=permuted)

    width = form.width if wide else 1
    names = {
        "cuda": cuda,
        "number": getattr(numba, given.number),
        "load": memory.load(given.read, given.number, width),
        "load_signs": memory.load(given.number, given.number, 1),
        "store": memory.store(given.written, 1 if permuted else width),
        "position": _position(levels, order),
    }
    name = f"fwht_{kind}_{levels}_{mode}_{order}".replace(" ", "_")
    function = text.function(name, "dst, src, signs, length, inner, strips, scale", names)
    number = getattr(numba, given.number)
    signature = (
        memory.signature(given.written),
        memory.signature(given.read),
        number[::1],
        *[numba.int64] * 3,
        numba.float64 if given.number == "int64" else number,
    )
    return Kernel(memory.jit(function, form.threads), signature, form)


class _Text(codelets.Text):
    """The levels of the Walsh-Hadamard transform, in any order."""

    def transform(self, levels):
        """Butterflies over the bits `levels` of the index in the tile."""
        for level in levels:
            bit = self.held_bit(level)
            if bit is not None:
                self._level(bit)
        for bit in self.lane_levels(levels):
            self._lane_level(bit)
        if self.form.swapped:
            self.exchange()
            self.add(f"at = {self.form.base(True)}")
            for bit in range(self.form.swapped):
                self._level(bit + self.form.vector)

    def apply_signs(self, place):
        """Multiply each point by its sign."""
        form, new = self.form, self.fresh()
        for k, ((x,), (y,)) in enumerate(zip(self.values, new, strict=True)):
            offset = form.offset(k >> form.vector, False) + k % form.width
            point = place.point(f"at + {offset}")
            self.add(f"(sign,) = load_signs(signs, {point})", f"{y} = {x} * sign")
        self.values = new

    def _level(self, bit):
        """Butterflies between the numbers of a thread."""
        new = self.fresh()
        for i, (x,) in enumerate(self.values):
            if not i >> bit & 1:
                j = i | 1 << bit
                (y,) = self.values[j]
                self.add(f"{new[i][0]} = {x} + {y}", f"{new[j][0]} = {x} - {y}")
        self.values = new

    def _lane_level(self, bit):
        """Butterflies between lanes: the other lane's number, plus or minus the own."""
        new = self.fresh()
        for i, (other,) in self.other_lanes(bit):
            (x,), (name,) = self.values[i], new[i]
            if self.number.kind == "i":
                self.add(f"other = {other}")
                self.add(f"{name} = other - {x} if odd{bit} else other + {x}")
            else:
                self.add(f"{name} = {other} + {x} * sign{bit}")
        self.values = new


def ptx(kind: str, levels: int, *, cc: tuple[int, int] = (8, 0), **options) -> str:
    """PTX of a kernel for compute capability `cc`; needs NVVM, no driver and no device."""
    return memory.ptx(transform(kind, levels, **options), cc)


def _position(levels, order):
    """Device function: where the coefficient of natural index i goes."""
    reverse = _reverse(levels)

    @inlined
    def sequency(i):
        # The inverse of the Gray code: bit k is the parity of the bits from k up.
        i = reverse(i)
        i ^= i >> 1
        i ^= i >> 2
        i ^= i >> 4
        i ^= i >> 8
        return i ^ i >> 16

    return _choose(levels, order, reverse, sequency)


def source(levels, order):
    """Device function: natural index of output i."""
    reverse = _reverse(levels)

    @inlined
    def sequency(i):
        return reverse(i ^ i >> 1)

    return _choose(levels, order, reverse, sequency)


def _reverse(levels):
    @inlined
    def reverse(i):
        return np.int64(cuda.brev(np.uint32(i)) >> np.uint32(32 - levels))

    return reverse


def _choose(levels, order, dyadic, sequency):
    @inlined
    def natural(i):
        return i

    if levels == 0:  # the shift would be by a whole word
        return natural
    return {"hadamard": natural, "dyadic": dyadic, "sequency": sequency}[order]

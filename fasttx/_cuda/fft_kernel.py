"""The kernels of the Fourier transform without bit reversal on a GPU.

As in `_cpu/fft.py`, a *split* takes polynomials modulo ``x**(2m) - r`` to remainders modulo
``x**m - s`` and ``x**m + s`` with ``s**2 = r``, over the bits of the index from the highest, so
natural order becomes bit-reversed; a *merge* goes back. The twiddle s of a block depends on its
number alone: it is ``exp(2 pi i sign t / 2)``, t the radical inverse of the number.

A thread holds complex numbers as two scalars, in the layout of `codelets`. A split begins where
the highest bits are in registers, and exchanges afterwards; a merge exchanges before.
"""

import cmath
import functools
import math

import numba
import numpy as np

from . import codelets, memory, tiles
from .memory import KINDS, SIMULATED, Kernel, cuda, inlined

if not SIMULATED:
    from numba.cuda import libdevice


@functools.cache
def transform(
    kind: str,
    levels: int,
    *,
    merge: bool = False,
    sign: int = -1,
    mode: str = "rows",
    columns: int = 0,
    wide: bool = True,
    upper: int = 0,
    shuffles: bool = not SIMULATED,
) -> Kernel:
    """Kernel for transforms of ``n = 2**levels`` complex points that fit in a tile.

    Parameters
    ----------
    kind : {"complex64", "complex128", "float32", "float64"}
        What is read; complex numbers are written.
    levels : int
    merge : bool
        From bit-reversed to natural order, or (a split) from natural to bit-reversed.
    sign : {-1, 1}
        Of the exponent.
    mode : {"rows", "padded", "columns"}
    columns : int
    wide : bool
        As for the Walsh-Hadamard transform, for complex elements.
    upper : int
        A row (for columns: an array (n, inner)) is the block of the bit-reversed number that its
        number has in the lowest `upper` bits, one of as many of a longer transform.
    shuffles : bool
        Whether lanes exchange by shuffles, or through shared memory.

    Returns
    -------
    Kernel
        ``launch`` is the kernel, of arguments ``(dst, src, roots, length, inner, strips, scale)``:
        flat arrays of real numbers, `roots` as by `roots`.
    """
    given = KINDS[kind]
    form = codelets.layout(kind, levels + columns, paired=True)
    steps = range(columns, columns + levels)
    text = Fourier(form, given.number, shuffles)
    text.begin(steps, swapped=bool(form.swapped) and not merge)
    place = tiles.Places(form, levels, columns, mode)
    place.begin(text)
    if merge:
        place.load(text, wide, parts=given.parts)
        text.merge(place, sign)
        if upper:
            text.twist(place, upper, bool(form.swapped))
    else:
        place.load(text, wide, bool(form.swapped), given.parts)
        if upper:
            text.twist(place, upper, bool(form.swapped))
        text.split(place, sign)
    text.scale()
    place.store(text, wide, swapped=merge and bool(form.swapped), parts=2)

    width = form.width if wide else 1
    number = getattr(numba, given.number)
    names = {
        "cuda": cuda,
        "number": number,
        "load": memory.load(given.read, given.number, width * given.parts),
        "root": memory.load(given.number, given.number, 2),
        "store": memory.store(given.written, width * 2),
        "turn": _turn(given.number, sign, upper, levels),
        **text.constants,
    }
    what = "merge" if merge else "split"
    name = f"fft_{kind}_{levels}_{mode}_{what}"
    function = text.function(name, "dst, src, roots, length, inner, strips, scale", names)
    flat = number[::1]
    signature = flat, flat, flat, *[numba.int64] * 3, number
    return Kernel(memory.jit(function, form.threads), signature, form)


class Fourier(codelets.Text):
    """The levels of a split and of a merge; `number` is that of the block that is transformed."""

    def __init__(self, form, number, shuffles):
        super().__init__(form, number, 2, shuffles)
        self.constants: dict[str, np.floating] = {}

    def split(self, place: tiles.Places, sign: int, number: int = 0) -> None:
        """From natural to bit-reversed order, from the highest bit down."""
        self._blocks = place, sign, number
        for bit in reversed(range(self.form.swapped)):
            self._split_held(bit + self.form.vector, place.levels - self.form.swapped + bit)
        if self.form.swapped:
            self.exchange()
            self.add(f"at = {self.form.base(False)}")
        for level in reversed(range(place.columns, self._inside(place))):
            held = self.held_bit(level)
            if held is not None:
                self._split_held(held, level - place.columns)
            else:
                self._lane(level - self.form.vector, level - place.columns, merge=False)

    def merge(self, place: tiles.Places, sign: int, number: int = 0) -> None:
        """From bit-reversed to natural order, from the lowest bit up."""
        self._blocks = place, sign, number
        for level in range(place.columns, self._inside(place)):
            held = self.held_bit(level)
            if held is not None:
                self._merge_held(held, level - place.columns)
            else:
                self._lane(level - self.form.vector, level - place.columns, merge=True)
        if self.form.swapped:
            self.exchange()
            self.add(f"at = {self.form.base(True)}")
        for bit in range(self.form.swapped):
            self._merge_held(bit + self.form.vector, place.levels - self.form.swapped + bit)

    def twist(self, place: tiles.Places, upper: int, swapped: bool) -> None:
        """Multiply by the powers of a root that make a block one of a transform of its own."""
        new = self.fresh()
        for k, (x, y) in enumerate(zip(self.values, new, strict=True)):
            index = f"at + {self._offset(k, swapped)}"
            row = f"({place.row(index)}) & {(1 << upper) - 1}"
            self.add(f"wr, wi = turn({row}, {place.point(index)})")
            self._multiply(y, x, ("wr", "wi"))
        self.values = new

    def _inside(self, place):
        """The first level above those over vector, lane and register bits."""
        return place.columns + place.levels - self.form.swapped

    def _offset(self, k, swapped):
        return self.form.offset(k >> self.form.vector, swapped) + k % self.form.width

    def _root(self, k, level):
        """Names of the twiddle of element k's block at a level, or its value where it is known."""
        place, sign, number = self._blocks
        form, top = self.form, level >= place.levels - self.form.swapped
        first = number << place.levels - 1 - level
        registers = form.swapped == 0 and level + place.columns >= form.vector + form.lanes
        if top or registers or level == place.levels - 1:  # all bits above are known
            block = self._offset(k, top) >> place.columns & (1 << place.levels) - 1
            return unit(sign, first + (block >> level + 1))
        point = place.point(f"at + {self._offset(k, False)}")
        return f"(({point}) >> {level + 1}) + {first}"

    def _twiddle(self, k, level, known):
        """The twiddle, loaded once for all elements of a block."""
        root = self._root(k, level)
        if isinstance(root, complex):
            return root
        # Elements of a thread share a twiddle where their offsets differ below the level only.
        key = self._offset(k, False) >> level + 1 + self._blocks[0].columns
        if key not in known:
            known[key] = f"wr{len(known)}", f"wi{len(known)}"
            self.add(f"{', '.join(known[key])} = root(roots, 2 * ({root}))")
        return known[key]

    def _split_held(self, bit, level):
        new, known = self.fresh(), {}
        for i, x in enumerate(self.values):
            if not i >> bit & 1:
                j = i | 1 << bit
                y = self._times(self.values[j], self._twiddle(i, level, known))
                for a, b, plus, minus in zip(x, y, new[i], new[j], strict=True):
                    self.add(f"{plus} = {a} + {b}", f"{minus} = {a} - {b}")
        self.values = new

    def _merge_held(self, bit, level):
        new, known = self.fresh(), {}
        for i, x in enumerate(self.values):
            if not i >> bit & 1:
                j = i | 1 << bit
                root = self._twiddle(i, level, known)
                both = list(zip(x, self.values[j], strict=True))
                self.add(
                    *(f"{name} = {a} + {b}" for name, (a, b) in zip(new[i], both, strict=True))
                )
                self.add(*(f"d{p} = {a} - {b}" for p, (a, b) in enumerate(both)))
                turned = self._times(("d0", "d1"), root)
                self.add(*(f"{name} = {z}" for name, z in zip(new[j], turned, strict=True)))
        self.values = new

    def _lane(self, bit, level, merge):
        """A level between lanes: the upper lane multiplies, before a split and after a merge."""
        new = self.fresh()
        if not merge:
            self.values = self._upper(bit, level)
        for i, other in self.other_lanes(bit):
            for x, y, name in zip(self.values[i], other, new[i], strict=True):
                self.add(f"{name} = {y} + {x} * sign{bit}")
        self.values = new
        if merge:
            self.values = self._upper(bit, level)

    def _upper(self, bit, level):
        """All elements, multiplied by their twiddles in the lanes that have this bit."""
        new, known = self.fresh(), {}
        for k, (x, y) in enumerate(zip(self.values, new, strict=True)):
            root = self._root(k, level)
            if root == 1:
                new[k] = x
                continue
            if isinstance(root, complex):
                names = "wr", "wi"
                self.add(f"wr = {self._constant(root.real)} if odd{bit} else one")
                self.add(f"wi = {self._constant(root.imag)} if odd{bit} else zero")
            else:
                key = self._offset(k, False) >> level + 1 + self._blocks[0].columns
                if key not in known:
                    known[key] = f"wr{len(known)}", f"wi{len(known)}"
                    # The first root is one.
                    self.add(f"block = ({root}) if odd{bit} else 0")
                    self.add(f"{', '.join(known[key])} = root(roots, 2 * block)")
                names = known[key]
            self._multiply(y, x, names)
        return new

    def _times(self, x, root):
        """Names or expressions of a product with a twiddle."""
        if not isinstance(root, complex):
            self._multiply(("pr", "pi"), x, root)
            return "pr", "pi"
        if root == 1:
            return x
        if root == -1:
            return f"(-{x[0]})", f"(-{x[1]})"
        if root in (1j, -1j):
            return (f"(-{x[1]})", x[0]) if root == 1j else (x[1], f"(-{x[0]})")
        self._multiply(("pr", "pi"), x, (self._constant(root.real), self._constant(root.imag)))
        return "pr", "pi"

    def _multiply(self, y, x, w):
        self.add(f"{y[0]} = {x[0]} * {w[0]} - {x[1]} * {w[1]}")
        self.add(f"{y[1]} = {x[0]} * {w[1]} + {x[1]} * {w[0]}")

    def _constant(self, value):
        """Name of a constant; a literal would be of double precision."""
        name = f"c{len(self.constants)}"
        self.constants[name] = self.number.type(value)
        return name


def unit(sign: int, block: int) -> complex:
    """The twiddle of the block of that number."""
    turns = math.ldexp(int(f"{block:b}"[::-1], 2), -block.bit_length() - 1)
    if turns in (0, 0.25, 0.5):
        return {0: 1 + 0j, 0.25: sign * 1j, 0.5: -1 + 0j}[turns]
    return cmath.exp(2j * math.pi * sign * turns)


@functools.lru_cache(maxsize=32)
def roots(sign: int, count: int, dtype: str) -> np.ndarray:
    """The twiddles of blocks 0 to count - 1, as pairs of real numbers, flat."""
    turns = np.zeros(1)
    while turns.size < count:  # the next bit of the number halves the turn
        turns = np.concatenate([turns, turns + 0.25 / turns.size])
    angles = 2 * np.pi * sign * turns[:count]
    return np.stack([np.cos(angles), np.sin(angles)], axis=-1).astype(dtype).reshape(-1)


def _turn(number, sign, upper, levels):
    """Device function: power i of the root of block `row` of ``2**upper``, as two numbers."""
    whole = 1 << upper + levels

    if SIMULATED:

        def sine_cosine(x):
            return np.sin(np.pi * float(x)), np.cos(np.pi * float(x))

    else:
        sine_cosine = libdevice.sincospif if number == "float32" else libdevice.sincospi

    kind = getattr(np, number)
    unit_angle = kind(2 * sign / whole)

    @inlined
    def turn(row, i):
        reverse = np.int64(cuda.brev(np.uint32(row)) >> np.uint32(32 - upper))
        step = reverse * i & (whole - 1)
        # From minus to plus half a turn, where sines are most accurate.
        step = step - whole if step >= whole // 2 else step
        sine, cosine = sine_cosine(kind(step) * unit_angle)
        return kind(cosine), kind(sine)

    return turn


def ptx(kind: str, levels: int, *, cc: tuple[int, int] = (8, 0), **options) -> str:
    """PTX of a kernel for compute capability `cc`; needs NVVM, no driver and no device."""
    return memory.ptx(transform(kind, levels, **options), cc)

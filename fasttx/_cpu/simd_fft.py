"""Codelets of the Fourier transform without bit reversal, as LLVM vector IR.

A "split" takes n samples in natural order to the spectrum in bit-reversed order by splitting
polynomials modulo x**n - r into remainders modulo x**(n/R) - r_j, whose R roots r_j**R = r are the
block's twiddles: one row of numbers for a whole block, at every level. A "merge" is the transpose,
from bit-reversed to natural order, with the same twiddles.

Between passes numbers lie "parted": W real parts, then their W imaginary parts, in the place of W
complex numbers (W lanes of a vector), so that arithmetic needs no shuffles. The first codelet of a
transform parts them and the last one joins them again.

With theta(b) the bit-reversed fraction of b (0, 1/2, 1/4, 3/4, ... for b = 0, 1, 2, 3, ...) and
e(x) = exp(2 pi i s x), s the sign of the exponent, row b of the twiddles holds e(theta(b) j/8),
j < 8, for passes of radix up to 8, and e((theta(u) + theta(b)/V) j/W), j < W, for the vectors u < V
of a leaf. Since theta(c + 2**k b) = theta(c) + theta(b)/2**k for c < 2**k, a small table of rows
and another one of corrections e(...) - 1 make up all rows, almost as exact as if rounded once.
"""

import numpy as np
from llvmlite import ir
from numba.core import cgutils

from .simd import Emitter, ask_for, from_integers, subroutine, switch

_I64 = ir.IntType(64)
ROW = 8  # complex numbers for passes at the head of a row of twiddles


def theta(count):
    """Bit-reversed fractions of 0, ..., count - 1, with `count` a power of two."""
    fractions = np.zeros(1)
    while fractions.size < count:
        fractions = np.concatenate([fractions, fractions + 0.5 / fractions.size])
    return fractions


def unit_root(turns, sign):
    """exp(2 pi i sign turns), from long double where there is one."""
    angle = 2 * np.arctan2(np.longdouble(0), np.longdouble(-1)) * np.asarray(turns, np.longdouble)
    cosine, sine = np.cos(angle), sign * np.sin(angle)
    # Exact where a part is zero; no other root has a part as small as that.
    return np.where(abs(cosine) < 1e-15, 0, cosine) + 1j * np.where(abs(sine) < 1e-15, 0, sine)


class Complex(Emitter):
    """IR for pairs of vectors: real parts and imaginary parts of `width` complex numbers."""

    def __init__(self, builder, dtype, width, sign):
        super().__init__(builder, dtype, width)
        self.sign = sign
        self.line = width * self.dtype.itemsize

    def fma(self, x, y, z):
        return self.call("fmuladd", x, y, z)

    def neg(self, x):
        return self.builder.fneg(x)

    def constants(self, values):
        return self.constant(np.real(values)), self.constant(np.imag(values))

    def both(self, x, y, index):
        """Lanes of two vectors, the second one's numbered from `width` on."""
        mask = ir.Constant(ir.VectorType(ir.IntType(32), len(index)), [int(i) for i in index])
        return self.builder.shuffle_vector(x, y, mask)

    def offset(self, address, vectors):
        return self.builder.add(address, _I64(vectors * self.line)) if vectors else address

    # Loads and stores of `width` complex numbers, parted ("s") or as pairs ("i").

    def ask(self, address, ahead):
        """Ask for the vectors of a complex number's place so many bytes further on."""
        lines = max(1, 2 * self.line // 64)
        ask_for(self.builder, self.builder.add(address, ahead), lines)

    def take(self, address, form, backwards=False):
        x, y = self.load(address), self.load(self.offset(address, 1))
        if form == "s":
            return x, y
        lanes = np.arange(0, 2 * self.width, 2)[:: -1 if backwards else 1]
        return self.both(x, y, lanes), self.both(x, y, lanes + 1)

    def put(self, z, address, form, backwards=False):
        x, y = z
        if form == "i":
            lanes = np.arange(2 * self.width).reshape(2, -1)[:, :: -1 if backwards else 1]
            pairs = lanes.T.reshape(2, -1)
            x, y = (self.both(*z, half) for half in pairs)
        self.store(x, address)
        self.store(y, self.offset(address, 1))

    def times(self, x, w):
        (xr, xi), (wr, wi) = x, w
        real = self.fma(self.neg(xi), wi, self.builder.fmul(xr, wr))
        return real, self.fma(xr, wi, self.builder.fmul(xi, wr))

    def scaled(self, x, factor):
        return tuple(self.builder.fmul(part, factor) for part in x)

    def plus(self, x, y):
        return self.add(x[0], y[0]), self.add(x[1], y[1])

    def minus(self, x, y):
        return self.sub(x[0], y[0]), self.sub(x[1], y[1])

    def turned(self, x, quarters):
        """Return x times i**(sign*quarters), for 0 or 1 quarters."""
        if quarters == 0:
            return x
        if self.sign > 0:
            return self.neg(x[1]), x[0]
        return x[1], self.neg(x[0])

    def butterfly_split(self, a, b, eighths):
        """Return a + w b and a - w b, with w = exp(2 pi i sign eighths/8)."""
        if eighths in (0, 2):
            b = self.turned(b, eighths // 2)
            return self.plus(a, b), self.minus(a, b)
        b = self.turned(b, (eighths - 1) // 2)
        s, d = self._diagonals(b)
        c, minus_c = self.splat_of(np.sqrt(0.5)), self.splat_of(-np.sqrt(0.5))
        upper = self.fma(c, s, a[0]), self.fma(c, d, a[1])
        return upper, (self.fma(minus_c, s, a[0]), self.fma(minus_c, d, a[1]))

    def butterfly_merge(self, a, b, eighths):
        """Return a + b and w (a - b)."""
        difference = self.minus(a, b)
        if eighths % 2:
            c = self.splat_of(np.sqrt(0.5))
            difference = tuple(self.builder.fmul(c, p) for p in self._diagonals(difference))
        return self.plus(a, b), self.turned(difference, eighths // 2)

    def _diagonals(self, z):
        """Real and imaginary part of (1 + sign i) z."""
        if self.sign > 0:
            return self.sub(z[0], z[1]), self.add(z[1], z[0])
        return self.add(z[0], z[1]), self.sub(z[1], z[0])

    def splat_of(self, value):
        return self.constant([value] * self.width)

    def across(self, kind, v):
        """The levels across a list of vectors: bit-reversed positions come out, or go in."""
        count = len(v)
        order = [1 << k for k in range(count.bit_length() - 1)]  # distances of a merge
        for distance in order if kind == "merge" else order[::-1]:
            for i in range(count):
                if i & distance:
                    continue
                eighths = int(4 * theta(8)[i // (2 * distance)])
                butterfly = self.butterfly_merge if kind == "merge" else self.butterfly_split
                v[i], v[i + distance] = butterfly(v[i], v[i + distance], eighths)
        return v

    def load_splat(self, address):
        pointer = self.builder.inttoptr(address, self.scalar.as_pointer())
        return self.splat(self.builder.load(pointer))

    def row(self, address, count):
        """Twiddles 1 to count - 1 of a pass of that radix."""
        size = self.dtype.itemsize
        places = [i * ROW // count for i in range(1, count)]
        return [
            tuple(
                self.load_splat(self.builder.add(address, _I64(at * size))) for at in (p, p + ROW)
            )
            for p in places
        ]

    # Levels inside vectors, on pairs (U, L) of vectors: see `_places`.

    def regroup(self, pair, old, new):
        """From U and L holding the places without and with bit `old` to those of bit `new`."""
        before = _places(self.width, old)
        lane = {int(p): t for t, p in enumerate(np.ravel(before))}
        index = [[lane[int(p)] for p in row] for row in _places(self.width, new)]
        (ur, ui), (lr, li) = pair
        return tuple((self.both(ur, lr, row), self.both(ui, li, row)) for row in index)

    def lanes(self, kind, pair, n):
        """The levels of rows of n <= width points, of a pair of vectors in their order."""
        distances = [n >> k for k in range(1, n.bit_length())]
        if kind == "merge":
            distances = distances[::-1]
        old = 1 if kind == "merge" else self.width
        for distance in distances:
            if distance != old:
                pair = self.regroup(pair, old, distance)
            old = distance
            upper = _places(self.width, distance)[0]
            blocks = upper % n // (2 * distance)
            w = unit_root(theta(max(2, n // (2 * distance)))[blocks] / 2, self.sign)
            pair = self._lane_level(kind, pair, w)
        last = self.width if kind == "merge" else 1
        return self.regroup(pair, old, last) if old != last else pair

    def _lane_level(self, kind, pair, w):
        a, b = pair
        turned = np.abs(w.imag) > 0.5
        if kind == "split" and turned.any() and np.all(w.real[turned] == 0):  # w is 1 or sign*i
            lanes = self.mask(turned)
            swapped = [self.builder.select(lanes, b[1 - p], b[p]) for p in (0, 1)]
            signs = np.where(turned, -self.sign, 1.0), np.where(turned, self.sign, 1.0)
            return tuple(
                tuple(
                    self.fma(x, self.constant(factor * sign), y)
                    for x, sign, y in zip(swapped, signs, a, strict=True)
                )
                for factor in (1.0, -1.0)
            )
        if kind == "merge":
            a, b = self.plus(a, b), self.minus(a, b)
        if np.any(np.abs(w - 1) > 1e-9):
            b = self.times(b, self.constants(w))
        return (a, b) if kind == "merge" else (self.plus(a, b), self.minus(a, b))

    def _zipped(self, x, y, half):
        """Numbers of x and y in turn, of the first or of the second half of their lanes."""
        lanes = np.arange(self.width // 2) + half * self.width // 2
        return self.both(x, y, np.ravel([lanes, lanes + self.width], order="F"))

    def put_even_odd(self, pair, address):
        """Store the even places and the odd places of two vectors, as pairs in order."""
        (ur, ui), (lr, li) = pair
        w = self.width
        for half in (0, 1):
            even, odd = self._zipped(ur, ui, half), self._zipped(lr, li, half)
            for part in (0, 1):
                pairs = np.arange(2 * w).reshape(2, -1, 2).swapaxes(0, 1).ravel()
                here = self.both(even, odd, pairs[part * w : (part + 1) * w])
                self.store(here, self.offset(address, 2 * half + part))

    def take_even_odd(self, address):
        """Load 2*width complex numbers as even places and odd places."""
        w = self.width
        v = [self.load(self.offset(address, i)) for i in range(4)]
        fours = np.arange(0, 2 * w, 4)
        even = [
            self.both(v[2 * h], v[2 * h + 1], np.ravel([fours, fours + 1], "F")) for h in (0, 1)
        ]
        odd = [
            self.both(v[2 * h], v[2 * h + 1], np.ravel([fours + 2, fours + 3], "F")) for h in (0, 1)
        ]
        twos = np.arange(0, 2 * w, 2)
        return tuple((self.both(*x, twos), self.both(*x, twos + 1)) for x in (even, odd))


def _places(width, bit):
    """Places 0 to 2*width - 1 without and with `bit`, ascending."""
    places = np.arange(2 * width)
    return places[places & bit == 0], places[places & bit != 0]


def _factor(emit, bits):
    """Splat of the float64 with those bits."""
    value = emit.builder.bitcast(bits, ir.DoubleType())
    if emit.dtype.itemsize == 4:
        value = emit.builder.fptrunc(value, emit.scalar)
    return emit.splat(value)


def _label(kind, sign, dtype, width):
    return f"fasttx.{kind}{'+' if sign > 0 else '-'}.{np.dtype(dtype).name}.x{width}"


def passes(kind, sign, dtype, width, radices, forms, twiddled=True):
    """``f(radix, src, src_step, dst, dst_step, count, row, scale, ahead)``: on adjacent columns.

    Row i < `radix` of the block starts at ``src + i*src_step`` and has `count` complex numbers, a
    multiple of `width`; `row` is the address of the block's twiddles, `scale` the bits of a float64
    that results are multiplied by where they are joined, and what lies `ahead` bytes of joined
    numbers is asked for meanwhile. `forms` are those of what comes and goes.
    """

    def loop(radix):
        def body(builder, src, src_step, dst, dst_step, count, row, scale, ahead):
            emit = Complex(builder, dtype, width, sign)
            twiddles = emit.row(row, radix) if twiddled else None
            factor = _factor(emit, scale) if forms[1] == "i" else None
            with cgutils.for_range(builder, builder.udiv(count, _I64(width))) as at:
                here = builder.mul(at.index, _I64(2 * emit.line))
                place, target = builder.add(src, here), builder.add(dst, here)
                places = [emit.address(place, src_step, i) for i in range(radix)]
                if forms[0] == "i":
                    for there in places:
                        emit.ask(there, ahead)
                v = [emit.take(there, forms[0]) for there in places]
                if twiddled and kind == "split":
                    v[1:] = [emit.times(x, w) for x, w in zip(v[1:], twiddles, strict=True)]
                v = emit.across(kind, v)
                if twiddled and kind == "merge":
                    v[1:] = [emit.times(x, w) for x, w in zip(v[1:], twiddles, strict=True)]
                for i, x in enumerate(v):
                    x = emit.scaled(x, factor) if factor is not None else x
                    emit.put(x, emit.address(target, dst_step, i), forms[1])

        return body

    def choose(builder, radix, *args):
        label = f"{_label(kind, sign, dtype, width)}.{forms}{'' if twiddled else '1'}.radix"
        functions = {r: subroutine(builder.module, f"{label}{r}", 8, loop(r)) for r in radices}
        switch(builder, radix, functions, args)

    return from_integers(9, choose)


def row_bytes(dtype, width, vectors):
    """Bytes of a row of twiddles, or of corrections with `vectors` = 1."""
    return 2 * (ROW + vectors * width) * np.dtype(dtype).itemsize


def leaves(kind, sign, dtype, width, vectors):
    """``f(src, dst, count, rows, scale, ahead)``: blocks of ``vectors*width`` points, all levels.

    Their twiddles are consecutive rows from `rows` on. A split joins and scales; a merge parts, and
    asks for what lies `ahead` bytes.
    """

    def body(builder, src, dst, count, rows, scale, ahead):
        emit = Complex(builder, dtype, width, sign)
        factor = _factor(emit, scale) if kind == "split" else None
        with cgutils.for_range(builder, count) as at:
            here = builder.mul(at.index, _I64(2 * vectors * emit.line))
            place, target = builder.add(src, here), builder.add(dst, here)
            row = builder.add(rows, builder.mul(at.index, _I64(row_bytes(dtype, width, vectors))))
            twiddles = emit.row(row, vectors)
            lanes = builder.add(row, _I64(2 * ROW * emit.dtype.itemsize))
            twist = [emit.take(emit.offset(lanes, 2 * u), "s") for u in range(vectors)]
            if kind == "split":
                v = [emit.take(emit.offset(place, 2 * i), "s") for i in range(vectors)]
                v[1:] = [emit.times(x, w) for x, w in zip(v[1:], twiddles, strict=True)]
                v = [emit.times(x, w) for x, w in zip(emit.across(kind, v), twist, strict=True)]
                for i in range(0, vectors, 2):
                    pair = emit.lanes(kind, (v[i], v[i + 1]), width)
                    pair = tuple(emit.scaled(x, factor) for x in pair)
                    emit.put_even_odd(pair, emit.offset(target, 2 * i))
            else:
                v = []
                for i in range(0, vectors, 2):
                    emit.ask(emit.offset(place, 2 * i), ahead)
                    emit.ask(emit.offset(place, 2 * i + 2), ahead)
                    v += emit.lanes(kind, emit.take_even_odd(emit.offset(place, 2 * i)), width)
                v = emit.across(kind, [emit.times(x, w) for x, w in zip(v, twist, strict=True)])
                v[1:] = [emit.times(x, w) for x, w in zip(v[1:], twiddles, strict=True)]
                for i, x in enumerate(v):
                    emit.put(x, emit.offset(target, 2 * i), "s")

    def call(builder, *args):
        label = f"{_label(kind, sign, dtype, width)}.leaf"
        builder.call(subroutine(builder.module, label, 6, body), args)

    return from_integers(6, call)


def rows(kind, sign, dtype, width, vectors):
    """``f(src, dst, count, n, scale, ahead)``: rows of 2 <= n <= ``vectors*width`` numbers.

    `count` is the number of points in all, a multiple of n and of ``2*width``.
    """

    def loop(n):
        block = max(2, n // width)
        turns = np.outer(theta(block), np.arange(width)) / width

        def body(builder, src, dst, count, scale, ahead):
            emit = Complex(builder, dtype, width, sign)
            factor = _factor(emit, scale)
            twist = [emit.constants(w) for w in unit_root(turns, sign)[1:]]
            points = min(n, width)
            with cgutils.for_range(builder, builder.udiv(count, _I64(block * width))) as at:
                here = builder.mul(at.index, _I64(2 * block * emit.line))
                place, target = builder.add(src, here), builder.add(dst, here)
                for i in range(block):
                    emit.ask(emit.offset(place, 2 * i), ahead)
                if kind == "split":
                    v = [emit.take(emit.offset(place, 2 * i), "i") for i in range(block)]
                    if n > width:
                        v = emit.across(kind, v)
                        v[1:] = [emit.times(x, w) for x, w in zip(v[1:], twist, strict=True)]
                    for i in range(0, block, 2):
                        pair = emit.lanes(kind, (v[i], v[i + 1]), points)
                        pair = tuple(emit.scaled(x, factor) for x in pair)
                        emit.put_even_odd(pair, emit.offset(target, 2 * i))
                else:
                    v = []
                    for i in range(0, block, 2):
                        v += emit.lanes(kind, emit.take_even_odd(emit.offset(place, 2 * i)), points)
                    if n > width:
                        v[1:] = [emit.times(x, w) for x, w in zip(v[1:], twist, strict=True)]
                        v = emit.across(kind, v)
                    for i, x in enumerate(v):
                        emit.put(emit.scaled(x, factor), emit.offset(target, 2 * i), "i")

        return body

    def choose(builder, src, dst, count, n, scale, ahead):
        label = f"{_label(kind, sign, dtype, width)}.rows"
        sizes = [1 << k for k in range(1, (vectors * width).bit_length())]
        functions = {r: subroutine(builder.module, f"{label}{r}", 5, loop(r)) for r in sizes}
        switch(builder, n, functions, [src, dst, count, scale, ahead])

    return from_integers(6, choose)


def corrected_rows(dtype, width, vectors):
    """``f(low, high, count, dst)``: `count` rows of twiddles, corrected by the row at `high`."""

    def body(builder, low, high, count, dst):
        head, lane = (Complex(builder, dtype, w, 1) for w in (ROW, width))
        start = _I64(2 * head.line)
        small, twist = head.take(high, "s"), lane.take(builder.add(high, start), "s")
        with cgutils.for_range(builder, count) as at:
            here = builder.mul(at.index, _I64(row_bytes(dtype, width, vectors)))
            place, target = builder.add(low, here), builder.add(dst, here)
            w = head.take(place, "s")
            head.put(head.plus(w, head.times(w, small)), target, "s")
            place, target = builder.add(place, start), builder.add(target, start)
            for u in range(vectors):
                w = lane.take(lane.offset(place, 2 * u), "s")
                lane.put(lane.plus(w, lane.times(w, twist)), lane.offset(target, 2 * u), "s")

    def call(builder, *args):
        label = f"fasttx.twiddles.{np.dtype(dtype).name}.x{width}"
        builder.call(subroutine(builder.module, label, 4, body), args)

    return from_integers(4, call)


def products(dtype, width):
    """``f(x, w, dst, count, conjugate)``: x times w, or times its conjugate, `count` of them."""

    def loop(conjugate):
        def body(builder, x, w, dst, count):
            emit = Complex(builder, dtype, width, 1)
            with cgutils.for_range(builder, builder.udiv(count, _I64(width))) as at:
                here = builder.mul(at.index, _I64(2 * emit.line))
                factor = emit.take(builder.add(w, here), "i")
                if conjugate:
                    factor = factor[0], emit.neg(factor[1])
                value = emit.times(emit.take(builder.add(x, here), "i"), factor)
                emit.put(value, builder.add(dst, here), "i")

        return body

    def choose(builder, x, w, dst, count, conjugate):
        label = f"fasttx.products.{np.dtype(dtype).name}.x{width}.{{}}"
        functions = {c: subroutine(builder.module, label.format(c), 4, loop(c)) for c in (0, 1)}
        switch(builder, conjugate, functions, [x, w, dst, count])

    return from_integers(5, choose)

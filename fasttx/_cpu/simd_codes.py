"""Codelets of packed codes: codes as bit planes, which are the masks of vector instructions.

A row of numbers is coded by signs and magnitudes. Plane p < bits - 1 has bit p of the magnitudes
and the last plane the signs (1 for negative), 16 numbers in two bytes, the first one in the lowest
bit. Comparisons with thresholds give a plane's bits, and selections by them the numbers: nothing is
ever shifted or looked up. Addresses and steps are int64, in bytes.
"""

from llvmlite import ir
from numba.core import cgutils

from . import plan
from .simd import Emitter, ask_for, from_integers, subroutine

WIDTH = 16
_I16, _I32, _I64 = ir.IntType(16), ir.IntType(32), ir.IntType(64)
_LANES = ir.VectorType(ir.IntType(1), WIDTH)
_WORDS = ir.VectorType(_I32, WIDTH)
_AHEAD = 2048  # bytes ahead of a row whose line is asked for
_KEPT = 3  # bits of magnitudes whose levels stay in registers


class _Codes(Emitter):
    """IR for codes of `bits` bits."""

    def __init__(self, builder, bits, levels):
        super().__init__(builder, "float32", WIDTH)
        self.low = bits - 1
        self.levels = levels
        self.kept = [self._level(i) for i in range(1 << self.low)] if self.low <= _KEPT else None

    def _level(self, index):
        return self.broadcast(self.builder.add(self.levels, _I64(4 * index)))

    def broadcast(self, address):
        pointer = self.builder.inttoptr(address, self.scalar.as_pointer())
        return self.splat(self.builder.load(pointer))

    def magnitudes(self, masks):
        """Levels that the masks of the magnitudes' bits choose."""
        values = self.kept or [self._level(i) for i in range(1 << self.low)]
        for mask in masks:
            pairs = zip(values[1::2], values[::2], strict=True)
            values = [self.builder.select(mask, upper, lower) for upper, lower in pairs]
        return values[0]

    def decoded(self, planes, plane_step):
        """The numbers of one group of 16 codes."""
        masks = []
        for p in range(self.low + 1):
            place = self.address(planes, plane_step, p)
            word = self.builder.load(self.builder.inttoptr(place, _I16.as_pointer()))
            masks.append(self.builder.bitcast(word, _LANES))
        words = self.builder.bitcast(self.magnitudes(masks[:-1]), _WORDS)
        sign = ir.Constant(_WORDS, [_I32(1 << 31)] * WIDTH)
        flipped = self.builder.select(masks[-1], sign, ir.Constant(_WORDS, [_I32(0)] * WIDTH))
        return self.builder.bitcast(self.builder.xor(words, flipped), self.vector)

    def fma(self, x, y, z):
        return self.call("fma", x, y, z)

    def total(self, x):
        """Sum of the lanes."""
        half = WIDTH // 2
        while half:
            x = self.add(x, self.shuffle(x, [(i + half) % WIDTH for i in range(WIDTH)]))
            half //= 2
        return self.builder.extract_element(x, _I32(0))


def _accumulators(builder, vector, count):
    zero = ir.Constant(vector, [vector.element(0.0)] * WIDTH)
    return [cgutils.alloca_once_value(builder, zero) for _ in range(count)]


def encode(bits):
    """``f(src, src_step, factors, thresholds, levels, dst, dst_step, plane_step, groups, sums,
    rows)``: codes of rows of float32, each times its number in `factors`.

    A magnitude is coded by the number of `thresholds` (2**(bits - 1) - 1, increasing) below it. For
    each row `sums` gets two float32 numbers: the sum of the products of numbers and their levels,
    and of the squares of levels.
    """

    def body(builder, *args):
        src, src_step, factors, thresholds, levels, dst, dst_step, plane_step, *rest = args
        groups, sums, rows = rest
        emit = _Codes(builder, bits, levels)
        products, squares = _accumulators(builder, emit.vector, 2)
        zero = emit.constant([0.0] * WIDTH)
        with cgutils.for_range(builder, rows) as row:
            start = builder.add(src, builder.mul(row.index, src_step))
            target = builder.add(dst, builder.mul(row.index, dst_step))
            factor = emit.broadcast(builder.add(factors, builder.mul(row.index, _I64(4))))
            builder.store(zero, products)
            builder.store(zero, squares)
            with cgutils.for_range(builder, groups) as loop:
                x = emit.load(builder.add(start, builder.mul(loop.index, _I64(4 * WIDTH))))
                x = builder.fmul(x, factor)
                size = emit.call("fabs", x)
                masks = [ir.Constant(_LANES, [ir.IntType(1)(0)] * WIDTH)] * emit.low
                for j in range(1, 1 << emit.low):
                    threshold = emit.broadcast(builder.add(thresholds, _I64(4 * (j - 1))))
                    above = builder.fcmp_ordered(">", size, threshold)
                    # The count has bit p where an odd number of multiples of 2**p is reached.
                    for p in range(emit.low):
                        if j % (1 << p) == 0:
                            masks[p] = builder.xor(masks[p], above)
                level = emit.magnitudes(masks)
                builder.store(emit.fma(size, level, builder.load(products)), products)
                builder.store(emit.fma(level, level, builder.load(squares)), squares)
                masks.append(builder.fcmp_ordered("<", x, zero))
                place = builder.add(target, builder.mul(loop.index, _I64(2)))
                for p, mask in enumerate(masks):
                    word = builder.bitcast(mask, _I16)
                    pointer = builder.inttoptr(emit.address(place, plane_step, p), word_pointer)
                    builder.store(word, pointer)
            place = builder.add(sums, builder.mul(row.index, _I64(8)))
            for total in (products, squares):
                pointer = builder.inttoptr(place, emit.scalar.as_pointer())
                builder.store(emit.total(builder.load(total)), pointer)
                place = builder.add(place, _I64(4))

    word_pointer = _I16.as_pointer()
    return _codelet(f"encode{bits}", 11, body)


def decode(bits):
    """``f(planes, plane_step, levels, dst, groups)``: a row of float32 from its planes."""

    def body(builder, planes, plane_step, levels, dst, groups):
        emit = _Codes(builder, bits, levels)
        with cgutils.for_range(builder, groups) as loop:
            place = builder.add(planes, builder.mul(loop.index, _I64(2)))
            value = emit.decoded(place, plane_step)
            emit.store(value, builder.add(dst, builder.mul(loop.index, _I64(4 * WIDTH))))

    return _codelet(f"decode{bits}", 5, body)


def dots(bits):
    """``f(planes, plane_step, row_step, levels, vector, groups, dst, rows)``: rows times a vector.

    `dst` gets one float32 for each row.
    """

    def body(builder, planes, plane_step, row_step, levels, vector, groups, dst, rows):
        emit = _Codes(builder, bits, levels)
        (total,) = _accumulators(builder, emit.vector, 1)
        zero = emit.constant([0.0] * WIDTH)
        with cgutils.for_range(builder, rows) as row:
            start = builder.add(planes, builder.mul(row.index, row_step))
            ask_for(builder, builder.add(start, _I64(_AHEAD)), 1)
            builder.store(zero, total)
            with cgutils.for_range(builder, groups) as loop:
                value = emit.decoded(
                    builder.add(start, builder.mul(loop.index, _I64(2))), plane_step
                )
                other = emit.load(builder.add(vector, builder.mul(loop.index, _I64(4 * WIDTH))))
                builder.store(emit.fma(value, other, builder.load(total)), total)
            place = builder.add(dst, builder.mul(row.index, _I64(4)))
            pointer = builder.inttoptr(place, emit.scalar.as_pointer())
            builder.store(emit.total(builder.load(total)), pointer)

    return _codelet(f"dots{bits}", 8, body)


def combine(bits):
    """``f(planes, plane_step, row_step, levels, weights, groups, dst, rows)``.

    Adds to the float32 numbers at `dst` the sum of rows times `weights`, one float32 for each.
    """

    def chunk(count):
        """Sums of `count` groups, which stay in registers."""

        def body(builder, planes, plane_step, row_step, levels, weights, dst, rows):
            emit = _Codes(builder, bits, levels)
            sums = _accumulators(builder, emit.vector, count)
            places = [builder.add(dst, _I64(4 * WIDTH * g)) for g in range(count)]
            for place, target in zip(places, sums, strict=True):
                builder.store(emit.load(place), target)
            with cgutils.for_range(builder, rows) as row:
                start = builder.add(planes, builder.mul(row.index, row_step))
                ask_for(builder, builder.add(start, _I64(_AHEAD)), 1)
                weight = emit.broadcast(builder.add(weights, builder.mul(row.index, _I64(4))))
                for g, target in enumerate(sums):
                    value = emit.decoded(builder.add(start, _I64(2 * g)), plane_step)
                    builder.store(emit.fma(value, weight, builder.load(target)), target)
            for place, target in zip(places, sums, strict=True):
                emit.store(builder.load(target), place)

        return body

    def body(builder, planes, plane_step, row_step, levels, weights, groups, dst, rows):
        done = _I64(0)
        for count in (8, 1):
            name = f"fasttx.codes.combine{bits}.by{count}"
            function = subroutine(builder.module, name, 7, chunk(count))
            chunks = builder.udiv(builder.sub(groups, done), _I64(count))
            with cgutils.for_range(builder, chunks) as loop:
                at = builder.add(done, builder.mul(loop.index, _I64(count)))
                here = builder.add(planes, builder.mul(at, _I64(2)))
                target = builder.add(dst, builder.mul(at, _I64(4 * WIDTH)))
                args = [here, plane_step, row_step, levels, weights, target, rows]
                builder.call(function, args)
            done = builder.add(done, builder.mul(chunks, _I64(count)))

    return _codelet(f"combine{bits}", 8, body)


def tile():
    """Rows and vectors of columns of a product whose sums fill the registers."""
    return (12, 2) if plan.width("float32") >= WIDTH else (6, 1)


def products(vectors):
    """``f(rows, row_step, columns, column_step, dst, dst_step, count)``: a tile of A @ B added.

    A has ``tile()[0]`` rows of `count` float32 numbers, B as many rows of 16 * `vectors` numbers.
    """
    rows, _ = tile()

    def body(builder, left, row_step, right, column_step, dst, dst_step, count):
        emit = _Codes(builder, 1, left)
        sums = _accumulators(builder, emit.vector, rows * vectors)
        places = [
            builder.add(emit.address(dst, dst_step, r), _I64(4 * WIDTH * v))
            for r in range(rows)
            for v in range(vectors)
        ]
        for place, target in zip(places, sums, strict=True):
            builder.store(emit.load(place), target)
        with cgutils.for_range(builder, count) as loop:
            at = builder.add(right, builder.mul(loop.index, column_step))
            columns = [emit.load(builder.add(at, _I64(4 * WIDTH * v))) for v in range(vectors)]
            start = builder.add(left, builder.mul(loop.index, _I64(4)))
            for r in range(rows):
                factor = emit.broadcast(emit.address(start, row_step, r))
                for v, column in enumerate(columns):
                    target = sums[r * vectors + v]
                    builder.store(emit.fma(factor, column, builder.load(target)), target)
        for place, target in zip(places, sums, strict=True):
            emit.store(builder.load(target), place)

    return _codelet(f"products{vectors}", 7, body)


def _codelet(name, arguments, body):
    """Intrinsic that calls the function of that name, emitted once in a module."""

    def emit(builder, *args):
        full = f"fasttx.codes.{name}"
        builder.call(subroutine(builder.module, full, arguments, body), args)

    return from_integers(arguments, emit)

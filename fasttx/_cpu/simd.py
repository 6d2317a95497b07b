"""Codelets: butterflies on vector registers, written as LLVM vector IR.

A codelet reads a few vectors, applies some levels of a transform without leaving the registers and
writes them back. Numba's own loops over butterflies stay scalar, whereas the IR emitted here maps
to one instruction a line on AVX-512, AVX2, SSE2 and NEON alike; LLVM splits what is too wide.

Codelets stand in loops over a block of memory, each loop an LLVM function of its own that is never
inlined: what Numba compiles around them stays small. Addresses and steps are int64, in bytes. All
vectors of a codelet are loaded before one is stored, so source and destination may be the same.
Alignment is never assumed beyond the element's.
"""

import os

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

_I16, _I32, _I64 = ir.IntType(16), ir.IntType(32), ir.IntType(64)
_SCALAR = {
    "float32": (ir.FloatType(), "f32"),
    "float64": (ir.DoubleType(), "f64"),
    "int64": (_I64, "i64"),
    "uint64": (_I64, "i64"),
    "uint16": (_I16, "i16"),
}


class Emitter:
    """IR for vectors of `width` elements of `dtype`."""

    def __init__(self, builder, dtype, width):
        self.builder = builder
        self.dtype = np.dtype(dtype)
        self.width = width
        self.scalar, self.suffix = _SCALAR[self.dtype.name]
        self.vector = ir.VectorType(self.scalar, width)
        self.is_float = self.dtype.kind == "f"

    def constant(self, values):
        return ir.Constant(self.vector, [self.scalar(v) for v in values])

    def splat(self, value):
        one = self.builder.insert_element(ir.Constant(self.vector, ir.Undefined), value, _I32(0))
        return self.shuffle(one, [0] * self.width)

    def address(self, base, step, count):
        return self.builder.add(base, self.builder.mul(step, _I64(count))) if count else base

    def load(self, address):
        value = self.builder.load(self.builder.inttoptr(address, self.vector.as_pointer()))
        value.align = self.dtype.itemsize
        return value

    def store(self, value, address):
        pointer = self.builder.inttoptr(address, value.type.as_pointer())
        self.builder.store(value, pointer).align = self.dtype.itemsize

    def shuffle(self, x, index):
        mask = ir.Constant(ir.VectorType(_I32, len(index)), [_I32(int(i)) for i in index])
        return self.builder.shuffle_vector(x, x, mask)

    def mask(self, bits):
        lanes = ir.VectorType(ir.IntType(1), self.width)
        return ir.Constant(lanes, [ir.IntType(1)(int(b)) for b in bits])

    def add(self, x, y):
        return (self.builder.fadd if self.is_float else self.builder.add)(x, y)

    def sub(self, x, y):
        return (self.builder.fsub if self.is_float else self.builder.sub)(x, y)

    def call(self, name, *args):
        kind = ir.FunctionType(args[0].type, [a.type for a in args])
        full = f"llvm.{name}.v{self.width}{self.suffix}"
        return self.builder.call(
            cgutils.get_or_insert_function(self.builder.module, kind, full), args
        )

    def butterfly(self, op, a, b):
        """One level across two vectors: index bit 0 in `a`, 1 in `b`."""
        if op == "wht":
            return self.add(a, b), self.sub(a, b)
        if op == "zeta":
            return a, self.add(a, b)
        return a, self.sub(b, a)

    def lane_level(self, op, x, distance):
        """One level inside a vector, between lanes `distance` apart."""
        lanes = np.arange(self.width)
        other = self.shuffle(x, lanes ^ distance)
        upper = (lanes & distance) != 0
        if op == "wht" and self.is_float:
            # One shuffle and one fused operation; exact, since the factor is +1 or -1.
            return self.call("fmuladd", x, self.constant(np.where(upper, -1.0, 1.0)), other)
        if op == "wht":
            added, swapped = self.add(other, x), self.sub(other, x)
            return self.builder.select(self.mask(upper), swapped, added)
        level = self.add(x, other) if op == "zeta" else self.sub(x, other)
        return self.builder.select(self.mask(upper), level, x)


def _step(emit, op, src, src_step, dst, dst_step, vectors, lanes=(), cross=True):
    """Levels on a block of vectors that start at ``src + i*src_step``, i < `vectors`.

    `lanes` lists the distances of the levels inside each vector; with `cross`, log2(`vectors`)
    levels across the vectors follow.
    """
    v = [emit.load(emit.address(src, src_step, i)) for i in range(vectors)]
    for distance in lanes:
        v = [emit.lane_level(op, x, distance) for x in v]
    half = 1
    while cross and half < vectors:
        for i in range(vectors):
            if not i & half:
                v[i], v[i | half] = emit.butterfly(op, v[i], v[i | half])
        half *= 2
    for i, x in enumerate(v):
        emit.store(x, emit.address(dst, dst_step, i))


def subroutine(module, name, arguments, body):
    """The module's function of that name, of int64 arguments, emitted by `body` once."""
    if name in module.globals:
        return module.globals[name]
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), [_I64] * arguments), name)
    function.linkage = "internal"
    function.attributes.add("noinline")
    builder = ir.IRBuilder(function.append_basic_block("entry"))
    body(builder, *function.args)
    builder.ret_void()
    return function


def ask_for(builder, address, lines):
    """Ask for that many cache lines from `address` on."""
    byte = ir.IntType(8).as_pointer()
    kind = ir.FunctionType(ir.VoidType(), [byte, _I32, _I32, _I32])
    call = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
    for i in range(lines):
        place = builder.inttoptr(builder.add(address, _I64(64 * i)), byte)
        builder.call(call, [place, _I32(0), _I32(3), _I32(1)])  # to read, all levels, data


def _look_ahead(builder, ahead, index, place, lines):
    """Ask for the `index`-th so many lines from `ahead` on; with 0, for what is read anyway."""
    there = builder.add(ahead, builder.mul(index, _I64(lines * 64)))
    none = builder.icmp_unsigned("==", ahead, _I64(0))
    ask_for(builder, builder.select(none, place, there), lines)


def switch(builder, value, functions, args):
    """Call the one of `functions` (by integer) that `value` names."""
    end = builder.append_basic_block("end")
    table = builder.switch(value, end)
    for case, function in functions.items():
        block = builder.append_basic_block(f"case{case}")
        table.add_case(_I64(case), block)
        with builder.goto_block(block):
            builder.call(function, args)
            builder.branch(end)
    builder.position_at_end(end)


def from_integers(arguments, emit):
    """Numba intrinsic of int64 arguments that emits by ``emit(builder, *args)``."""

    def generate(context, builder, signature, args):
        emit(builder, *args)
        return context.get_dummy_value()

    signature = types.void(*[types.int64] * arguments)
    # Numba reads the number of arguments off the function's own signature.
    names = ", ".join(f"a{i}" for i in range(arguments))
    scope = {"answer": (signature, generate)}
    exec(f"def codelet(typingctx, {names}): return answer", scope)
    return intrinsic(scope["codelet"])


def butterflies(op, dtype, width, radices):
    """``f(radix, src, src_step, dst, dst_step, count, ahead)``: levels on adjacent columns.

    Row i < `radix` of the block starts at ``src + i*src_step``, and `count` is its length in
    elements. Meanwhile half as many lines as are read are asked for from `ahead` on (unless 0).
    """
    size = np.dtype(dtype).itemsize
    line = size * width

    def columns(radix, lanes):
        """Loop over ``count`` groups of `lanes` columns."""
        lines = max(1, radix * line // 128)

        def body(builder, src, src_step, dst, dst_step, count, ahead):
            emit = Emitter(builder, dtype, lanes)
            with cgutils.for_range(builder, count) as at:
                here = builder.mul(at.index, _I64(lanes * size))
                place = builder.add(src, here)
                if lanes > 1:
                    _look_ahead(builder, ahead, at.index, place, lines)
                _step(emit, op, place, src_step, builder.add(dst, here), dst_step, radix)

        return body

    def loop(radix, name):
        def body(builder, src, src_step, dst, dst_step, count, ahead):
            def run(first, groups, lanes):
                function = subroutine(builder.module, f"{name}.by{lanes}", 6, columns(radix, lanes))
                here = builder.mul(first, _I64(size))
                place, target = builder.add(src, here), builder.add(dst, here)
                builder.call(function, [place, src_step, target, dst_step, groups, ahead])

            # Vectors that cross cache lines cost half as much again; aligning them costs a few
            # single columns, which long rows do not notice.
            odd = builder.and_(builder.neg(dst), _I64(line - 1))
            odd = builder.udiv(odd, _I64(size))
            long = builder.icmp_unsigned(">=", count, _I64(64 * width))
            head = builder.select(long, odd, _I64(0))
            vectors = builder.udiv(builder.sub(count, head), _I64(width))
            rest = builder.add(head, builder.mul(vectors, _I64(width)))
            run(_I64(0), head, 1)
            run(head, vectors, width)
            run(rest, builder.sub(count, rest), 1)

        return body

    def choose(builder, radix, *args):
        functions = {}
        for r in radices:
            name = f"fasttx.{op}.{np.dtype(dtype).name}.x{width}.radix{r}"
            functions[r] = subroutine(builder.module, name, 6, loop(r, name))
        switch(builder, radix, functions, args)

    return from_integers(7, choose)


def leaves(op, dtype, width, vectors, low):
    """``f(src, dst, length, row, ahead)``: contiguous rows of `row` elements, all in registers.

    A row holds `low` adjacent elements of each point (1, or 2 for complex numbers as pairs) and
    `row` is at most ``vectors*width``; the levels done are those of distance `low` and more.
    `length` is the number of elements in all, a multiple of ``max(row, width)``.
    """
    size = np.dtype(dtype).itemsize
    line = size * width
    lanes = [d for d in (1, 2, 4, 8, 16, 32) if low <= d < width]

    def loop(block, lanes):
        lines = max(1, block * line // 128)

        def body(builder, src, dst, length, ahead):
            emit = Emitter(builder, dtype, width)
            with cgutils.for_range(builder, builder.udiv(length, _I64(block * width))) as at:
                here = builder.mul(at.index, _I64(block * line))
                place = builder.add(src, here)
                _look_ahead(builder, ahead, at.index, place, lines)
                step = _I64(line)
                _step(emit, op, place, step, builder.add(dst, here), step, block, lanes)

        return body

    def choose(builder, src, dst, length, row, ahead):
        loops = {2 * d: loop(1, lanes[: i + 1]) for i, d in enumerate(lanes)}
        block = 2
        while block <= vectors:
            loops[block * width] = loop(block, lanes)
            block *= 2
        name = f"fasttx.{op}.{np.dtype(dtype).name}.x{width}.low{low}.leaf"
        functions = {n: subroutine(builder.module, f"{name}{n}", 4, f) for n, f in loops.items()}
        switch(builder, row, functions, [src, dst, length, ahead])

    return from_integers(5, choose)


def multiply(dtype, width):
    """``f(src, dst, length, factor)``: elements times a number; for integers, a plain copy."""
    size = np.dtype(dtype).itemsize

    def loop(builder, src, dst, start, stop, lanes, factor):
        with cgutils.for_range_slice(builder, start, stop, _I64(lanes)) as (index, _):
            emit = Emitter(builder, dtype, lanes)
            here = builder.mul(index, _I64(size))
            value = emit.load(builder.add(src, here))
            if emit.is_float:
                one = builder.fptrunc(factor, emit.scalar) if size == 4 else factor
                value = builder.fmul(value, emit.splat(one))
            emit.store(value, builder.add(dst, here))

    @intrinsic
    def codelet(typingctx, src, dst, length, factor):
        def generate(context, builder, signature, args):
            src, dst, length, factor = args
            whole = builder.and_(length, _I64(-width))
            loop(builder, src, dst, _I64(0), whole, width, factor)
            loop(builder, src, dst, whole, length, 1, factor)
            return context.get_dummy_value()

        return types.void(types.int64, types.int64, types.int64, types.float64), generate

    return codelet


def prefetch(lines):
    """``f(address)``: ask for that many cache lines."""
    return from_integers(1, lambda builder, address: ask_for(builder, address, lines))


def buffer(size):
    """``f()``: address of `size` bytes on the stack, aligned to a cache line."""

    @intrinsic
    def codelet(typingctx):
        def generate(context, builder, signature, args):
            with builder.goto_entry_block():
                place = builder.alloca(ir.ArrayType(ir.IntType(8), size))
                place.align = 64
            return builder.ptrtoint(place, _I64)

        return types.int64(), generate

    return codelet


@intrinsic
def log2(typingctx, n):
    """Position of the highest one bit of a positive int64."""

    def generate(context, builder, signature, args):
        kind = ir.FunctionType(_I64, [_I64, ir.IntType(1)])
        count = cgutils.get_or_insert_function(builder.module, kind, "llvm.ctlz.i64")
        return builder.sub(_I64(63), builder.call(count, [args[0], ir.IntType(1)(1)]))

    return types.int64(types.int64), generate


@intrinsic
def fetch_add(typingctx, place, value):
    """Add to the int64 at an address, as one step for all threads; return what was there."""

    def generate(context, builder, signature, args):
        pointer = builder.inttoptr(args[0], _I64.as_pointer())
        return builder.atomic_rmw("add", pointer, args[1], "seq_cst")

    return types.int64(types.int64, types.int64), generate


@intrinsic
def breathe(typingctx):
    """Let another thread run, while waiting for it."""

    def generate(context, builder, signature, args):
        if os.name == "posix":
            kind = ir.FunctionType(ir.IntType(32), [])
            builder.call(cgutils.get_or_insert_function(builder.module, kind, "sched_yield"), [])
        return context.get_dummy_value()

    return types.void(), generate


@intrinsic
def address(typingctx, array):
    """Address of an array's first element; of an integer, itself."""

    def generate(context, builder, signature, args):
        if isinstance(array, types.Integer):
            return args[0]
        data = context.make_array(array)(context, builder, args[0]).data
        return builder.ptrtoint(data, _I64)

    return types.int64(array), generate


def convert(source, target, width):
    """``f(src, dst, length)``: float16 to float32 or back, rounded to nearest even."""
    kinds = {"float16": (ir.HalfType(), 2), "float32": (ir.FloatType(), 4)}
    (from_type, from_size), (to_type, to_size) = kinds[source], kinds[target]

    def loop(builder, src, dst, start, stop, lanes):
        with cgutils.for_range_slice(builder, start, stop, _I64(lanes)) as (index, _):
            place = builder.add(src, builder.mul(index, _I64(from_size)))
            pointer = builder.inttoptr(place, ir.VectorType(from_type, lanes).as_pointer())
            value = builder.load(pointer)
            value.align = from_size
            wide = to_size > from_size
            kind = ir.VectorType(to_type, lanes)
            value = builder.fpext(value, kind) if wide else builder.fptrunc(value, kind)
            place = builder.add(dst, builder.mul(index, _I64(to_size)))
            builder.store(value, builder.inttoptr(place, kind.as_pointer())).align = to_size

    def emit(builder, src, dst, length):
        whole = builder.and_(length, _I64(-width))
        loop(builder, src, dst, _I64(0), whole, width)
        loop(builder, src, dst, whole, length, 1)

    return from_integers(3, emit)

"""Figures of blocks and products with them, as vector instructions.

Loops over the few values of a block are too short to be worth the compiler's while.
"""

import functools

from llvmlite import ir
from numba.core import cgutils

from . import simd

_I32, _I64, _F32 = ir.IntType(32), ir.IntType(64), ir.FloatType()
_ABSOLUTE = 0x7FFFFFFF


def _over_blocks(builder, blocks, groups, data, kind, begin, each, end):
    """Loops over blocks of so many vectors of `kind` at `data`.

    ``begin(block)``, ``each(pointer)`` and ``end(block)`` emit what is done.
    """
    size = _I64(4 * kind.count)
    with cgutils.for_range(builder, blocks) as block:
        begin(block.index)
        first = builder.mul(block.index, groups)
        with cgutils.for_range(builder, groups) as group:
            place = builder.mul(builder.add(first, group.index), size)
            each(builder.inttoptr(builder.add(data, place), kind.as_pointer()))
        end(block.index)


def _element(builder, base, index, kind):
    """Pointer to an entry of four bytes."""
    return builder.inttoptr(builder.add(base, builder.mul(index, _I64(4))), kind.as_pointer())


@functools.cache
def largest(lanes):
    """``f(data, blocks, groups, out)``: largest magnitudes of float32 blocks, their bits as int32.

    A block has so many groups of `lanes` numbers. Addresses are int64.
    """
    kind = ir.VectorType(_I32, lanes)

    def body(builder, data, blocks, groups, out):
        reduce = ir.FunctionType(_I32, [kind])
        name = f"llvm.vector.reduce.smax.v{lanes}i32"
        reduce = cgutils.get_or_insert_function(builder.module, reduce, name)
        most = cgutils.alloca_once(builder, kind)

        def begin(block):
            builder.store(ir.Constant(kind, [_I32(0)] * lanes), most)

        def each(pointer):
            bits = builder.load(pointer)
            bits.align = 4
            value = builder.and_(bits, ir.Constant(kind, [_I32(_ABSOLUTE)] * lanes))
            known = builder.load(most)
            larger = builder.icmp_signed(">", value, known)
            builder.store(builder.select(larger, value, known), most)

        def end(block):
            result = builder.call(reduce, [builder.load(most)])
            builder.store(result, _element(builder, out, block, _I32)).align = 4

        _over_blocks(builder, blocks, groups, data, kind, begin, each, end)

    def emit(builder, *args):
        builder.call(simd.subroutine(builder.module, f"fasttx.largest.x{lanes}", 4, body), args)

    return simd.from_integers(4, emit)


@functools.cache
def times(lanes):
    """``f(data, blocks, groups, factors)``: float32 blocks times their factors, in place."""
    kind = ir.VectorType(_F32, lanes)

    def body(builder, data, blocks, groups, factors):
        emitter = simd.Emitter(builder, "float32", lanes)
        factor = cgutils.alloca_once(builder, kind)

        def begin(block):
            one = builder.load(_element(builder, factors, block, _F32))
            one.align = 4
            builder.store(emitter.splat(one), factor)

        def each(pointer):
            value = builder.load(pointer)
            value.align = 4
            builder.store(builder.fmul(value, builder.load(factor)), pointer).align = 4

        _over_blocks(builder, blocks, groups, data, kind, begin, each, lambda block: None)

    def emit(builder, *args):
        builder.call(simd.subroutine(builder.module, f"fasttx.times.x{lanes}", 4, body), args)

    return simd.from_integers(4, emit)

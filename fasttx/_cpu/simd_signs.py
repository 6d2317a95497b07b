"""Random signs on vectors: each bit of a stream is a sign."""

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from .simd import Emitter, ask_for, subroutine

_I32, _I64 = ir.IntType(32), ir.IntType(64)


def flip(dtype):
    """``f(src, dst, signs, count, factor, ahead)``: a multiple, the signs of the 1-bits changed.

    `signs` is the address of the bits, the first one the lowest; where `ahead` is not 0, half as
    many bytes as are read are asked for from there.
    """
    size = np.dtype(dtype).itemsize
    width = 64 // size
    bits, word = ir.IntType(width), ir.IntType(8 * size)

    def one(emit, lanes, place, target, mask, factor):
        builder = emit.builder
        words = ir.VectorType(word, lanes)
        value = builder.fmul(emit.load(place), emit.splat(factor))
        highest = ir.Constant(words, [word(1 << (8 * size - 1))] * lanes)
        change = builder.select(mask, highest, ir.Constant(words, [word(0)] * lanes))
        flipped = builder.xor(builder.bitcast(value, words), change)
        emit.store(builder.bitcast(flipped, emit.vector), target)

    def body(builder, src, dst, signs, count, factor, ahead):
        scalar = ir.FloatType() if size == 4 else ir.DoubleType()
        factor = builder.bitcast(factor, ir.DoubleType())
        factor = builder.fptrunc(factor, scalar) if size == 4 else factor
        whole = builder.udiv(count, _I64(width))
        asks = builder.icmp_unsigned("!=", ahead, _I64(0))
        with cgutils.for_range(builder, whole) as loop:
            here = builder.mul(loop.index, _I64(64))
            with builder.if_then(asks):
                ask_for(builder, builder.add(ahead, builder.lshr(here, _I64(1))), 1)
            place = builder.add(signs, builder.mul(loop.index, _I64(width // 8)))
            mask = builder.load(builder.inttoptr(place, bits.as_pointer()))
            mask = builder.bitcast(mask, ir.VectorType(ir.IntType(1), width))
            emit = Emitter(builder, dtype, width)
            one(emit, width, builder.add(src, here), builder.add(dst, here), mask, factor)
        first = builder.mul(whole, _I64(width))
        with cgutils.for_range_slice(builder, first, count, _I64(1)) as (index, _):
            here = builder.mul(index, _I64(size))
            place = builder.add(signs, builder.lshr(index, _I64(3)))
            byte = builder.load(builder.inttoptr(place, ir.IntType(8).as_pointer()))
            shift = builder.trunc(builder.and_(index, _I64(7)), ir.IntType(8))
            bit = builder.trunc(builder.lshr(byte, shift), ir.IntType(1))
            kind = ir.VectorType(ir.IntType(1), 1)
            mask = builder.insert_element(ir.Constant(kind, ir.Undefined), bit, _I32(0))
            emit = Emitter(builder, dtype, 1)
            one(emit, 1, builder.add(src, here), builder.add(dst, here), mask, factor)

    @intrinsic
    def codelet(typingctx, src, dst, signs, count, factor, ahead):
        def generate(context, builder, signature, args):
            src, dst, signs, count, factor, ahead = args
            args = [src, dst, signs, count, builder.bitcast(factor, _I64), ahead]
            name = f"fasttx.flip.{np.dtype(dtype).name}"
            builder.call(subroutine(builder.module, name, 6, body), args)
            return context.get_dummy_value()

        whole = [types.int64] * 4
        return types.void(*whole, types.float64, types.int64), generate

    return codelet

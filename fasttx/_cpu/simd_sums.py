"""Sums of vectors with the signs of a ±1 matrix, as LLVM vector IR: the method of four Russians."""

from llvmlite import ir
from numba.core import cgutils

from .simd import Emitter, from_integers

_I32, _I64 = ir.IntType(32), ir.IntType(64)


def signed_sums(dtype, width, pitch):
    """``f(src, step, dst, dst_step, count, codes, table)``: a ±1 matrix on `width` columns.

    Inputs are taken by fours: a table holds their 16 signed sums, and an output adds one entry of
    each table ("four Russians"): about count/4 additions an output instead of count. `codes` is the
    address of the byte offsets of the entries, int32 of shape (count, count // 4), and `table` that
    of scratch for 4 * count entries, `pitch` bytes apart.
    """

    def emit_all(builder, src, step, dst, dst_step, count, codes, table):
        emit = Emitter(builder, dtype, width)
        groups = builder.lshr(count, _I64(2))
        with cgutils.for_range(builder, groups) as loop:
            first = builder.add(src, builder.mul(step, builder.mul(loop.index, _I64(4))))
            a, b, c, d = (emit.load(emit.address(first, step, i)) for i in range(4))
            zero = emit.constant([0] * width)
            pairs = [emit.add(a, b), emit.sub(b, a), emit.sub(a, b)]
            pairs.append(emit.sub(zero, pairs[0]))
            place = builder.add(table, builder.mul(loop.index, _I64(16 * pitch)))
            others = [emit.add(c, d), emit.sub(d, c), emit.sub(c, d)]
            others.append(emit.sub(zero, others[0]))
            for code in range(16):  # bit i set: input i is negative
                value = emit.add(pairs[code & 3], others[code >> 2])
                emit.store(value, builder.add(place, _I64(code * pitch)))
        with cgutils.for_range(builder, count) as row:
            entries = builder.add(codes, builder.mul(row.index, count))

            def term(group):
                place = builder.add(entries, builder.mul(group, _I64(4)))
                offset = builder.load(builder.inttoptr(place, _I32.as_pointer()))
                return emit.load(builder.add(table, builder.zext(offset, _I64)))

            total = cgutils.alloca_once_value(builder, term(_I64(0)))
            with cgutils.for_range_slice(builder, _I64(1), groups, _I64(1)) as (group, _):
                builder.store(emit.add(builder.load(total), term(group)), total)
            emit.store(builder.load(total), builder.add(dst, builder.mul(dst_step, row.index)))

    return from_integers(7, emit_all)

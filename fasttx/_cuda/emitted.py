"""The machine of `trace` that emits LLVM instructions.

Integers take the wider type of two, floats are not mixed, and a Python number takes the type of the
value beside it.
"""

from collections.abc import Callable

from llvmlite import ir
from numba.cuda import cgutils, types
from numba.cuda.extending import intrinsic

from . import memory


def call(body: Callable):
    """The function, for compiled code, of the arguments of a body in one tuple."""

    @intrinsic
    def emit(typing, given):
        def code(context, builder, signature, arguments):
            m, values = Machine(builder), []
            for kind, value in zip(given, cgutils.unpack_tuple(builder, arguments[0]), strict=True):
                if isinstance(kind, types.Array):
                    value = context.make_array(kind)(context, builder, value).data
                    values.append(value)
                else:
                    values.append(Value(m, value, kind.name))
            body(m, *values)
            return context.get_dummy_value()

        return types.void(given), code

    return emit


class Value:
    """A number of each thread, of a dtype by its name in NumPy ("bool" for a condition).

    ``//`` and ``%`` are for numbers that are not negative; ``>>`` keeps the sign of signed ones.
    """

    __slots__ = ("dtype", "ir", "m")

    def __init__(self, m, value, dtype: str):
        self.m, self.ir, self.dtype = m, value, dtype

    def __neg__(self):
        return self.m.negative(self)

    def __invert__(self):
        return self.m.binary("^", self, -1 if self.dtype != "bool" else True)


def _operator(symbol, swapped=False):
    if swapped:
        return lambda self, other: self.m.binary(symbol, self.m.like(other, self), self)
    return lambda self, other: self.m.binary(symbol, self, other)


_OPERATORS = {
    "+": "add", "-": "sub", "*": "mul", "/": "truediv", "&": "and", "|": "or", "^": "xor",
    "<<": "lshift", ">>": "rshift", "//": "floordiv", "%": "mod",
}  # fmt: skip
_COMPARISONS = {"<": "lt", "<=": "le", ">": "gt", ">=": "ge", "==": "eq", "!=": "ne"}
for _symbol, _name in _OPERATORS.items():
    setattr(Value, f"__{_name}__", _operator(_symbol))
    setattr(Value, f"__r{_name}__", _operator(_symbol, swapped=True))
for _symbol, _name in _COMPARISONS.items():
    setattr(Value, f"__{_name}__", _operator(_symbol))

_INTEGER = {
    "+": "add", "-": "sub", "*": "mul", "&": "and_", "|": "or_", "^": "xor", "<<": "shl",
    "//": "udiv", "%": "urem",
}  # fmt: skip
_FLOATING = {"+": "fadd", "-": "fsub", "*": "fmul", "/": "fdiv"}
_INDEXED, _BUTTERFLY = 0, 3  # modes of shuffles


class Machine:
    """What a body asks for, emitted as LLVM instructions; `simulated.Machine` is its twin."""

    def __init__(self, builder):
        self.builder = builder
        self.thread = self._special("tid.x")
        self.block = self.convert(self._special("ctaid.x"), "int64")

    # Values

    def constant(self, value, dtype: str) -> Value:
        """A number that is known now."""
        if dtype.startswith("float"):
            value = float(value)
        return Value(self, ir.Constant(_scalar(dtype), value), dtype)

    def like(self, value, other: Value) -> Value:
        """`value`, or a constant of the dtype of `other`."""
        return value if isinstance(value, Value) else self.constant(value, other.dtype)

    def convert(self, x: Value, dtype: str) -> Value:
        """The same number in another dtype; floats to integers are cut off."""
        if x.dtype == dtype:
            return x
        given, wanted, b = x.ir.type, _scalar(dtype), self.builder
        signed = not (x.dtype.startswith("u") or x.dtype == "bool")
        if x.dtype.startswith("float"):
            if dtype.startswith("float"):
                wider = _bits(wanted) > _bits(given)
                value = (b.fpext if wider else b.fptrunc)(x.ir, wanted)
            else:
                value = (b.fptoui if dtype.startswith("u") else b.fptosi)(x.ir, wanted)
        elif dtype.startswith("float"):
            value = (b.sitofp if signed else b.uitofp)(x.ir, wanted)
        elif wanted.width > given.width:
            value = (b.sext if signed else b.zext)(x.ir, wanted)
        else:
            value = b.trunc(x.ir, wanted) if wanted.width < given.width else x.ir
        return Value(self, value, dtype)

    def bits(self, x: Value, dtype: str) -> Value:
        """The same bits, as a number of another dtype of that size."""
        return Value(self, self.builder.bitcast(x.ir, _scalar(dtype)), dtype)

    def binary(self, symbol: str, x: Value, y) -> Value:
        """An operator."""
        y = self.like(y, x)
        if x.dtype != y.dtype:
            if "float" in x.dtype + y.dtype or "bool" in (x.dtype, y.dtype):
                raise TypeError(f"{x.dtype} {symbol} {y.dtype} in a kernel")
            wider = max(x, y, key=lambda v: v.ir.type.width).dtype
            x, y = self.convert(x, wider), self.convert(y, wider)
        b, dtype = self.builder, x.dtype
        floating = dtype.startswith("float")
        if symbol in _COMPARISONS:
            if floating:
                compare = b.fcmp_unordered if symbol == "!=" else b.fcmp_ordered
            else:
                compare = b.icmp_unsigned if dtype.startswith("u") else b.icmp_signed
            return Value(self, compare(symbol, x.ir, y.ir), "bool")
        if floating:
            return Value(self, getattr(b, _FLOATING[symbol])(x.ir, y.ir), dtype)
        if symbol == ">>":
            shift = b.lshr if dtype.startswith("u") else b.ashr
            return Value(self, shift(x.ir, y.ir), dtype)
        return Value(self, getattr(b, _INTEGER[symbol])(x.ir, y.ir), dtype)

    def negative(self, x: Value) -> Value:
        """Minus x, which for a float changes the sign of zero too."""
        zero = self.constant(-0.0 if x.dtype.startswith("float") else 0, x.dtype)
        return self.binary("-", zero, x)

    def where(self, condition: Value, x, y) -> Value:
        """X or y, one of which may be a Python number."""
        x, y = (x, self.like(y, x)) if isinstance(x, Value) else (self.like(x, y), y)
        if x.dtype != y.dtype:
            raise TypeError(f"{x.dtype} or {y.dtype} in a kernel")
        return Value(self, self.builder.select(condition.ir, x.ir, y.ir), x.dtype)

    # Functions

    def fma(self, x: Value, y, z) -> Value:
        """``x * y + z``, rounded once."""
        return self._call("llvm.fma.{}", x, self.like(y, x), self.like(z, x))

    def minimum(self, x: Value, y) -> Value:
        """The smaller of two floats, or the one that is a number."""
        return self._instruction("min", x, self.like(y, x))

    def maximum(self, x: Value, y) -> Value:
        """The larger of two floats, or the one that is a number."""
        return self._instruction("max", x, self.like(y, x))

    def larger(self, x: Value, y) -> Value:
        """The larger of two float32, or NaN where one of them is."""
        return self._instruction("max.NaN", x, self.like(y, x))

    def product(self, x: Value, y) -> Value:
        """``x * y``, rounded before anything is added to it."""
        return self._instruction("mul.rn", x, self.like(y, x))

    def absolute(self, x: Value) -> Value:
        """Magnitude of a float."""
        return self._instruction("abs", x)

    def sqrt(self, x: Value) -> Value:
        """Square root of a float, correctly rounded."""
        return self._call("llvm.sqrt.{}", x)

    def rint(self, x: Value) -> Value:
        """The nearest integer as a float, the even one of two."""
        return self._instruction("cvt.rni.{}", x)

    def floor(self, x: Value) -> Value:
        """The largest integer not above, as a float."""
        return self._instruction("cvt.rmi.{}", x)

    def library(self, name: str, *values: Value) -> Value:
        """A function of CUDA's libdevice, like ``"cospi"``, of floats of either precision."""
        single = "f" if values[0].dtype == "float32" else ""
        return self._call(f"__nv_{name}{single}", *values, attributes=("alwaysinline",))

    def reverse(self, x: Value) -> Value:
        """The bits of a uint32 in reversed order."""
        return self._call("llvm.bitreverse.{}", x)

    def ones(self, x: Value) -> Value:
        """Number of one bits of a uint32 or uint64, in its dtype."""
        return self._call("llvm.ctpop.{}", x)

    def length(self, x: Value) -> Value:
        """Binary digits of a uint64, from the first 1 on, in its dtype."""
        word = x.ir.type
        function = ir.FunctionType(word, [word, ir.IntType(1)])
        function = cgutils.get_or_insert_function(
            self.builder.module, function, f"llvm.ctlz.i{word.width}"
        )
        zeros = self.builder.call(function, [x.ir, ir.IntType(1)(0)])
        return word.width - Value(self, zeros, x.dtype)

    def rounded(self, x: Value, name: str) -> Value:
        """What is read after `x` was stored under that name."""
        return Value(self, memory.emit_rounded(self.builder, x.ir, name, x.dtype), x.dtype)

    def _instruction(self, name, *values):
        """An instruction of PTX on floats, for which NVVM has no intrinsic."""
        kind, dtype = values[0].ir.type, values[0].dtype
        suffix, letter = {"float32": ("f32", "f"), "float64": ("f64", "d")}[dtype]
        operands = ", ".join(f"${i}" for i in range(len(values) + 1))
        code = ir.InlineAsm(
            ir.FunctionType(kind, [kind] * len(values)),
            f"{name.format(suffix)}.{suffix} {operands};",
            f"={letter}" + f",{letter}" * len(values),
        )
        return Value(self, self.builder.call(code, [v.ir for v in values]), dtype)

    def _call(self, name, *values, attributes=()):
        kind = values[0].ir.type
        name = name.format(("f" if values[0].dtype.startswith("f") else "i") + str(_bits(kind)))
        function = ir.FunctionType(kind, [v.ir.type for v in values])
        function = cgutils.get_or_insert_function(self.builder.module, function, name)
        result = self.builder.call(function, [v.ir for v in values], attrs=attributes)
        return Value(self, result, values[0].dtype)

    # Threads

    def sync(self) -> None:
        """Wait for all threads of the block."""
        self._void("llvm.nvvm.barrier0")

    def shuffle(self, x: Value, mask: int) -> Value:
        """The value of the lane whose number differs in the bits of `mask`."""
        return self._shuffled(x, _BUTTERFLY, ir.IntType(32)(mask))

    def shuffle_from(self, x: Value, lane: Value) -> Value:
        """The value of the lane of that number."""
        return self._shuffled(x, _INDEXED, lane.ir)

    def _shuffled(self, x, mode, lane):
        b, word = self.builder, ir.IntType(32)
        width = _bits(x.ir.type)
        bits = b.bitcast(x.ir, ir.IntType(width))
        if width == 32:
            bits = self._shuffle(bits, mode, lane)
            return Value(self, b.bitcast(bits, x.ir.type), x.dtype)
        low, high = (
            b.zext(self._shuffle(b.trunc(part, word), mode, lane), bits.type)
            for part in (bits, b.lshr(bits, bits.type(32)))
        )
        both = b.or_(low, b.shl(high, bits.type(32)))
        return Value(self, b.bitcast(both, x.ir.type), x.dtype)

    def _shuffle(self, bits, mode, lane):
        word = ir.IntType(32)
        pair = ir.LiteralStructType((word, ir.IntType(1)))
        function = cgutils.get_or_insert_function(
            self.builder.module,
            ir.FunctionType(pair, (word, word, word, word, word)),
            "llvm.nvvm.shfl.sync.i32",
        )
        numbers = [word(-1), word(mode), bits, lane, word(31)]
        return self.builder.extract_value(self.builder.call(function, numbers), 0)

    def _special(self, name):
        function = cgutils.get_or_insert_function(
            self.builder.module,
            ir.FunctionType(ir.IntType(32), ()),
            f"llvm.nvvm.read.ptx.sreg.{name}",
        )
        return Value(self, self.builder.call(function, ()), "int32")

    def _void(self, name):
        function = ir.FunctionType(ir.VoidType(), ())
        function = cgutils.get_or_insert_function(self.builder.module, function, name)
        self.builder.call(function, ())

    # Memory

    def load(self, array, index, name: str, number: str, width: int = 1, where=None) -> list:
        """`width` numbers that follow each other, read at once, as values of dtype `number`.

        Parameters
        ----------
        array : argument
        index : value
        name : str
            What the array holds, by a name that `memory.stored` knows.
        number : str
        width : int
            The address is a multiple of the bytes of so many, or of 16 where these are more.
        where : value, optional
            Condition for reading; zeros otherwise.
        """

        def read():
            place = self.builder.gep(array, [index.ir], inbounds=True)
            values = memory.emit_load(self.builder, place, name, number, width)
            return [Value(self, value, number) for value in values]

        if where is None:
            return read()
        return self.either(where, read, lambda: [self.constant(0, number)] * width)

    def store(self, array, index, values, name: str, where=None) -> None:
        """The reverse of `load`, rounding to nearest."""

        def write():
            place = self.builder.gep(array, [index.ir], inbounds=True)
            memory.emit_store(self.builder, place, [v.ir for v in values], name)

        if where is None:
            write()
        else:
            self.when(where, write)

    def shared(self, number: str, size: int):
        """Shared memory of the block for so many numbers."""
        space = ir.ArrayType(_scalar(number), size)
        module = self.builder.module
        array = cgutils.add_global_variable(module, space, "fasttx_shared", 3)
        array.linkage, array.align = "internal", memory.VECTOR_BYTES
        array.initializer = ir.Constant(space, ir.Undefined)
        return array, number

    def get(self, shared, index) -> Value:
        """A number in shared memory."""
        return Value(self, self.builder.load(self._slot(shared, index)), shared[1])

    def put(self, shared, index, x: Value) -> None:
        """Write a number to shared memory."""
        self.builder.store(x.ir, self._slot(shared, index))

    def _slot(self, shared, index):
        zero, index = ir.IntType(32)(0), self.convert(index, "int32").ir
        return self.builder.gep(shared[0], [zero, index], inbounds=True)

    # Control flow

    def when(self, condition: Value, body: Callable[[], None]) -> None:
        """Run the body where the condition holds."""
        with self.builder.if_then(condition.ir):
            body()

    def either(self, condition: Value, then: Callable, otherwise: Callable) -> list[Value]:
        """Values of one of two bodies; they return lists of the same dtypes."""
        b = self.builder
        with b.if_else(condition.ir) as (yes, no):
            with yes:
                first, first_block = then(), b.block
            with no:
                second, second_block = otherwise(), b.block
        values = []
        for x, y in zip(first, second, strict=True):
            node = b.phi(x.ir.type)
            node.add_incoming(x.ir, first_block)
            node.add_incoming(y.ir, second_block)
            values.append(Value(self, node, x.dtype))
        return values

    def loop(self, count, carried: list[Value], body: Callable) -> list[Value]:
        """``carried = body(i, carried)`` for i from 0 to count - 1; the last `carried`."""
        b, word = self.builder, ir.IntType(64)
        count = count if isinstance(count, Value) else self.constant(count, "int64")
        count, before = self.convert(count, "int64"), b.block
        head, inside, after = (b.append_basic_block(name) for name in ("head", "body", "after"))
        b.branch(head)
        b.position_at_end(head)
        nodes = [b.phi(kind) for kind in (word, *(v.ir.type for v in carried))]
        i, *held = nodes
        b.cbranch(b.icmp_signed("<", i, count.ir), inside, after)
        b.position_at_end(inside)
        values = [Value(self, node, v.dtype) for node, v in zip(held, carried, strict=True)]
        results = body(Value(self, i, "int64"), values)
        following = [b.add(i, word(1)), *(v.ir for v in results)]
        first = [word(0), *(v.ir for v in carried)]
        for node, start, end in zip(nodes, first, following, strict=True):
            node.add_incoming(start, before)
            node.add_incoming(end, b.block)
        b.branch(head)
        b.position_at_end(after)
        return values


def _scalar(dtype):
    if dtype == "bool":
        return ir.IntType(1)
    return memory.scalar(dtype)


def _bits(kind):
    return {ir.FloatType(): 32, ir.DoubleType(): 64}.get(kind) or kind.width

"""Loads and stores of kernels: whole vectors of 16 bytes, converted on the way.

Numba gives no access to the vector instructions of a device, and an array of vectors is loaded
number by number; the functions here emit them. Half-precision arrays are seen as uint16, and two of
their numbers are rounded at once. Under the simulator numbers are converted one by one.
"""

from collections import namedtuple

import numpy as np
from numba import config

from . import check_installed

check_installed()

from numba import cuda as cuda  # noqa: E402  for the kernels' modules too

SIMULATED = bool(config.ENABLE_CUDASIM)

if SIMULATED:
    from numba.cuda.simulator import kernel as simulator

    class _InKernels:
        """The module `cuda` as a running kernel has it, else as it is.

        The simulator puts the one in the other's place in a function's module when a thread calls
        the function, and takes it away when that thread returns, though others are still there.
        """

        def __getattr__(self, name):
            context = simulator._kernel_context
            return getattr(context if hasattr(context, name) else _cuda, name)

    _cuda, cuda = cuda, _InKernels()
else:
    from llvmlite import ir

# What a kernel reads, computes with and writes; `parts` are the numbers of one element.
Kind = namedtuple("Kind", "name read number written parts")

KINDS = {
    kind.name: kind
    for kind in (
        Kind("float32", "float32", "float32", "float32", 1),
        Kind("float64", "float64", "float64", "float64", 1),
        Kind("float16", "float16", "float32", "float16", 1),
        Kind("bfloat16", "bfloat16", "float32", "bfloat16", 1),
        Kind("complex64", "float32", "float32", "float32", 2),
        Kind("complex128", "float64", "float64", "float64", 2),
        Kind("int64", "int64", "int64", "int64", 1),
        Kind("scaled int64", "int64", "float64", "float64", 1),
    )
}
# Sums of 2**30 of these fit in int64.
SHORT = ("bool", "uint8", "int8", "uint16", "int16", "uint32", "int32")
for _name in SHORT:
    _read = "uint8" if _name == "bool" else _name
    KINDS[_name] = Kind(_name, _read, "int64", "int64", 1)
    KINDS[f"scaled {_name}"] = Kind(f"scaled {_name}", _read, "float64", "float64", 1)
# A kernel, the Numba types of its arguments, and the layout of its threads.
Kernel = namedtuple("Kernel", "launch signature form")

# Merged into the kernel before it is typed: a device function compiled by itself asks for a device.
inlined = cuda.jit(device=True, inline="always")

_HALVES = ("float16", "bfloat16")
VECTOR_BYTES = 16


def stored(name: str) -> np.dtype:
    """The dtype by which kernels know numbers of this name."""
    return np.dtype("uint16" if name in _HALVES else name)


def jit(function, most_registers: int | None = None):
    """The kernel of a function whose threads have at most so many registers."""
    return cuda.jit(function) if SIMULATED else cuda.jit(function, max_registers=most_registers)


def ptx(kernel: Kernel, cc: tuple[int, int]) -> str:
    """PTX of a kernel for compute capability `cc`; needs NVVM, no driver and no device."""
    code, _ = cuda.compile(
        kernel.launch.py_func, kernel.signature, cc=cc, device=False, abi="numba", output="ptx"
    )
    return code


# Emitted code


def emit_load(builder, place, memory: str, number: str, width: int) -> list:
    """Numbers that follow each other from the pointer on, read at once."""
    given = _words(memory, width)
    vector = builder.load(builder.bitcast(place, given.as_pointer()))
    vector.align = min(VECTOR_BYTES, width * stored(memory).itemsize)
    return [_widen(builder, v, memory, number) for v in _parts(builder, vector, memory)]


def emit_store(builder, place, numbers: list, memory: str) -> None:
    """The reverse of `emit_load`, rounding to nearest."""
    words = _narrow(builder, numbers, memory)
    given, vector = words[0].type, words[0]
    if len(words) > 1:
        given = ir.VectorType(given, len(words))
        vector = ir.Constant(given, ir.Undefined)
        for i, word in enumerate(words):
            vector = builder.insert_element(vector, word, ir.IntType(32)(i))
    done = builder.store(vector, builder.bitcast(place, given.as_pointer()))
    done.align = min(VECTOR_BYTES, len(numbers) * stored(memory).itemsize)


def emit_rounded(builder, number, memory: str, to: str):
    """A number of dtype `to` after it was stored and loaded again."""
    if memory == to:
        return number
    (word,) = _narrow(builder, [number], memory)
    return _widen(builder, word, memory, to)


def _words(memory, width):
    """What is loaded at once: words of 32 bits for halves, numbers of their own type else."""
    if memory in _HALVES:
        word, count = (ir.IntType(32), width // 2) if width > 1 else (ir.IntType(16), 1)
    else:
        word, count = scalar(memory), width
    return ir.VectorType(word, count) if count > 1 else word


def scalar(name: str):
    """LLVM's type of a number."""
    if name == "float32":
        return ir.FloatType()
    if name == "float64":
        return ir.DoubleType()
    return ir.IntType(int(name.removeprefix("u").removeprefix("int")))


def _parts(builder, vector, memory):
    words = [vector]
    if isinstance(vector.type, ir.VectorType):
        words = [
            builder.extract_element(vector, ir.IntType(32)(i)) for i in range(vector.type.count)
        ]
    if memory in _HALVES and words[0].type.width == 32:
        short = ir.IntType(16)
        return [
            builder.trunc(part, short)
            for word in words
            for part in (word, builder.lshr(word, word.type(16)))
        ]
    return words


def _widen(builder, value, memory, number):
    unsigned, wanted = memory.startswith("u"), scalar(number)
    if memory == "float16":
        return builder.fpext(builder.bitcast(value, ir.HalfType()), wanted)
    if memory == "bfloat16":
        word = ir.IntType(32)
        value = builder.bitcast(builder.shl(builder.zext(value, word), word(16)), ir.FloatType())
        memory = "float32"
    if memory == number:
        return value
    if memory == "float32":
        return builder.fpext(value, wanted)
    if number.startswith("float"):
        return (builder.uitofp if unsigned else builder.sitofp)(value, wanted)
    if wanted.width == value.type.width:
        return value
    return (builder.zext if unsigned else builder.sext)(value, wanted)


def _narrow(builder, numbers, memory):
    if memory not in _HALVES:
        return numbers
    word, single = ir.IntType(32), ir.FloatType()
    kind = {"float16": "f16x2", "bfloat16": "bf16x2"}[memory]
    two = ir.InlineAsm(
        ir.FunctionType(word, [single, single]), f"cvt.rn.{kind}.f32 $0, $1, $2;", "=r,f,f"
    )
    if len(numbers) == 1:
        return [builder.trunc(builder.call(two, [single(0.0), numbers[0]]), ir.IntType(16))]
    pairs = zip(numbers[::2], numbers[1::2], strict=True)
    return [builder.call(two, [high, low]) for low, high in pairs]


# Simulated


def widened(value, memory: str):
    """A number of an array, as one that Python computes with."""
    if memory == "float16":
        return np.uint16(value).view(np.float16)
    if memory == "bfloat16":
        return np.uint32(int(value) << 16).view(np.float32)
    return value


def narrowed(value, memory: str):
    """The reverse of `widened`, rounding to nearest."""
    if memory == "float16":
        return np.float16(value).view(np.uint16)
    if memory == "bfloat16":
        if np.isnan(value):
            return np.uint16(0x7FFF)
        bits = int(np.float32(value).view(np.uint32))
        return np.uint16((bits + 0x7FFF + (bits >> 16 & 1)) >> 16)
    return value

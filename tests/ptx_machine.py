"""Runs PTX on the host, one block at a time: what a kernel computes where there is no device.

The simulator of Numba runs a kernel's Python text; this runs what the compiler made of it, with its
shuffles, vector accesses and conversions. All threads of a block go in step: at each moment those
that are furthest behind execute one instruction, as NumPy arrays. It knows the instructions that
the kernels of fasttx have, and refuses any other. Accesses are checked: aligned, and inside arrays.
"""

import re
from typing import NamedTuple

import numpy as np

_LINE = re.compile(r"(?:@(!?)(%\w+)\s+)?([a-z][\w.:]*)\s*(.*);")
_WARP = 32
_TYPES = {"s": "int", "u": "uint", "b": "uint", "f": "float"}
# Where the numbers of a flat array begin among the seven fields by which Numba passes it.
_FIELDS, _DATA = 7, 4


class Instruction(NamedTuple):
    """An instruction: its guard, name and operands."""

    negated: bool
    guard: str | None
    name: list[str]
    operands: list[str]


def compile_text(text):
    """Instructions of the one kernel in the text, its labels, parameters, arrays and constants."""
    names = re.findall(r"\.param \.\w+ (\w+)", text)
    shared = re.findall(r"\.shared \.align \d+ \.b8 ([\w$]+)\[(\d+)\]", text)
    constants = {
        name: np.array(numbers.split(","), np.uint8)
        for name, numbers in re.findall(r"\.b8 (\w+)\[\d+\] = \{([\d, ]+)\};", text)
    }
    program, labels = [], {}
    for line in text[text.index("{", text.index(".entry")) :].splitlines():
        line = line.strip()
        if re.fullmatch(r"\$\w+:", line):
            labels[line[:-1]] = len(program)
        elif found := _LINE.fullmatch(line):
            operands = re.findall(r"\{[^}]*\}|\[[^\]]*\]|[^,\s{}\[\]]+", found[4])
            program.append(Instruction(found[1] == "!", found[2], found[3].split("."), operands))
        else:
            assert not line or line[0] in "{}." or line.startswith("//"), line
    return program, labels, names, shared, constants


class Memory:
    """Arrays at addresses of their own, with a guard zone after each."""

    def __init__(self):
        self.bytes = np.zeros(256, np.uint8)
        self.allowed = np.zeros(256, bool)
        self.arrays = []

    def add(self, array):
        """Copy a contiguous array in, once where it comes twice; returns its address."""
        for start, known in self.arrays:
            if known.ctypes.data == array.ctypes.data and known.nbytes == array.nbytes:
                return start
        start, size = len(self.bytes), -(-array.nbytes // 256) * 256 + 256
        self.bytes = np.concatenate([self.bytes, np.zeros(size, np.uint8)])
        self.allowed = np.concatenate([self.allowed, np.zeros(size, bool)])
        self.bytes[start : start + array.nbytes] = array.reshape(-1).view(np.uint8)
        self.allowed[start : start + array.nbytes] = True
        self.arrays.append((start, array))
        return start

    def copy_back(self):
        """Write the arrays' contents to the originals."""
        for start, array in self.arrays:
            array.reshape(-1).view(np.uint8)[:] = self.bytes[start : start + array.nbytes]


def run(text, blocks, threads, *arguments):
    """Run the kernel; flat arrays among the arguments are changed in place."""
    program, labels, names, shared, constants = compile_text(text)
    memory, values = Memory(), []
    symbols = {name: memory.add(array) for name, array in constants.items()}
    for argument in arguments:
        if isinstance(argument, np.ndarray):
            fields = [0] * _FIELDS
            fields[_DATA] = memory.add(argument)
            values += fields
        else:
            bits = np.array(argument)
            values.append(int(bits.view(f"u{bits.itemsize}")))
    assert len(values) == len(names)
    parameters = dict(zip(names, values, strict=True))
    for block in range(blocks):
        _Block(program, labels, parameters, shared, symbols, memory, block, threads).run(blocks)
    memory.copy_back()


class _Block:
    def __init__(self, program, labels, parameters, shared, symbols, memory, block, threads):
        self.program, self.labels, self.parameters = program, labels, parameters
        self.memory, self.threads = memory, threads
        self.shared, self.symbols = Memory(), dict(symbols)
        for name, size in shared:
            self.symbols[name] = self.shared.add(np.full(int(size), 0xFF, np.uint8))
        index = np.arange(threads, dtype=np.uint64)
        self.registers = {
            "%tid.x": index,
            "%ctaid.x": np.full(threads, block, np.uint64),
            "%ntid.x": np.full(threads, threads, np.uint64),
        }

    def run(self, blocks):
        self.registers["%nctaid.x"] = np.full(self.threads, blocks, np.uint64)
        at = np.zeros(self.threads, np.int64)
        while True:
            here = at.min()
            if here == len(self.program):
                return
            active = at == here
            step = self.program[here]
            if step.guard:
                holds = self.registers[step.guard].astype(bool) != step.negated
                at[active & ~holds] += 1
                active &= holds
            at[active] += 1
            kind = step.name[0]
            if kind == "bra":
                at[active] = self.labels[step.operands[0]]
            elif kind == "ret":
                at[active] = len(self.program)
            elif kind in ("bar", "barrier"):
                assert active.all(), "a barrier that some threads do not reach"
            else:
                self.execute(kind, step.name[1:], step.operands, active)

    # Operands are kept as bits in words of 64.

    def read(self, operand, kind):
        """Values of an operand as numbers of a type like f32."""
        width = int(kind[1:])
        if operand in self.registers:
            bits = self.registers[operand]
        elif operand.startswith(("0f", "0d")):
            bits = np.full(self.threads, int(operand[2:], 16), np.uint64)
        elif operand in self.symbols:
            bits = np.full(self.threads, self.symbols[operand], np.uint64)
        elif operand[0] == "%":  # nothing was written: the value must not matter
            bits = np.full(self.threads, 2**64 - 1, np.uint64)
        else:
            bits = np.full(self.threads, int(operand, 0) & (2**64 - 1), np.uint64)
        return bits.astype(f"u{width // 8}").view(f"{_TYPES[kind[0]]}{width}")

    def write(self, register, values, active):
        values = np.asarray(values)
        if values.dtype == bool:
            values = values.astype(np.uint64)
        bits = values.view(f"u{values.dtype.itemsize}").astype(np.uint64)
        old = self.registers.get(register, np.zeros(self.threads, np.uint64))
        self.registers[register] = np.where(active, bits, old)

    def execute(self, name, kinds, operands, active):
        with np.errstate(all="ignore"):
            if name in ("ld", "st"):
                self.access(name, kinds, operands, active)
            elif name == "atom":
                self.atomic(kinds, operands, active)
            elif name == "shfl":
                self.shuffle(kinds, operands, active)
            elif name == "mov" and "{" in "".join(operands):
                self.pack(kinds[-1], *operands, active)
            else:
                target, *given = operands
                self.write(target, self.compute(name, kinds, given), active)

    def access(self, name, kinds, operands, active):
        space, *vector, kind = kinds
        place, data = operands if name == "st" else reversed(operands)
        place = place.strip("[]")
        if space == "param":
            value = self.parameters[place]
            self.write(data, np.full(self.threads, value, np.uint64), active)
            return
        memory = self.shared if space == "shared" else self.memory
        base, _, offset = place.partition("+")
        start = self.read(base, "u64").astype(np.int64) + int(offset or 0)
        registers = data.strip("{}").replace(" ", "").split(",")
        size = int(kind[1:]) // 8
        assert len(registers) == int(vector[-1][1:] if vector else 1)
        start = start[active]
        assert not (start % (size * len(registers))).any(), "a misaligned access"
        for i, register in enumerate(registers):
            at = (start + i * size)[:, None] + np.arange(size)
            assert memory.allowed[at].all(), "an access outside of all arrays"
            if name == "st":
                bits = self.read(register, kind)[active]
                memory.bytes[at] = bits[:, None].view(np.uint8)
            else:
                values = np.zeros(self.threads, f"u{size}")
                values[active] = memory.bytes[at].view(f"u{size}")[:, 0]
                if kind[0] == "s":  # the register may be wider
                    values = values.view(f"int{kind[1:]}").astype(np.int64)
                self.write(register, values, active)

    def atomic(self, kinds, operands, active):
        """Threads one after the other."""
        space, operation, kind = kinds
        assert operation == "add"
        assert kind[0] in "su"
        target, place, value = operands
        memory = self.shared if space == "shared" else self.memory
        base, _, offset = place.strip("[]").partition("+")
        start = self.read(base, "u64").astype(np.int64) + int(offset or 0)
        values, size = self.read(value, kind), int(kind[1:]) // 8
        old = np.zeros(self.threads, f"u{size}")
        for i in np.flatnonzero(active):
            at = slice(start[i], start[i] + size)
            assert not start[i] % size, "a misaligned access"
            assert memory.allowed[at].all(), "an access outside of all arrays"
            word = memory.bytes[at].view(values.dtype)
            old[i] = word.view(old.dtype)[0]
            word += values[i]
        self.write(target, old, active)

    def pack(self, kind, target, source, active):
        """Words to the parts of a longer one, or these to that."""
        width = int(kind[1:])
        if target[0] == "{":
            parts = [part.strip() for part in target.strip("{}").split(",")]
            bits, step = self.read(source, kind), width // len(parts)
            for i, part in enumerate(parts):
                if part != "_":
                    self.write(
                        part, (bits >> bits.dtype.type(i * step)).astype(f"u{step // 8}"), active
                    )
        else:
            parts = [part.strip() for part in source.strip("{}").split(",")]
            step, bits = width // len(parts), np.zeros(self.threads, f"u{width // 8}")
            for i, part in enumerate(parts):
                bits |= self.read(part, f"u{step}").astype(bits.dtype) << bits.dtype.type(i * step)
            self.write(target, bits, active)

    def shuffle(self, kinds, operands, active):
        target, source, lane, clamp, members = operands
        assert kinds[0] == "sync"
        assert kinds[2] == "b32"
        assert (self.read(clamp, "u32") == _WARP - 1).all()
        assert (self.read(members, "u32") == 2**32 - 1).all()
        warps = active.reshape(-1, _WARP)
        assert (warps.all(1) | ~warps.any(1)).all(), "a shuffle that some lanes do not reach"
        lane, own = self.read(lane, "u32").astype(np.int64), np.arange(self.threads)
        other = {"bfly": own ^ lane, "idx": own & -_WARP | lane & _WARP - 1}[kinds[1]]
        self.write(target.split("|")[0], self.read(source, "u32")[other], active)

    def compute(self, name, kinds, given):
        kind = kinds[-1]
        if name == "cvt" and kinds[0] == "rn" and kinds[1] in ("f16x2", "bf16x2"):
            high, low = (_half(self.read(x, "f32"), kinds[1]) for x in given)
            return high << np.uint32(16) | low
        if name in ("cvt", "cvta"):
            return self.convert(name, kinds, given[0])
        if name == "selp":
            a, b = (self.read(x, kind) for x in given[:2])
            return np.where(self.registers[given[2]].astype(bool), a, b)
        if name == "bfi":
            a, b = (self.read(x, kind) for x in given[:2])
            start, length = int(given[2]), int(given[3])
            mask = a.dtype.type(((1 << length) - 1) << start)
            return (a << a.dtype.type(start) & mask) | (b & ~mask)
        if name in ("mul", "mad") and kinds[0] == "wide":
            wide = f"{_TYPES[kind[0]]}{2 * int(kind[1:])}"
            a, b = (self.read(x, kind).astype(wide) for x in given[:2])
            return a * b + (
                self.read(given[2], f"{kind[0]}{2 * int(kind[1:])}") if given[2:] else 0
            )
        if name == "mul" and kinds[0] == "hi":
            a, b = (self.read(x, kind) for x in given)
            product = a.astype(object) * b.astype(object) >> 8 * a.itemsize
            return product.astype(a.dtype)
        if name == "rcp":
            return _reciprocal(self.read(given[0], kind), kinds[0])
        if name == "clz":
            a = self.read(given[0], kind)
            return np.array([a.itemsize * 8 - int(v).bit_length() for v in a], np.uint32)
        if name == "popc":
            return np.bitwise_count(self.read(given[0], kind)).astype(np.uint32)
        if name == "brev":
            a = self.read(given[0], kind)
            return np.array([int(f"{v:032b}"[::-1], 2) for v in a], a.dtype)
        if kind == "pred":
            return _LOGIC[name](*(self.read(x, "u8").astype(bool) for x in given))
        values = [self.read(x, kind) for x in given]
        if name == "setp":
            if kinds[0] in ("num", "nan"):
                return (np.isnan(values[0]) | np.isnan(values[1])) == (kinds[0] == "nan")
            # With a third letter it holds for NaN too.
            unordered = kinds[0][2:] and np.isnan(values[0]) | np.isnan(values[1])
            return getattr(np, _COMPARED[kinds[0][:2]])(*values) | np.asarray(unordered, bool)
        if name in ("shl", "shr"):
            values[1] = self.read(given[1], "u32").astype(values[0].dtype)
        if name in ("min", "max") and kind[0] == "f" and "NaN" not in kinds:
            return {"min": np.fmin, "max": np.fmax}[name](*values)
        return _OPERATIONS[name](*values)

    def convert(self, name, kinds, given):
        if name == "cvta":
            return self.read(given, kinds[-1])
        to, source = kinds[-2], kinds[-1]
        values = self.read(given, source)
        if kinds[0] in ("rni", "rzi"):
            values = {"rni": np.rint, "rzi": np.trunc}[kinds[0]](values)
        elif kinds[0] == "rmi":
            values = np.floor(values)
        elif to[0] == source[0] == "f" and kinds[0] != "rn":
            assert int(to[1:]) > int(source[1:])
        return values.astype(f"{_TYPES[to[0]]}{to[1:]}")


def _exact(a, b, c):
    """a * b + c, rounded once for float32; twice for float64, within the tests' bounds."""
    if a.dtype == np.float32:
        return (a.astype(float) * b.astype(float) + c.astype(float)).astype(np.float32)
    return a * b + c


_LOGIC = {"not": np.logical_not, "and": np.logical_and, "or": np.logical_or, "xor": np.logical_xor}
_LOGIC["mov"] = np.asarray
_COMPARED = {"eq": "equal", "ne": "not_equal", "lt": "less", "le": "less_equal", "gt": "greater"}
_COMPARED["ge"] = "greater_equal"


def _divide(a, b):
    """Division, of integers toward zero."""
    if a.dtype.kind == "f":
        return a / b
    b = np.where(b == 0, 1, b)
    quotient = np.abs(a) // np.abs(b)
    return (np.sign(a) * np.sign(b) * quotient if a.dtype.kind == "i" else a // b).astype(a.dtype)


def _reciprocal(a, mode):
    """1 / a; of a double the approximate one looks at the higher word, and gives such a word."""
    if mode == "rn" or a.dtype == np.float32:
        return np.reciprocal(a)
    high = np.uint64(0xFFFFFFFF00000000)
    cut = np.reciprocal((a.view(np.uint64) & high).view(a.dtype))
    return (cut.view(np.uint64) & high).view(a.dtype)


def _permuted(a, b, selector):
    """Bytes of two words, each chosen by four bits of the selector."""
    both = a.astype(np.uint64) | b.astype(np.uint64) << np.uint64(32)
    result = np.zeros(len(a), np.uint32)
    for i in range(4):
        choice = (selector >> np.uint32(4 * i)).astype(np.uint64)
        byte = both >> (choice & np.uint64(7)) * np.uint64(8) & np.uint64(0xFF)
        sign = np.where(byte >> np.uint64(7), np.uint64(0xFF), np.uint64(0))
        byte = np.where(choice & np.uint64(8), sign, byte)
        result |= (byte << np.uint64(8 * i)).astype(np.uint32)
    return result


def _half(values, kind):
    if kind == "f16x2":
        return values.astype(np.float16).view(np.uint16).astype(np.uint32)
    bits = values.view(np.uint32).astype(np.uint64)
    return ((bits + 0x7FFF + (bits >> np.uint64(16) & np.uint64(1))) >> np.uint64(16)).astype("u4")


_OPERATIONS = {
    "mov": lambda a: a,
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "mad": lambda a, b, c: a * b + c,
    "neg": np.negative,
    "abs": np.abs,
    "not": np.invert,
    "min": np.minimum,
    "max": np.maximum,
    "div": _divide,
    "sqrt": np.sqrt,
    "rem": lambda a, b: a - _divide(a, b) * b,
    "popc": lambda a: np.bitwise_count(a).astype(np.uint32),
    "and": np.bitwise_and,
    "or": np.bitwise_or,
    "xor": np.bitwise_xor,
    "shl": np.left_shift,
    "shr": np.right_shift,
    "fma": lambda a, b, c: _exact(a, b, c),
    "prmt": _permuted,
}

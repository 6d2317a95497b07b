"""Elements and scales of block formats, for kernels: functions of traced values.

Each is a description that names a kernel, with the methods that make its part of one. Codes come
out as the loops of `_cpu/block_formats.py` make them, bit for bit.
"""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

# Adding it to a float32 of at most 2**22 leaves the nearest integer in the last bits, even of two.
_CENTER = 3.0 * 2**22
_CENTER_BITS = int(np.float32(_CENTER).view(np.int32))
_MAGNITUDE, _EXPONENT = 0x7FFFFFFF, 0x7F800000
_MOST = float(np.finfo(np.float32).max)
_LEAST_HALF = float(np.finfo(np.float16).smallest_normal)


# Elements. `encode` gives the code of ``x * factor``, plus `zero` for integers, as an int32 that is
# `bias` more, which many codes get rid of at once. `encode_by_chance` has no bias, and rounds by an
# int32 of `CHANCE` random bits. `decode` gives the float32 of a code.
CHANCE = 20


@dataclass(frozen=True)
class Floats:
    """Floating-point numbers of few bits, as `quantize.formats` describes them."""

    exponent: int
    mantissa: int
    special: str
    signed: bool
    largest: float

    @property
    def bits(self) -> int:
        """Bits of a code."""
        return self.exponent + self.mantissa + self.signed

    @property
    def bias(self) -> int:
        """What codes are more by."""
        return _CENTER_BITS if self.exponent == 2 else 0

    @property
    def _zero(self):
        # Of exponents.
        return (1 << self.exponent - 1) - 1

    def encode(self, m, x, factor, zero=None):
        place, y = self.bits - 1, m.product(m.absolute(x), factor)
        code = self._of_lines(m, y) if self.exponent == 2 else self.nearest(m, y)
        return code | m.bits(x, "int32") >> 31 - place & 1 << place

    def encode_by_chance(self, m, x, factor, zero, chance):
        shift, least = 23 - self.mantissa, 128 - self._zero << 23
        place, y = self.bits - 1, m.product(m.absolute(x), factor)
        bits, field = self._fields(m, y)
        one = (254 + self.mantissa + CHANCE << 23) - (1 << 32)  # the exponent leaves by overflow
        unit = m.bits(m.constant(one, "int32") - field, "float32")
        fixed = m.convert(m.product(m.bits(bits, "float32"), unit), "int32")
        code = (fixed + chance >> CHANCE) + (field - least >> shift)
        return code | m.bits(x, "int32") >> 31 - place & 1 << place

    def nearest(self, m, y):
        """Code of a number that is not negative; the largest one for what is larger."""
        shift, least = 23 - self.mantissa, 128 - self._zero << 23
        bits, field = self._fields(m, y)
        # The power whose sum with a number has the rounded mantissa in its last bits.
        power = field + (shift << 23)
        total = m.bits(bits, "float32") + m.bits(power, "float32")
        return m.bits(total, "int32") - power + (field - least >> shift)

    def _fields(self, m, y):
        """Bits of a number that is not negative, at most those of the largest, and its exponent."""
        least = 128 - self._zero << 23
        largest = int(np.float32(self.largest).view(np.int32))
        bits = m.bits(y, "int32")
        bits = m.where(bits < largest, bits, largest)
        field = bits & _EXPONENT
        return bits, m.where(field < least, least, field)

    def _of_lines(self, m, y):
        """Codes are a concave function of numbers, of a line for each of three exponents."""
        step = 1 << self.mantissa
        lines = [m.fma(y, step / (1 << k), _CENTER + k * step) for k in range(3)]
        code = m.minimum(m.minimum(lines[0], lines[1]), lines[2])
        code = m.minimum(code, _CENTER + self.last_code)
        return m.bits(code, "int32")

    @property
    def last_code(self) -> int:
        """Code of the largest number."""
        count = 1 << self.exponent + self.mantissa
        return count - 1 - {"": 0, "nan": 1, "ieee": 1 << self.mantissa}[self.special]

    def decode(self, m, code):
        magnitude = (1 << self.exponent + self.mantissa) - 1
        number = code & magnitude
        bits = number << 23 - self.mantissa
        if self.signed:
            bits = bits | (code & magnitude + 1) << 32 - self.bits
        value = m.product(m.bits(bits, "float32"), 2.0 ** (127 - self._zero))
        if self.special:
            last = self.last_code
            beyond = m.constant(np.nan, "float32")
            if self.special == "ieee":
                beyond = m.where(number == last + 1, value * np.inf, beyond)
            value = m.where(number > last, beyond, value)
        return value


@dataclass(frozen=True)
class Integers:
    """Integers from `low` to `high`: their last bits."""

    bits: int
    low: int
    high: int

    bias: ClassVar[int] = 0

    def encode(self, m, x, factor, zero=None):
        y = self._clipped(m, x, factor, zero) + _CENTER
        return m.bits(y, "int32") & (1 << self.bits) - 1

    def encode_by_chance(self, m, x, factor, zero, chance):
        y = m.product(self._clipped(m, x, factor, zero), 2.0**CHANCE)
        return m.convert(m.floor(y), "int32") + chance >> CHANCE & (1 << self.bits) - 1

    def _clipped(self, m, x, factor, zero):
        y = m.product(x, factor)
        if zero is not None:
            y = y + zero
        return m.minimum(m.maximum(y, self.low), self.high)

    def decode(self, m, code):
        if self.low < 0:
            sign = 1 << self.bits - 1
            code = (code ^ sign) - sign
        return m.convert(code, "float32")


@dataclass(frozen=True)
class Table:
    """Increasing numbers, at most sixteen; of two as near the lower one."""

    values: tuple[float, ...]

    bias: ClassVar[int] = 0

    @property
    def bits(self) -> int:
        """Bits of a code."""
        return (len(self.values) - 1).bit_length()

    def encode(self, m, x, factor, zero=None):
        y, values = m.product(x, factor), np.array(self.values, np.float32)
        code = m.constant(0, "int32")
        for middle in np.float32(0.5) * (values[:-1] + values[1:]):
            code = code + m.where(y > float(middle), m.constant(1, "int32"), 0)
        return code

    def encode_by_chance(self, m, x, factor, zero, chance):
        y, one = m.product(x, factor), m.constant(1, "int32")
        code = m.constant(0, "int32")
        for value in self.values[1:-1]:  # the last one is the end of an interval
            code = code + m.where(y >= value, one, 0)
        low, high = self.decode(m, code), self.decode(m, code + 1)
        above = (y - low) / (high - low) > m.product(m.convert(chance, "float32"), 2.0**-CHANCE)
        return code + m.where(above, one, 0)

    def decode(self, m, code):
        values = [m.constant(v, "float32") for v in self.values]
        for bit in range(self.bits):
            odd = (code >> bit & 1) == 1
            values = [m.where(odd, *values[i : i + 2][::-1]) for i in range(0, len(values), 2)]
        return values[0]


# Scales. `make` gives what is stored for a block, the factor of its elements before they are
# rounded, and for affine ones the element that stands for zero. It starts from `figures`, the
# largest magnitude or the least and the largest number; ``load(code)`` looks a factor up. Blocks
# that have no scale, as NaN and infinity are among their numbers, get one that is NaN.


@dataclass(frozen=True)
class Powers:
    """Powers of two, by their exponents."""

    mode: str
    mantissa: int
    largest: float

    stored: ClassVar[str] = "uint8"
    affine: ClassVar[bool] = False

    def make(self, m, figures, load, tensor):
        (amax,) = figures
        there = amax < np.inf
        if self.mode == "rceil":
            amax = m.product(amax, float(np.float32(1) / np.float32(self.largest)))
        bits = m.bits(amax, "int32")
        if self.mode == "even":
            bits = bits + (1 << 22 - self.mantissa)
        field = bits >> 23
        if self.mode in ("ceil", "rceil"):
            one, none = m.constant(1, "int32"), m.constant(0, "int32")
            least = m.where(field == 0, m.constant(1 << 22, "int32"), 0)
            field = field + m.where(bits & 0x7FFFFF > least, one, none)
        if self.mode != "rceil":
            field = field - int(np.log2(self.largest))
        field = m.where(field < 0, m.constant(0, "int32"), field)
        field = m.where(there, m.where(field > 254, m.constant(254, "int32"), field), 255)
        return m.convert(field, "uint8"), load(field), None


@dataclass(frozen=True)
class Scales:
    """Floats of 8 bits, so that the largest magnitude of a block is `last` times its scale."""

    grid: Floats
    least: float
    last: float

    stored: ClassVar[str] = "uint8"
    affine: ClassVar[bool] = False

    def make(self, m, figures, load, tensor):
        (amax,) = figures
        scale = amax / self.last
        if tensor is not None:
            scale = scale / tensor
        scale = m.maximum(m.minimum(scale, self.grid.largest), self.least)
        code = self.grid.nearest(m, scale)
        code = m.where(amax < np.inf, code, self.grid.last_code + 1)
        return m.convert(code, "uint8"), load(code), None


@dataclass(frozen=True)
class Reals:
    """Floats of 16 or 32 bits: the largest magnitude over `last`, or the range of the block."""

    stored: str
    last: float
    affine: bool

    def make(self, m, figures, load, tensor):
        if self.affine:
            low, high = figures
            scale = high / self.last - low / self.last
        else:
            (amax,) = figures
            scale = amax if self.last == 1 else amax / self.last
        wide = scale
        if self.stored == "float16":
            scale = m.rounded(scale, "float16")
            scale = m.where((scale >= _LEAST_HALF) | (wide == 0), scale, np.nan)
        scale = m.where(scale < np.inf, scale, np.nan)
        zero = None
        if self.affine:
            zero = m.minimum(m.rint(m.product(-low, _reciprocal(m, wide))), self.last)
        return scale, _reciprocal(m, scale), zero


class Tensor(NamedTuple):
    """How a scale of the tensor is found.

    Attributes
    ----------
    given : float
        The scale, or 0.
    most, least : float
        The largest magnitude of the array over `most`, but at least `least`.
    """

    given: float
    most: float
    least: float


def _reciprocal(m, scale):
    """``1 / scale``, at most the largest float32; 0 for 0 and NaN."""
    inverse = m.minimum(m.constant(1, "float32") / scale, _MOST)
    return m.where(scale > 0, inverse, 0.0)

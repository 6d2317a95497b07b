"""Grids of numbers that elements and scales are rounded to."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..._array import frozen
from ..._cpu import block_formats as loops
from ..._cuda import grids

Array = NDArray[Any]
Rotation = tuple[Array, int, int]


class Grid(ABC):
    """What elements may be: how rows are encoded to bytes, and decoded."""

    bits: int

    def nbytes(self, count: int) -> int:
        """Bytes of a row of `count` elements."""
        return -(-count * self.bits // 8)

    @abstractmethod
    def encode(
        self,
        x: Array,
        rotation: Rotation,
        block: int,
        factors: Array,
        offsets: Array,
        chance: tuple[bool, np.uint64],
        start: int,
        packed: Array,
        stored: int,
    ) -> None:
        """Rows, rotated, times the factors of their blocks, less offsets, to `packed` bytes."""

    @abstractmethod
    def decode(
        self,
        packed: Array,
        rotation: Rotation,
        block: int,
        factors: Array,
        offsets: Array,
        out: Array,
        stored: int,
    ) -> None:
        """Rows from bytes: elements less offsets, times the factors of blocks, rotated back."""

    @abstractmethod
    def decoded(self, packed: Array, stored: int) -> Array:
        """Elements as they are, (rows, stored)."""

    def traced(self) -> Any:
        """What kernels of a device know this grid by."""
        raise NotImplementedError(f"a {type(self).__name__} is on the host only")


class NumberGrid(Grid):
    """Numbers that codes of `bits` bits stand for, one by one."""

    kind: ClassVar[str]  # of loops

    @property
    @abstractmethod
    def values(self) -> Array:
        """What each code stands for, float32."""

    @property
    @abstractmethod
    def rule(self) -> Array:
        """Integers that the loops of this kind round by."""

    @property
    def largest(self) -> float:
        """The largest number."""
        return float(self.values[np.isfinite(self.values)].max())

    def nearest(self, x: Array) -> Array:
        """Codes of the numbers nearest to `x`, float32 of any shape."""
        codes = np.empty(x.shape, np.uint8)
        flat = frozen(x.reshape(-1))
        loops.nearest(self.kind)(flat, self.values, self.rule, codes.reshape(-1))
        return codes

    def pack(self, codes: Array, packed: Array) -> None:
        """Rows of codes to rows of bytes."""
        loops.pack(self.bits)(codes, packed)

    def unpacked(self, packed: Array, stored: int) -> Array:
        """Rows of bytes to rows of so many codes."""
        codes = np.empty((len(packed), stored), np.uint8)
        loops.unpack(self.bits)(packed, codes)
        return codes

    def decoded(self, packed: Array, stored: int) -> Array:
        return self.values[self.unpacked(frozen(packed), stored)]

    def encode(
        self,
        x: Array,
        rotation: Rotation,
        block: int,
        factors: Array,
        offsets: Array,
        chance: tuple[bool, np.uint64],
        start: int,
        packed: Array,
        stored: int,
    ) -> None:
        codes = np.empty((len(x), stored), np.uint8)
        loops.encode(self.kind)(
            x, rotation, block, factors, offsets, self.values, self.rule, *chance, start, codes
        )
        self.pack(codes, packed)

    def decode(
        self,
        packed: Array,
        rotation: Rotation,
        block: int,
        factors: Array,
        offsets: Array,
        out: Array,
        stored: int,
    ) -> None:
        codes = self.unpacked(packed, stored)
        loops.decode()(frozen(codes), rotation, block, factors, offsets, self.values, out)


@dataclass(frozen=True)
class FloatGrid(NumberGrid):
    """Floating-point numbers: a sign (unless not `signed`), exponent bits, mantissa bits.

    The bias is 2**(exponent - 1) - 1; zero and subnormal numbers have exponent bits 0. `special` is
    "" where all codes are numbers, "nan" where all ones are NaN, "ieee" where all ones of the
    exponent are infinity and NaN.
    """

    exponent: int
    mantissa: int
    special: str = ""
    signed: bool = True

    kind: ClassVar[str] = "float"

    @property
    def bits(self) -> int:  # type: ignore[override]
        return self.exponent + self.mantissa + self.signed

    @property
    def bias(self) -> int:
        return (1 << (self.exponent - 1)) - 1

    @cached_property
    def values(self) -> Array:
        codes = np.arange(1 << (self.exponent + self.mantissa))
        field, fraction = codes >> self.mantissa, codes & ((1 << self.mantissa) - 1)
        whole = fraction + np.where(field > 0, 1 << self.mantissa, 0)
        values = np.ldexp(whole, np.maximum(field, 1) - self.bias - self.mantissa)
        if self.special == "nan":
            values[-1] = np.nan
        if self.special == "ieee":
            values[-(1 << self.mantissa) :] = np.nan
            values[-(1 << self.mantissa)] = np.inf
        values = np.r_[values, -values] if self.signed else values
        return frozen(values.astype(np.float32))

    def traced(self) -> grids.Floats:
        return grids.Floats(self.exponent, self.mantissa, self.special, self.signed, self.largest)

    @cached_property
    def rule(self) -> Array:
        largest = np.float32(self.largest).view(np.int32)
        least = (128 - self.bias) << 23
        return frozen(np.array([self.mantissa, least, largest, self.exponent + self.mantissa]))


@dataclass(frozen=True)
class IntegerGrid(NumberGrid):
    """Integers: two's complement without the least one, or from 0 on if not `signed`."""

    bits: int
    signed: bool = True

    kind: ClassVar[str] = "integer"

    @cached_property
    def values(self) -> Array:
        values = np.arange(1 << self.bits, dtype=np.float32)
        if self.signed:
            values[values.size // 2 :] -= values.size
        return frozen(values)

    def traced(self) -> grids.Integers:
        low, high, _ = self.rule.tolist()
        return grids.Integers(self.bits, low, high)

    @cached_property
    def rule(self) -> Array:
        last = (1 << (self.bits - self.signed)) - 1
        return frozen(np.array([-last if self.signed else 0, last, (1 << self.bits) - 1]))


@dataclass(frozen=True)
class TableGrid(NumberGrid):
    """Any increasing numbers; of two as near, the lower one."""

    table: tuple[float, ...]

    kind: ClassVar[str] = "table"

    @property
    def bits(self) -> int:  # type: ignore[override]
        return (len(self.table) - 1).bit_length()

    @cached_property
    def values(self) -> Array:
        return frozen(np.array(self.table, np.float32))

    def traced(self) -> grids.Table:
        return grids.Table(tuple(self.values.tolist()))

    @cached_property
    def rule(self) -> Array:
        return frozen(np.zeros(0, np.int64))


class TernaryGrid(TableGrid):
    """-1, 0 and 1, five of them in a byte; 256 values take 52 bytes."""

    def __init__(self) -> None:
        super().__init__((-1.0, 0.0, 1.0))

    def nbytes(self, count: int) -> int:
        return count // loops.GROUP * loops.GROUP_BYTES

    def pack(self, codes: Array, packed: Array) -> None:
        loops.pack_trits()(codes, packed)

    def unpacked(self, packed: Array, stored: int) -> Array:
        codes = np.empty((len(packed), stored), np.uint8)
        loops.unpack_trits()(packed, codes)
        return codes


E2M1 = FloatGrid(2, 1)
E2M3 = FloatGrid(2, 3)
E3M2 = FloatGrid(3, 2)
E4M3 = FloatGrid(4, 3, "nan")
E5M2 = FloatGrid(5, 2, "ieee")
UE5M3 = FloatGrid(5, 3, "nan", signed=False)

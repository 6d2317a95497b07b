"""What encoders return: packed arrays that know their size, their encoder and a form in bytes."""

from __future__ import annotations

import math
import weakref
from abc import ABC, abstractmethod
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from .._array import is_device_array
from .._cuda import wrap
from . import _bytes

Array = NDArray[Any]


class Described(ABC):
    """An object that a dictionary of numbers, strings, arrays and such objects describes."""

    @abstractmethod
    def _state(self) -> dict[str, Any]:
        """What `_from_state` makes the same object of."""

    @classmethod
    def _from_state(cls, state: dict[str, Any]) -> Self:
        return cls(**state)

    def __reduce__(self) -> tuple[Any, ...]:
        # What is kept besides may hold addresses of compiled code, of this process alone.
        return _restored, (type(self), self._state())


class Made(Described):
    """A described object whose constructor computes its state: `_set` takes what it found."""

    @abstractmethod
    def _set(self, *state: Any) -> None:
        """Set all attributes from the values of `_state`, by their names."""

    @classmethod
    def _from_state(cls, state: dict[str, Any]) -> Self:
        made = cls.__new__(cls)
        made._set(**state)
        return made


def _restored(kind: type[Described], state: dict[str, Any]) -> Described:
    return kind._from_state(state)


class Codec(Described):
    """Encoder of arrays, and decoder of its own codes."""

    @abstractmethod
    def decode(self, codes: Any) -> Array:
        """The array that `codes` stand for, of their shape."""

    def _identity(self) -> dict[str, Any]:
        """What codecs of one class must have in common to read each other's codes."""
        return self._state()

    def _check(self, codes: Any) -> None:
        """Refuse codes that were not made by this codec or an equal one.

        Others may have arrays of the same shapes, and would be read as other numbers.
        """
        if not isinstance(codes, Codes):
            raise TypeError(f"codes must be what encode returned; got {type(codes).__name__}")
        made = codes.codec
        # States are compared once: the last codec found to be equal is remembered.
        last = self.__dict__.get("_equal")
        if made is self or (last is not None and last() is made):
            return
        maker = type(made).__name__
        if type(made) is type(self):
            own, its = self._identity(), made._identity()
            different = [key for key in own if not _same(own[key], its.get(key))]
            if not different:
                self.__dict__["_equal"] = weakref.ref(made)
                return
            maker = f"another {maker}, which differs in {', '.join(different)}"
        raise ValueError(
            f"codes were made by {maker}; this {type(self).__name__} reads its own codes and those "
            "of an equal one. codes.decode() reads them with the codec that made them, codes.codec"
        )


def _same(one: Any, other: Any) -> bool:
    """Whether two values of a state are equal."""
    if one is other:
        return True
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        return type(one) is type(other) and np.array_equal(one, other)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[k], other[k]) for k in one)
    if isinstance(one, Described) and type(one) is type(other):
        return _same(one._state(), other._state())
    return bool(one == other)


@dataclass(frozen=True, eq=False, repr=False)
class Codes:
    """Codes of an array: small arrays, and the codec that reads them.

    Attributes
    ----------
    codec : object
        What made the codes; its parameters are not counted in their size.
    shape : tuple of int
        Of the array that was encoded.

    Notes
    -----
    ``codes[i]``, with an integer, a slice or an array of integers or booleans, are the codes of
    these rows; ``len(codes)`` is the number of rows.
    """

    codec: Any
    shape: tuple[int, ...]

    # Fields that hold for all rows, and so are kept whole when rows are taken.
    _shared: ClassVar[tuple[str, ...]] = ()

    def _arrays(self) -> dict[str, Array]:
        values = ((f.name, getattr(self, f.name)) for f in fields(self))
        return {
            name: value
            for name, value in values
            if isinstance(value, np.ndarray) or is_device_array(value)
        }

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays: packed values, scales, norms and the like."""
        return sum(
            wrap(a).nbytes if is_device_array(a) else a.nbytes for a in self._arrays().values()
        )

    @property
    def bits_per_value(self) -> float:
        """Bits of all arrays for each number that was encoded."""
        return 8 * self.nbytes / max(1, math.prod(self.shape))

    def decode(self) -> Array:
        """The array that these codes stand for."""
        return self.codec.decode(self)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any) -> Self:
        one = isinstance(rows, int | np.integer)
        chosen = np.arange(len(self))[rows]
        if chosen.ndim > 1:
            raise IndexError("codes are indexed by row: with an integer, a slice or one array")
        take = [int(chosen)] if one else rows
        some = {n: a for n, a in self._arrays().items() if n not in self._shared}
        if any(map(is_device_array, some.values())):
            if not (one or isinstance(rows, slice)):
                raise NotImplementedError(
                    "codes on a device are indexed with an integer or a slice; "
                    f"got {type(rows).__name__}"
                )
            take = slice(int(chosen), int(chosen) + 1) if one else rows
        parts = {n: a[take] for n, a in some.items()}
        shape = self.shape[1:] if one else (chosen.size, *self.shape[1:])
        return replace(self, shape=shape, **parts)

    def __repr__(self) -> str:
        name, codec = type(self).__name__, type(self.codec).__name__
        size = f"{self.nbytes} bytes, {self.bits_per_value:.3f} bits a value" if self.shape else ""
        return f"{name}({codec}, shape={self.shape}, {size})"

    def to_host(self) -> Self:
        """These codes with arrays of NumPy: a copy of those that are on a device."""
        found: dict[str, Any] = {
            n: wrap(a).host() for n, a in self._arrays().items() if is_device_array(a)
        }
        return replace(self, **found)

    def to_bytes(self) -> bytes:
        """These codes with their codec as bytes, with a version and a checksum.

        Raises
        ------
        TypeError
            If they are on a device: ``codes.to_host().to_bytes()`` copies them first.
        """
        if any(map(is_device_array, self._arrays().values())):
            raise TypeError("the codes are on a device; codes.to_host().to_bytes() copies them")
        state = {f.name: getattr(self, f.name) for f in fields(self)}
        return _bytes.pack(type(self).__name__, state)

    @staticmethod
    def from_bytes(data: bytes) -> Codes:
        """Codes from what `to_bytes` returned.

        Raises
        ------
        ValueError
            If bytes are missing or were altered, or come from a later version.
        """
        name, state = _bytes.unpack(data)
        kind = _bytes.find(name, Codes)
        try:
            return kind(**(state | {"shape": tuple(state["shape"])}))
        except (KeyError, TypeError) as error:
            raise ValueError(f"the bytes do not describe {name}") from error

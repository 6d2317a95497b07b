"""Queries of a plan, and their values, on a device."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import _cuda
from .._cuda import spright
from .._cuda.workspace import Workspace
from ._design import Blocks

DTYPES = ("float32", "float64", "complex64", "complex128", "int32", "int64")


def points(like: Any, blocks: Blocks, index: np.ndarray, n: int) -> Any:
    """The points with those numbers as rows of uint8 zeros and ones, (m, n)."""
    given = _cuda.wrap(like)
    with given.context():
        space = Workspace(given)
        out = space.array((len(index), n), "uint8")
        limits, firsts, columns, shifts = blocks.tables()
        arrays = [space.table(a) for a in (index, limits, firsts, columns, shifts)]
        sizes = len(firsts), n, shifts.shape[1], len(index)
        threads = len(index) * -(-n // 8)
        space.run(spright.points(), threads, *arrays, out.flat(), *sizes)
    return out.array


def table(values: Any, n: int) -> Callable[[Any], Any]:
    """An array of 2**n values (or rows of outputs) as a function of bits."""
    given = _checked(values, "f")
    if len(given.shape) not in (1, 2) or given.shape[0] != 1 << n:
        raise ValueError(
            f"f must be callable or have 2**n = {1 << n} rows; got the shape {given.shape}"
        )

    def lookup(bits: Any) -> Any:
        rows = _cuda.wrap(bits)
        with given.context():
            space = Workspace(given)
            count = rows.shape[0]
            out = space.array((count, *given.shape[1:]), given.dtype)
            parts = (2 if given.dtype.startswith("complex") else 1) * math.prod(given.shape[1:])
            arrays = rows.flat(), given.flat(), out.flat()
            space.run(spright.look_up(), count, *arrays, n, parts, count)
        return out.array

    return lookup


def _checked(values: Any, name: str) -> _cuda.NumbaArray:
    given = _cuda.check_dtype(_cuda.wrap(values), DTYPES, name)
    with given.context():
        return given if given.contiguous else given.compact()


class Samples:
    """Values told on one device, as real numbers (queries, outputs) in float64."""

    def __init__(self) -> None:
        self.like: _cuda.NumbaArray | None = None
        self.scalar, self.complex = True, False
        self.outputs, self.eps = 0, 0.0
        self._count, self._values = 0, None

    def tell(self, index: np.ndarray, values: Any, count: int) -> None:
        """Take values of queries, of `count` in all; nothing if they do not fit."""
        given = _checked(values, "values")
        shape = given.shape
        if len(shape) not in (1, 2) or shape[0] != len(index) or shape[1:] == (0,):
            raise ValueError(
                f"values must have the shape ({len(index)},) or ({len(index)}, p), one for each "
                f"query; got {shape}"
            )
        form = len(shape) == 1, given.dtype.startswith("complex")
        outputs = (shape[1] if shape[1:] else 1) * (2 if form[1] else 1)
        if self.like is None:
            (self.scalar, self.complex), self.outputs = form, outputs
        elif form != (self.scalar, self.complex) or outputs != self.outputs:
            raise ValueError(
                "values must have as many outputs as those told before on the device, and be real "
                f"or complex as these; got the shape {shape} and dtype {given.dtype}"
            )
        elif type(given) is not type(self.like) or given.device != self.like.device:
            raise TypeError(
                f"values are {given.library} on device {given.device}; those told before are "
                f"{self.like.library} on device {self.like.device}"
            )
        self.like = given
        with given.context():
            space = Workspace(given)
            self._extend(space, count)
            arrays = self._values, space.table(index), given.flat()
            numbers = len(index) * outputs
            space.run(spright.scatter(), numbers, *arrays, outputs, len(index))
        kind = {"complex64": "float32", "complex128": "float64"}.get(given.dtype, given.dtype)
        real = np.dtype(kind if kind.startswith("float") else "float64")
        self.eps = max(self.eps, float(np.finfo(real).eps))

    def _extend(self, space: Workspace, count: int) -> None:
        if count > self._count:
            larger = space.zeros(count * self.outputs, "float64")
            if self._count:
                space.copy(larger, self._values, self._count * self.outputs)
            self._values, self._count = larger, count

    def complete(
        self, copies: list[tuple[np.ndarray, np.ndarray]], count: int
    ) -> tuple[Workspace, Any]:
        """All values, those of repeated queries filled in; to be called in `context`."""
        assert self.like is not None
        space = Workspace(self.like)
        self._extend(space, count)
        for pair in copies:
            later, earlier = (space.table(part) for part in pair)
            numbers = len(pair[0]) * self.outputs
            sizes = self.outputs, len(pair[0])
            space.run(spright.repeat(), numbers, self._values, later, earlier, *sizes)
        return space, self._values

    def context(self) -> Any:
        """A context manager that makes the device current."""
        assert self.like is not None
        return self.like.context()

    def largest(self) -> float:
        """Largest magnitude.

        Raises
        ------
        ValueError
            If a value is not finite.
        """
        space, values = self.complete([], self._count)
        largest = space.largest(values, self._count * self.outputs)
        if not np.isfinite(largest):
            raise ValueError("a value that was told on the device is not finite")
        return largest

    def mean_square(self) -> float:
        """Mean square of all values."""
        with self.context():
            space, values = self.complete([], self._count)
            count = self._count * self.outputs
            return space.dot(values, values, count) / count

    def host(self, count: int) -> np.ndarray:
        """A copy of the values on the host, as those told there are kept."""
        with self.context():
            space, values = self.complete([], count)
            real = space.host(values)[: count * self.outputs].reshape(count, self.outputs)
        return real.view(np.complex128) if self.complex else real

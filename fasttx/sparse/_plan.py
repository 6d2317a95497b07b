"""What all sparse transforms share: a design of queries that are asked, told, saved and decoded."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from typing import Any, Generic, Self, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from .._array import check_count, is_device_array

_FORMAT = 1  # of the files that `Plan.save` writes
_SCAN = 1 << 20  # queries looked through at a time

Result = TypeVar("Result")


def seed_of(rng: Any) -> list[int]:
    """A seed drawn from what SPEC 7 calls `rng`: the plan's own, so that a file can hold it."""
    draws = np.random.default_rng(rng).integers(0, 2**32, size=4)
    return [int(v) for v in draws]


class Plan(Generic[Result]):
    """Queries of one sparse transform, and what an oracle has answered.

    A subclass sets `_config` (its arguments as JSON knows them, the seed among them), lays its
    first queries with `_extend`, and defines `_points`, `_decode`, `_next` and `_apply`.
    """

    _config: dict[str, Any]

    def __init__(self, tag: str):
        self.tag = str(tag)
        self._values: np.ndarray | None = None
        self._scalar = True
        self._eps = 0.0
        self._told = np.zeros(0, bool)
        self._fresh = np.zeros(0, bool)
        self._copies: list[tuple[np.ndarray, np.ndarray]] = []
        self._missing = 0
        self._log: list[Any] = []
        self._result: Result | None = None

    # What a subclass defines.

    def _points(self, index: np.ndarray) -> np.ndarray:
        """What the oracle is asked at those queries."""
        raise NotImplementedError

    def _decode(self) -> Result:
        """The result of the values told; all are there."""
        raise NotImplementedError

    def _next(self, result: Result) -> Any:
        """How the design should grow, as JSON knows it; None if it should not."""
        raise NotImplementedError

    def _apply(self, action: Any) -> None:
        """Grow the design."""
        raise NotImplementedError

    # What a user calls.

    @property
    def n_queries(self) -> int:
        """Number of queries told."""
        return int(np.count_nonzero(self._told & self._fresh))

    @property
    def n_planned(self) -> int:
        """Number of different queries in the design so far."""
        return int(np.count_nonzero(self._fresh))

    def queries(self, chunk_size: int = 4096) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """The queries that have not been told, in chunks ``(idx, points)``.

        Parameters
        ----------
        chunk_size : int, optional
            Most queries in a chunk.

        Yields
        ------
        idx : ndarray of int64, shape (m,)
            Numbers of the queries, for `tell`.
        points : ndarray, shape (m, n)
            Where to evaluate the function: a row for each query.

        Notes
        -----
        Chunks may be told in any order, and later. When all have been told by the time that they
        are used up, the values are decoded; if they do not suffice and `max_queries` allows, the
        design grows and the iteration goes on. If some have not, it ends: tell them, ask again.
        """
        for index in self._chunks(chunk_size):
            yield index, self._points(index)

    def _chunks(self, chunk_size: int) -> Iterator[np.ndarray]:
        chunk_size = check_count(chunk_size, "chunk_size")
        start = 0
        while True:
            held = np.empty(0, np.int64)
            for index in self._untold(start):
                held = np.concatenate([held, index])
                while len(held) >= chunk_size:
                    yield held[:chunk_size]
                    held = held[chunk_size:]
            start = len(self._told)
            if len(held):
                yield held
            if self._missing or not self._grow():
                return

    def tell(self, idx: ArrayLike, values: ArrayLike) -> None:
        """Hand in the function's values at queries.

        Parameters
        ----------
        idx : array_like of int, shape (m,)
            Numbers of the queries, as `queries` gave them.
        values : array_like, shape (m,) or (m, p)
            Real or complex; p outputs of the function are recovered together.

        Raises
        ------
        ValueError
            If the number of values is not that of the queries, or one of them is not finite: then
            nothing is taken.
        IndexError
            If there is no such query.
        """
        index = self._known(idx)
        if is_device_array(values):
            raise TypeError("values are on a device; accepted are those on the host")
        found = _checked(values, index)
        table = found.reshape(len(found), -1)
        if self._values is None:
            self._scalar = found.ndim == 1
            kind = np.complex128 if found.dtype.kind == "c" else np.float64
            self._values = np.zeros((len(self._told), table.shape[1]), kind)
        elif (found.ndim == 1, table.shape[1]) != (self._scalar, self._values.shape[1]):
            shape = "(m,)" if self._scalar else f"(m, {self._values.shape[1]})"
            raise ValueError(f"values told before had the shape {shape}; got {found.shape}")
        elif found.dtype.kind == "c" and self._values.dtype.kind != "c":
            self._values = self._values.astype(np.complex128)
        self._eps = max(self._eps, float(np.finfo(found.dtype).eps))
        self._values[index] = table
        self._mark(index)

    def _known(self, idx: ArrayLike) -> np.ndarray:
        """Numbers of queries that there are."""
        index = np.asarray(idx)
        if index.ndim != 1 or index.dtype.kind not in "iu":
            raise ValueError("idx must be a one-dimensional array of integers")
        if len(index) and (index.min() < 0 or index.max() >= len(self._told)):
            raise IndexError(f"there are queries 0 to {len(self._told) - 1}; idx has others")
        return index

    def _mark(self, index: np.ndarray) -> None:
        """Note that queries have been told."""
        if len(index) > 1 and not np.all(index[1:] > index[:-1]):
            index = np.unique(index)
        self._missing -= int(np.count_nonzero(self._fresh[index] & ~self._told[index]))
        self._told[index] = True
        self._result = None

    def recover(self) -> Result:
        """Decode what has been told.

        Raises
        ------
        ValueError
            If queries of the design have not been told.
        """
        if self._missing:
            raise ValueError(
                f"{self._missing} of {self.n_planned} queries have not been told; "
                "queries() yields them"
            )
        if self._result is None:
            self._complete()
            self._result = self._decode()
        return self._result

    def save(self, path: str | os.PathLike) -> None:
        """Write the plan and all values told to an ``.npz`` file."""
        state = {"format": _FORMAT, "kind": type(self).__name__, "tag": self.tag}
        state |= {"config": self._config, "log": self._log, "hash": self.hash}
        state |= {"scalar": self._scalar, "eps": self._eps}
        values = self._kept()
        index = np.flatnonzero(self._told)
        with open(path, "wb") as file:
            np.savez(file, state=json.dumps(state), index=index, values=values[index])

    @classmethod
    def load(
        cls, path: str | os.PathLike, *, tag: str | None = None, like: Self | None = None
    ) -> Self:
        """Read a plan with its values.

        Parameters
        ----------
        path : path-like
            What `save` wrote.
        tag : str, optional
            The tag that the plan must carry, of the oracle whose values are meant.
        like : plan, optional
            A plan whose design and tag the file must have.

        Raises
        ------
        ValueError
            If the file is of another kind, plan or oracle, or is damaged.
        """
        with np.load(path, allow_pickle=False) as file:
            try:
                state = json.loads(str(file["state"]))
                index, values = file["index"], file["values"]
            except (KeyError, ValueError) as error:
                raise ValueError(f"{os.fspath(path)!r} does not hold a plan") from error
        if state.get("format") != _FORMAT or state.get("kind") != cls.__name__:
            raise ValueError(
                f"{os.fspath(path)!r} holds a {state.get('kind')} of format {state.get('format')}; "
                f"expected a {cls.__name__} of format {_FORMAT}"
            )
        if like is not None:
            tag = like.tag if tag is None else tag
            if state["hash"] != like.hash:
                raise ValueError(
                    f"{os.fspath(path)!r} holds the values of another plan: its hash is "
                    f"{state['hash']}, not {like.hash}"
                )
        if tag is not None and state["tag"] != tag:
            raise ValueError(
                f"{os.fspath(path)!r} holds the values of another oracle: its tag is "
                f"{state['tag']!r}, not {tag!r}"
            )
        plan = cls._rebuild(state["config"], state["tag"])
        for action in state["log"]:
            plan._log.append(action)
            plan._apply(action)
        if state["hash"] != plan.hash or (len(index) and index[-1] >= len(plan._told)):
            raise ValueError(f"{os.fspath(path)!r} is damaged: its queries are not its plan's")
        if len(index):
            plan.tell(index, values[:, 0] if state["scalar"] else values)
            plan._eps = state["eps"]
        return plan

    @property
    def hash(self) -> str:
        """What tells this plan from others: of its arguments and its seed."""
        text = json.dumps([type(self).__name__, self._config], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    @classmethod
    def _rebuild(cls, config: dict[str, Any], tag: str) -> Self:
        plan = cls.__new__(cls)
        plan._lay(config, tag)  # type: ignore[attr-defined]
        return plan

    # What a subclass uses.

    def _extend(self, count: int, copies: list[tuple[np.ndarray, np.ndarray]]) -> None:
        """Add so many queries; ``copies`` pairs those that repeat a query with that query."""
        self._told = np.concatenate([self._told, np.zeros(count, bool)])
        fresh = np.ones(count, bool)
        first = len(self._fresh)
        for repeats, _ in copies:
            fresh[repeats - first] = False
        self._fresh = np.concatenate([self._fresh, fresh])
        self._copies += copies
        self._missing += int(np.count_nonzero(fresh))
        self._result = None
        if self._values is not None:
            grown = np.zeros((len(self._told), self._values.shape[1]), self._values.dtype)
            grown[: len(self._values)] = self._values
            self._values = grown

    def _kept(self) -> np.ndarray:
        """Values of all queries, as a file keeps them."""
        return np.zeros((len(self._told), 1)) if self._values is None else self._values

    def _grow(self) -> bool:
        action = self._next(self.recover())
        if action is None:
            return False
        self._log.append(action)
        self._apply(action)
        return True

    def _complete(self) -> None:
        """Fill in the values of repeated queries."""
        if self._values is None:
            raise ValueError("no value has been told")
        for repeats, queries in self._copies:
            self._values[repeats] = self._values[queries]

    def _untold(self, start: int) -> Iterator[np.ndarray]:
        for first in range(start, len(self._told), _SCAN):
            span = slice(first, first + _SCAN)
            yield first + np.flatnonzero(self._fresh[span] & ~self._told[span])


def _checked(values: ArrayLike, index: np.ndarray) -> np.ndarray:
    """The oracle's answer as an array of a floating dtype, one row for each query."""
    found = np.asarray(values)
    if found.dtype.kind not in "buifc":
        raise ValueError(f"values must be numbers; got the dtype {found.dtype}")
    if found.ndim not in (1, 2) or len(found) != len(index) or found.shape[1:] == (0,):
        raise ValueError(
            f"values must have the shape ({len(index)},) or ({len(index)}, p), one for each query; "
            f"got {found.shape}"
        )
    if found.dtype.kind in "bui":
        return found.astype(np.float64)
    finite = np.isfinite(found).reshape(len(found), -1).all(axis=1)
    if not finite.all():
        row = int(np.argmin(finite))
        raise ValueError(f"the value of query {index[row]} is not finite: {found[row]}")
    return found

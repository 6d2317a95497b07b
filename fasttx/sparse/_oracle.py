"""Asking an oracle all that a plan wants to know, in parallel if it can be."""

from __future__ import annotations

import collections
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np

from .. import _threads
from ._bits import pack
from ._plan import Plan

_CHUNK = 4096
_IN_FLIGHT = 32  # chunks handed to an executor of unknown size


def table(values: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """An array of 2**n values (or rows of outputs) as a function of bits."""

    def lookup(bits: np.ndarray) -> np.ndarray:
        return values[pack(bits)[:, 0].astype(np.int64)]

    return lookup


def ask(
    plan: Plan,
    f: Callable,
    workers: Any = None,
    progress: bool = False,
    queries: Callable[[int], Iterator] | None = None,
    chunk: int = _CHUNK,
) -> None:
    """Evaluate `f` at the queries of a plan, or as `queries` gives them, until it wants no more.

    What f has returned is told before an exception of f is raised again, with the number of its
    chunk as a note and the plan as its attribute ``plan``.
    """
    with _pool(workers) as (pool, width), _bar(plan, progress) as advance:
        number = 0
        while True:
            before = number
            size = max(1, min(chunk, -(-plan._missing // (4 * width)))) if width > 1 else chunk
            waiting: collections.deque = collections.deque()
            try:
                for index, points in (queries or plan.queries)(size):
                    if pool is None:
                        waiting.append((number, index, _Done(f, points)))
                    else:
                        waiting.append((number, index, pool.submit(f, points)))
                    number += 1
                    if len(waiting) >= (1 if pool is None else max(2 * width, 2)):
                        _settle(plan, waiting, advance)
                while waiting:
                    _settle(plan, waiting, advance)
            except BaseException:
                _rescue(plan, waiting)
                raise
            if number == before:
                return


class _Done:
    """A call made at once, that looks like a future."""

    def __init__(self, f, points):
        self._call = f, points

    def result(self):
        f, points = self._call
        return f(points)

    def cancel(self):
        return True


def _settle(plan: Plan, waiting: collections.deque, advance: Callable[[int], None]) -> None:
    number, index, future = waiting.popleft()
    try:
        plan.tell(index, future.result())
    except BaseException as error:
        error.add_note(
            f"in chunk {number} of the oracle's queries (numbers {index[0]} to {index[-1]}); "
            "the plan with all values told so far is the exception's attribute `plan`"
        )
        error.plan = plan  # type: ignore[attr-defined]
        raise
    advance(len(index))


def _rescue(plan: Plan, waiting: collections.deque) -> None:
    """Tell what other chunks in flight have found."""
    futures = [(index, future) for _, index, future in waiting if not future.cancel()]
    for index, future in futures:
        try:
            plan.tell(index, future.result())
        except Exception:  # the first error is the one to report
            continue


@contextmanager
def _pool(workers: Any) -> Iterator[tuple[Any, int]]:
    if workers is None:
        yield None, 1
    elif hasattr(workers, "submit"):
        yield workers, _IN_FLIGHT // 2
    else:
        count = _threads.check_workers(workers)
        if count == 1:
            yield None, 1
            return
        with ThreadPoolExecutor(count, thread_name_prefix="fasttx-oracle") as pool:
            yield pool, count


@contextmanager
def _bar(plan: Plan, progress: bool) -> Iterator[Callable[[int], None]]:
    if not progress:
        yield lambda _: None
        return
    try:
        from tqdm.auto import tqdm
    except ImportError as error:
        raise ImportError("progress=True needs tqdm: pip install tqdm") from error
    with tqdm(total=plan.n_planned, unit="query") as bar:

        def advance(count: int) -> None:
            bar.total = plan.n_planned
            bar.update(count)

        yield advance

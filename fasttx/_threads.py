"""Threads: one lazily made pool, re-made after a fork, on which compiled loops run without the GIL.

Work is split by rows or by blocks whose arithmetic does not depend on the split, so results have
the same bits whatever the number of workers.
"""

import collections
import contextvars
import itertools
import operator
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

# Below this many elements, handing work to another thread costs more than it saves.
SERIAL_BELOW = 1 << 17

# int64 numbers of a stage's counters: those begun and those done, on cache lines of their own.
COUNTERS = 16

_limit: contextvars.ContextVar[int | None] = contextvars.ContextVar("fasttx_threads", default=None)
_pool: ThreadPoolExecutor | None = None


def _forget_pool() -> None:
    global _pool
    _pool = None


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_forget_pool)


def allowed_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS, not on Windows
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    # Set in the workers of joblib, Dask and others so that threads do not multiply.
    bound = os.environ.get("OMP_NUM_THREADS", "")
    return min(cores, int(bound)) if bound.isdecimal() and int(bound) > 0 else cores


@contextmanager
def threads(n: int) -> Iterator[None]:
    """Use at most `n` threads for calls with ``workers=None`` inside the ``with`` block.

    Parameters
    ----------
    n : int
        Number of threads, at least 1. Holds for the current thread (or asyncio task) only.

    Examples
    --------
    >>> import fasttx, numpy as np
    >>> with fasttx.threads(1):
    ...     y = fasttx.fwht(np.ones(1 << 18))
    """
    token = _limit.set(check_workers(n))
    try:
        yield
    finally:
        _limit.reset(token)


def check_workers(workers: int) -> int:
    try:
        count = operator.index(workers)
    except TypeError:
        kind = type(workers).__name__
        raise TypeError(f"workers must be an integer or None; got {kind}") from None
    if count < 1:
        raise ValueError(f"workers must be at least 1, or None for all allowed cores; got {count}")
    return count


def resolve(workers: int | None, elements: int) -> int:
    """Number of threads for work on that many elements."""
    if workers is not None:
        return check_workers(workers)
    if elements < SERIAL_BELOW:
        return 1
    return _limit.get() or allowed_cores()


Task = Callable[[int, int], object]


def share(task: Task, units: int, workers: int) -> None:
    """Call ``task(first, last)`` on ranges that cover `units`, each worker taking the next range.

    A few ranges a worker, so that a thread that starts late or is disturbed gets less to do.
    """
    in_turn([(task, units)], workers)


def in_turn(stages: Sequence[tuple[Task, int]], workers: int) -> None:
    """`share` several tasks, each of which begins when the one before has ended.

    Waking a thread takes as long as transforming 2**16 numbers: it happens once for all of them.
    """
    if workers == 1 or all(units < 2 for _, units in stages):
        for task, units in stages:
            task(0, units)
        return
    waiting = [collections.deque(spans(units, 4 * workers)) for _, units in stages]
    parts = [len(ranges) for ranges in waiting]
    ended: list[list[None]] = [[] for _ in stages]
    failed: list[None] = []

    def work() -> None:
        for (task, _), ranges, number, done in zip(stages, waiting, parts, ended, strict=True):
            try:
                while not failed:
                    try:
                        first, last = ranges.popleft()
                    except IndexError:
                        break
                    task(first, last)
                    done.append(None)
            except BaseException:
                failed.append(None)  # an error or an interrupt in one thread ends the others
                raise
            turns = 0
            while len(done) < number and not failed:
                turns += 1
                time.sleep(0 if turns < 1000 else 1e-4)
            if failed:
                return

    _run(work, min(workers, max(parts)))


def together(call: Callable[["np.ndarray"], object], stages: int, workers: int) -> None:
    """Call a compiled loop in several threads at once, which share its work among themselves.

    They do so by counters: for each of so many stages, units begun and units done. When the call in
    this thread returns, all is done; a thread that comes later finds no work and touches no array.
    """
    import numpy as np

    counters = np.zeros(stages * COUNTERS, np.int64)
    for _ in range(workers - 1):
        try:
            _get_pool().submit(call, counters)
        except RuntimeError:  # the interpreter is shutting down
            break
    call(counters)


def spans(units: int, parts: int) -> list[tuple[int, int]]:
    """`units` split into at most so many even ranges ``(first, last)``."""
    parts = max(1, min(units, parts))
    cuts = [units * i // parts for i in range(parts + 1)]
    return list(itertools.pairwise(cuts))


def _run(task: Callable[[], object], workers: int) -> None:
    """Call `task` in that many threads at once, one of them this one; return when all ended."""
    futures = []
    for _ in range(workers - 1):
        try:
            futures.append(_get_pool().submit(task))
        except RuntimeError:  # the interpreter is shutting down
            break
    try:
        task()
    finally:
        # Those that no thread has begun have nothing left to do.
        for future in futures:
            if not future.cancel():
                future.result()


def _get_pool() -> ThreadPoolExecutor:
    global _pool
    if _pool is None:
        # Threads start one by one, as tasks find no idle one.
        _pool = ThreadPoolExecutor(max_workers=256, thread_name_prefix="fasttx")
    return _pool

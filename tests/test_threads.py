"""Threads: the same bits, many callers, forks, limits."""

import os
import sys
import threading

import numpy as np
import pytest

import fasttx
from fasttx import _threads


def arrays():
    rng = np.random.default_rng(0)
    yield rng.standard_normal((37, 256)).astype(np.float32), -1
    yield rng.standard_normal((37, 4)).astype(np.float32), -1
    yield rng.standard_normal(1 << 20).astype(np.float32), -1
    yield rng.standard_normal((1 << 12, 101)), 0
    yield rng.standard_normal((5, 12 << 6)), -1
    yield rng.standard_normal(12 << 15), -1
    yield rng.standard_normal((64, 999))[:, ::3], 0
    yield rng.standard_normal((64, 1024)).astype(np.float16), 1
    yield (rng.standard_normal((9, 512)) + 1j).astype(np.complex64), 1


@pytest.mark.parametrize("workers", [2, 3, 8])
def test_same_bits(workers):
    for x, axis in arrays():
        one = fasttx.fwht(x, axis=axis, norm="ortho", workers=1)
        assert np.array_equal(one, fasttx.fwht(x, axis=axis, norm="ortho", workers=workers))
    x = np.random.default_rng(0).standard_normal((3, 1 << 15))
    one = fasttx.fwht(x, order="sequency", workers=1)
    assert np.array_equal(one, fasttx.fwht(x, order="sequency", workers=workers))


def test_many_threads_call_at_once():
    x = np.random.default_rng(1).standard_normal((4, 1 << 18)).astype(np.float32)
    expected = fasttx.fwht(x, workers=1)
    wrong = []

    def call():
        for _ in range(4):
            if not np.array_equal(fasttx.fwht(x, workers=2), expected):
                wrong.append(1)

    callers = [threading.Thread(target=call) for _ in range(8)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert not wrong


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:This process.*multi-threaded:DeprecationWarning")
def test_after_fork():
    x = np.random.default_rng(2).standard_normal(1 << 19).astype(np.float32)
    expected = fasttx.fwht(x, workers=2)  # the pool's threads now exist, but not in the child
    child = os.fork()
    if child == 0:
        os._exit(0 if np.array_equal(fasttx.fwht(x, workers=2), expected) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_limits(monkeypatch):
    big, small = 1 << 22, 1 << 10
    cores = _threads.allowed_cores()
    assert _threads.resolve(None, small) == 1
    assert _threads.resolve(None, big) == cores
    assert _threads.resolve(5, small) == 5
    with fasttx.threads(3):
        assert _threads.resolve(None, big) == 3
        with fasttx.threads(1):
            assert _threads.resolve(None, big) == 1
        assert _threads.resolve(None, big) == 3
    assert _threads.resolve(None, big) == cores
    with pytest.raises(ValueError, match="at least 1"), fasttx.threads(0):
        pass
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # as joblib and Dask set it in their workers
    assert _threads.resolve(None, big) == 1


def test_systems_without_affinity(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    assert _threads.allowed_cores() >= 1


def test_an_error_in_a_task_reaches_the_caller():
    for wrong in range(8):
        done = []

        def task(first, last, wrong=wrong, done=done):
            if first <= wrong < last:
                raise KeyError("here")
            done.append((first, last))

        with pytest.raises(KeyError, match="here"):
            _threads.share(task, 8, 2)
        assert all(not first <= wrong < last for first, last in done)


def test_units_are_done_once_each():
    for units in (0, 1, 2, 7, 100):
        for workers in (1, 2, 3, 16):
            done = []
            _threads.share(
                lambda first, last, done=done: done.extend(range(first, last)), units, workers
            )
            assert sorted(done) == list(range(units))


def test_interpreter_shutdown():
    code = (
        "import atexit, numpy as np, fasttx\n"
        "x = np.ones(1 << 18, np.float32); fasttx.fwht(x, workers=2)\n"
        "atexit.register(lambda: print(fasttx.fwht(x, workers=2)[0]))\n"
    )
    import subprocess

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(float(1 << 18))

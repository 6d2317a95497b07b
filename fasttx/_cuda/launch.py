"""Launches of kernels with one thread for each place, and constant arrays on a device."""

import functools
import weakref

import numpy as np

from .memory import SIMULATED, cuda

# Numba warns of grids smaller than this; blocks without work cost less than silencing it safely.
MIN_BLOCKS = 1 if SIMULATED else 128
THREADS = 16 if SIMULATED else 256


def over(kernel, count: int, stream, *arguments) -> None:
    """Launch a kernel with at least `count` threads, one for each place; it checks its own.

    Parameters
    ----------
    kernel : dispatcher
        Of ``numba.cuda.jit``.
    count : int
    stream : Numba's stream
        As by `NumbaArray.stream`.
    *arguments
        Flat device arrays, as by `NumbaArray.flat`, and NumPy scalars.
    """
    blocks = max(-(-count // THREADS), MIN_BLOCKS)
    kernel[blocks, THREADS, stream](*arguments)


def on_device(table: np.ndarray, device: int):
    """A copy of a small constant array on the current device, of that number; the last are kept."""
    return made_on_device(_from_bytes, device, table.tobytes(), table.dtype.str)


def made_on_device(make, device: int, *arguments):
    """The constant array ``make(*arguments)``, as by `on_device`: made where it is not kept."""
    return _on_device(make, device, arguments)


@functools.lru_cache(maxsize=64)
def _on_device(make, device, arguments):
    return to_device(make(*arguments))


def to_device(table: np.ndarray):
    """A copy on the current device."""
    copy = cuda.to_device(table)
    cuda.synchronize()  # the copy may end after the call, and kernels run on streams of their own
    return copy


def _from_bytes(values, dtype):
    return np.frombuffer(values, dtype)


_KEPT: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()


def kept(owner, key: tuple, make) -> list:
    """Copies of the arrays of ``make()`` on the current device, made once while `owner` lives.

    `key` has the number of the device, and what else the arrays depend on.
    """
    copies = _KEPT.setdefault(owner, {})
    if key not in copies:
        copies[key] = [to_device(table) for table in make()]
    return copies[key]

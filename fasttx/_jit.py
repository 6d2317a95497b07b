"""Numba as this package uses it: serial, without the GIL, cached under a key that cannot go stale.

Numba's own cache looks at the one file that defines a function and so misses an edit of what that
function calls. Here the folder of the cache is named by a hash of every compiled source, of the
CPU with its features and of the versions underneath; whatever changes, the folder changes.
"""

import contextlib
import functools
import hashlib
import os
import sys
import tempfile
from pathlib import Path

import llvmlite
import numba
from llvmlite import binding
from numba import types
from numba.core import cgutils
from numba.core.caching import Cache, CompileResultCacheImpl
from numba.extending import intrinsic

_PACKAGE = Path(__file__).resolve().parent
_SOURCES = ("_jit.py", "jit.py", "_cpu/*.py")


@functools.cache
def host() -> tuple[str, dict[str, bool]]:
    """Name and features of the CPU that code is generated for."""
    if numba.config.CPU_NAME is not None:
        flags = (numba.config.CPU_FEATURES or "").split(",")
        return numba.config.CPU_NAME, {f[1:]: f[0] == "+" for f in flags if f}
    return binding.get_host_cpu_name(), dict(binding.get_host_cpu_features())


@functools.cache
def fingerprint() -> str:
    """Hash of all that compiled code depends on."""
    digest = hashlib.sha256()
    for pattern in _SOURCES:
        for path in sorted(_PACKAGE.glob(pattern)):
            digest.update(path.name.encode() + path.read_bytes())
    name, features = host()
    versions = (sys.version_info[:2], numba.__version__, llvmlite.__version__)
    digest.update(repr((name, sorted(features.items()), versions)).encode())
    return digest.hexdigest()[:16]


def cache_folders() -> list[Path]:
    """Where compiled code may be kept, in order of preference."""
    if os.environ.get("NUMBA_CACHE_DIR"):
        return [Path(os.environ["NUMBA_CACHE_DIR"]) / "fasttx"]
    if sys.platform == "win32":
        user = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        user = Path.home() / "Library" / "Caches"
    else:
        user = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return [user / "fasttx", _PACKAGE / "__pycache__"]


@functools.cache
def cache_folder() -> Path | None:
    """The folder that compiled code is kept in; None where none can be written."""
    for folder in cache_folders():
        target = folder / fingerprint()
        try:
            target.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=target):
                return target
        except OSError:
            continue
    return None


class _Locator:
    """Tells Numba's cache which folder to use (it asks by duck typing)."""

    def __init__(self, py_func):
        self._line = py_func.__code__.co_firstlineno

    @classmethod
    def from_function(cls, py_func, py_file):
        return cls(py_func)

    def get_cache_path(self):
        return str(cache_folder())

    def ensure_cache_path(self):
        Path(self.get_cache_path()).mkdir(parents=True, exist_ok=True)

    def get_source_stamp(self):
        return fingerprint()

    def get_disambiguator(self):
        return str(self._line)


class _CacheImpl(CompileResultCacheImpl):
    _locator_classes = (_Locator,)


class _FunctionCache(Cache):
    _impl_class = _CacheImpl

    def _index_key(self, sig, codegen):
        # Sources are in the folder's name and a factory's arguments in the function's own.
        return sig, codegen.magic_tuple()

    def load_overload(self, sig, target_context):
        try:
            found = super().load_overload(sig, target_context)
        except Exception:  # a damaged or vanished file: compile anew
            return None
        # Two processes that save at the same time may give one file to two signatures.
        return found if found is None or found.signature.args == tuple(sig) else None

    def save_overload(self, sig, data):
        with contextlib.suppress(Exception):  # a full disk costs the cache, not the call
            super().save_overload(sig, data)


def compiled(function):
    """An inner loop: compiled into the entry points that call it.

    One that a factory makes needs `compiled_as`: Numba numbers functions of one name by process, so
    that two of them, cached by two processes, could be taken for each other in a third.
    """
    if function.__closure__:
        raise TypeError(f"{function.__qualname__} is made by a factory: give it a name of its own")
    return numba.njit(function, nogil=True, error_model="numpy")


def compiled_as(name, *, any_order=False):
    """Decorator as `compiled`, for functions that a factory makes; `name` is unique.

    With `any_order` terms of sums may be added in any order, so that vectors can do it.
    """

    def decorate(function):
        function.__name__ = function.__qualname__ = name
        fastmath = {"reassoc", "contract"} if any_order else False
        return numba.njit(function, nogil=True, error_model="numpy", fastmath=fastmath)

    return decorate


def inlined(function):
    """A part of a larger loop, merged into each caller before it is typed: compiled once."""
    return numba.njit(function, inline="always")


def entry(name, *, any_order=False):
    """Decorator of a loop that Python calls; `name` is unique and names its files in the cache."""

    def decorate(function):
        dispatcher = compiled_as(name, any_order=any_order)(function)
        if cache_folder() is not None:
            dispatcher._cache = _FunctionCache(function)
        return dispatcher

    return decorate


def address_of(dispatcher, signature):
    """Address of an entry point, compiled for that signature."""
    dispatcher.compile(signature.args)
    result = dispatcher.overloads[signature.args]
    return result.library.get_pointer_to_function(result.fndesc.llvm_func_name)


def caller(signature):
    """``call(address, arguments)``: call what `address_of` gave, with a tuple of arguments.

    An entry point that calls another one by name would contain it, and take as long to compile.
    """

    @intrinsic
    def call(typingctx, address, arguments):
        def generate(context, builder, _, args):
            convention, wanted = context.call_conv, signature.args
            kind = convention.get_function_type(signature.return_type, wanted)
            values = [
                context.cast(builder, value, given, want)
                for value, given, want in zip(
                    cgutils.unpack_tuple(builder, args[1]), arguments, wanted, strict=True
                )
            ]
            pointer = builder.inttoptr(args[0], kind.as_pointer())
            convention.call_function(builder, pointer, signature.return_type, wanted, values)
            return context.get_dummy_value()

        return types.void(address, arguments), generate

    return call

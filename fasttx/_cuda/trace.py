"""Kernel bodies as Python functions on traced values.

A body is a function ``body(m, *arguments)`` of what one thread does, on values that stand for the
thread's numbers; `m` does what operators cannot. Compiled, an operation on a value emits an LLVM
instruction: Numba itself, whose analysis takes a millisecond for each statement of a long kernel,
sees one call (see `emitted`). Under the simulator the same body runs on numbers (`simulated`).

There is no control flow but `when`, `either` and `loop`; Python's own runs while tracing, so a
``for`` is unrolled.
"""

import linecache
from collections.abc import Callable, Sequence
from typing import Any

import numba

from . import memory
from .memory import SIMULATED, Kernel, cuda

if SIMULATED:
    from . import simulated
else:
    from . import emitted


def kernel(name: str, body: Callable, signature: Sequence, form: Any = None) -> Kernel:
    """The kernel of a body.

    Parameters
    ----------
    name : str
        Shown by profilers.
    body : callable
        ``body(m, *arguments)``; flat arrays, int64 and floats come as the signature says.
    signature : sequence of Numba types
        Of the kernel's arguments, as by `flat` for arrays.
    form : object
        Kept with the kernel. Its attribute ``most_registers``, if it has one, is how many a thread
        may have.
    """
    name = name.replace(" ", "_")
    arguments = ", ".join(f"a{i}" for i in range(len(signature)))
    if SIMULATED:
        text = f"def {name}({arguments}):\n    run(body, cuda, {arguments})\n"
        names = {"body": body, "run": simulated.run, "cuda": cuda}
    else:
        text = f"def {name}({arguments}):\n    emit(({arguments},))\n"
        names = {"emit": emitted.call(body)}
    file = f"<fasttx {name}>"
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    exec(compile(text, file, "exec"), names)
    limit = getattr(form, "most_registers", None)
    return Kernel(memory.jit(names[name], limit), tuple(signature), form)


def flat(name: str):
    """Numba's type of a flat array of numbers that kernels know by this name."""
    return getattr(numba, memory.stored(name).name)[::1]

"""Arithmetic on the elements of device arrays, one pass over the memory each.

The first operand x is an array of shape (outer, n, inner), C-contiguous, of real or complex
elements; the second, y, has its shape, or is a vector of n numbers that belong to the middle axis;
s is a number. All are read and written in vectors of 16 bytes where addresses and lengths allow it.
"""

import functools
import math

import numba
import numpy as np

from . import NumbaArray, launch, memory, trace
from .memory import KINDS, VECTOR_BYTES

# What becomes of real x, y and s, or of each part of a complex x where y is real.
OPERATIONS = {
    "copy": lambda m, x, y, s: x,
    "scale": lambda m, x, y, s: x * s,
    "shift": lambda m, x, y, s: x + s,
    "add": lambda m, x, y, s: x + y,
    "subtract": lambda m, x, y, s: x - y,
    "multiply": lambda m, x, y, s: x * y,
    "divide": lambda m, x, y, s: x / y,
    "multiply by root": lambda m, x, y, s: x * m.sqrt(y),
    "divide by root": lambda m, x, y, s: x / m.sqrt(y),
    "axpy": lambda m, x, y, s: s * x + y,
}
# Of complex x and y, as pairs; others of the above go part by part.
COMPLEX = {
    "multiply": lambda x, y: (x[0] * y[0] - x[1] * y[1], x[0] * y[1] + x[1] * y[0]),
    "multiply by conjugate": lambda x, y: (x[0] * y[0] + x[1] * y[1], x[1] * y[0] - x[0] * y[1]),
}


def apply(
    operation: str,
    dst: NumbaArray,
    x: NumbaArray,
    y: NumbaArray | None = None,
    s: float = 1.0,
    *,
    axis: int | None = None,
) -> NumbaArray:
    """Write the result of an operation on x and y into `dst`.

    Parameters
    ----------
    operation : str
        A key of `OPERATIONS`, or of `COMPLEX` where x and y are complex.
    dst : NumbaArray
        Of the shape of `x`; it may be `x` or, where shapes agree, `y`. Numbers are computed in its
        precision, float32 or float64, and those of other precision converted. Of a complex `x` a
        real `dst` keeps the real part; of a real one a complex `dst` gets zeros.
    x : NumbaArray
        Of a floating or complex dtype in `memory.KINDS`, contiguous, on the current device.
    y : NumbaArray, optional
        Likewise. Complex where `x` is, or real: then both parts are multiplied or divided.
    s : float, optional
    axis : int, optional
        Axis of `x` that y, of one dimension, lies along; without it y has the shape of `x`.

    Returns
    -------
    NumbaArray
        `dst`.
    """
    if not dst.size:
        return dst
    n = inner = 1
    if axis is not None:
        n, inner = x.shape[axis], math.prod(x.shape[axis + 1 :])
    place = "same" if axis is None else "along" if inner == 1 else "across"
    given = KINDS[dst.dtype]
    width = max(1, VECTOR_BYTES // (memory.stored(given.written).itemsize * given.parts))
    beside = {"same": dst.size, "along": n, "across": inner}[place]
    arrays = [dst, x] if y is None or place == "across" else [dst, x, y]
    if beside % width or any(a.address % VECTOR_BYTES for a in arrays):
        width = 1
    # One row needs no division to tell where in it an element is.
    several = dst.size > n * inner
    kinds = dst.dtype, x.dtype, None if y is None else y.dtype
    flat = dst.flat(), x.flat(), (x if y is None else y).flat()
    number = getattr(np, given.number)(s)
    vectors = dst.size // width
    kernel = _kernel(operation, *kinds, width, place, several)
    launch.over(kernel.launch, vectors, dst.stream(), *flat, number, vectors, n, inner)
    return dst


@functools.cache
def _kernel(operation, to, x_kind, y_kind, width, place, several):
    """Kernel ``(dst, x, y, s, vectors, n, inner)`` for elements of these dtypes."""
    result, first = KINDS[to], KINDS[x_kind]
    second = KINDS[y_kind] if y_kind else None

    def read(m, array, kind, place, count):
        """Elements as lists of parts, in the precision of the result."""
        values = m.load(array, place * kind.parts, kind.read, kind.number, count * kind.parts)
        values = [m.convert(v, result.number) for v in values]
        return [values[k : k + kind.parts] for k in range(0, len(values), kind.parts)]

    def body(m, dst, x, y, s, vectors, n, inner):
        vector = m.block * launch.THREADS + m.thread

        def work():
            e = vector * width
            elements = read(m, x, first, e, width)
            others = [None] * width
            if second:
                at = e // inner if place == "across" else e
                at = at % n if several and place != "same" else at
                # Elements of a vector lie beside each other: one number of y may serve all.
                count = 1 if place == "across" else width
                others = read(m, y, second, at, count) * (width // count)
            values = []
            for element, other in zip(elements, others, strict=True):
                parts = list(_element(m, operation, element, other, s))
                parts += [m.constant(0, result.number)] * (result.parts - len(parts))
                values += parts[: result.parts]
            m.store(dst, e * result.parts, values, result.written)

        m.when(vector < vectors, work)

    kinds = result.written, first.read, (second or first).read
    signature = [trace.flat(kind) for kind in kinds]
    signature += [getattr(numba, result.number), *[numba.int64] * 3]
    return trace.kernel(f"{operation}_{to}_{x_kind}_{y_kind}_{place}", body, signature)


def _element(m, operation, x, y, s):
    """Parts of a result."""
    if y and len(y) == 2 and operation in COMPLEX:
        return COMPLEX[operation](x, y)
    y = [None] * len(x) if y is None else y * (len(x) // len(y))
    return [OPERATIONS[operation](m, a, b, s) for a, b in zip(x, y, strict=True)]

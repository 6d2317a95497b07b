"""Covariances of points on a device: a kernel, however composed, as one loop over its points."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike

from .. import _array
from .._digits import BITS, check_bits, check_shape
from ._base import Kernel, check_place, check_written

if TYPE_CHECKING:
    from .._cuda import NumbaArray
    from .._cuda.product_kernels import Plan


def asked(*arrays: Any) -> bool:
    """Whether one of the arguments is on a device."""
    return any(a is not None and _array.is_device_array(a) for a in arrays)


def column(
    kernel: Kernel,
    points: Any,
    x0: Any,
    *,
    bits: int | None,
    out: Any,
    stable: bool,
    dtype: DTypeLike,
) -> Any:
    """What `Kernel.column` gives, on the device of the points."""
    from .._cuda import operands, product_kernels

    given = operands.first(points=points, x0=x0, out=out)
    bits = _check(given, kernel.d, bits)
    origin, n = _origin(given, x0, kernel.d), given.shape[0]
    name = np.dtype(dtype).name
    target = None
    if out is not None:
        target = operands.beside(given, "out", out)
        check_place(target.shape, target.contiguous and target.writable, n)
        name = target.dtype
    check_written(name)
    plan = kernel._plan(bool(stable))
    with given.context():
        if target is None:
            target = given.empty((n,), name)
        run, first = _compact(given), _first(origin, kernel.d, bits)
        product_kernels.matrix(plan, run, first, target, bits, stable)
        return target.replace(target)


def pullback(kernel: Kernel, points: Any, x0: Any, g: Any, bits: int | None) -> Any:
    """What `Kernel.column_pullback` gives, on the device of the points."""
    from .._cuda import operands, product_kernels

    given = operands.first(points=points, x0=x0, g=g)
    bits = _check(given, kernel.d, bits)
    origin, n = _origin(given, x0, kernel.d), given.shape[0]
    weights = operands.beside(given, "g", g)
    if weights.shape != (n,):
        raise ValueError(f"g must have shape ({n},); got {weights.shape}")
    if weights.dtype not in ("float32", "float64"):
        raise TypeError(f"g must be float32 or float64 on a device; got {weights.dtype}")
    plans = kernel._slopes()
    with given.context():
        run, first = _compact(given), _first(origin, kernel.d, bits)
        return product_kernels.weighted(plans, run, first, _compact(weights), bits).array


def matrix(kernel: Kernel, x: Any, z: Any, bits: int | None) -> Any:
    """What a call of a kernel gives, on the device of the points."""
    from .._cuda import digits, operands, product_kernels

    rows = operands.first(x=x, z=z)
    bits = _check(rows, kernel.d, bits)
    columns = rows if z is None else operands.beside(rows, "z", z)
    _check(columns, kernel.d, bits)
    # The rows are the origins: the arguments of the kernel change places.
    plan = kernel._plan(False, turned=True)
    with rows.context():
        out = rows.empty((rows.shape[0], columns.shape[0]), "float64")
        origins = digits.digits(_compact(rows), bits)
        product_kernels.matrix(plan, _compact(columns), origins, out, bits, False)
        return out.array


def joined(first: Plan, second: Plan, expression: Any, extra: tuple[float, ...] = ()) -> Plan:
    """The plan of two, of an expression of those of theirs and of the numbers of further constants.

    `expression` is called with two expressions and the number of the first of the constants.
    """
    known = len(first.extra) + len(second.extra)
    right = _moved(second.expression, len(first.leaves), len(first.extra))
    return first._replace(
        expression=expression(first.expression, right, known),
        leaves=first.leaves + second.leaves,
        extra=first.extra + second.extra + extra,
    )


def _moved(expression: tuple, leaves: int, extra: int) -> tuple:
    name, part, *other = expression
    if name == "leaf":
        return name, part + leaves
    right = other[0]
    moved = right + extra if isinstance(right, int) else _moved(right, leaves, extra)
    return name, _moved(part, leaves, extra), moved


def _check(given: NumbaArray, d: int, bits: int | None) -> int:
    """The number of digits of points, which are checked."""
    from .._cuda import digits

    digits.check_dtype(given)
    check_shape(given.shape, d)
    return check_bits(BITS if bits is None else bits)


def _origin(given: NumbaArray, x0: Any, d: int) -> NumbaArray:
    """What the origin is read from: points of which it is the first, or the one given."""
    from .._cuda import digits, operands

    if x0 is None:
        if not given.shape[0]:
            raise ValueError("points must not be empty where x0 is not given")
        return given
    origin = operands.beside(given, "x0", x0)
    digits.check_dtype(origin, "x0")
    if origin.shape != (d,):
        raise ValueError(f"x0 must have shape ({d},); got {origin.shape}")
    return origin


def _first(origin: NumbaArray, d: int, bits: int) -> NumbaArray:
    """Digits of the first d numbers."""
    from .._cuda import digits

    return digits.digits(_compact(origin), bits, d)


def _compact(given: NumbaArray) -> NumbaArray:
    return given if given.contiguous else given.compact()

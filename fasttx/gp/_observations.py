"""What a regressor is told: points, values and gradients of one task or several, checked."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._digits import Digits, digits_of
from ..kernels import Kernel
from . import _structure
from ._grid import GridModel
from ._group import Array
from ._model import Model, Part, make_parts

Order = tuple[int, ...] | None


def observations(
    kernel: Kernel, X: Any, y: Any, gradient: Any, workers: int | None
) -> tuple[Model | GridModel, Array, list[list[Order]]]:
    """Model of the observations, their values in rows, and what was observed of each task."""
    if kernel.sequence is None:
        if gradient is not None:
            raise ValueError("gradient is for kernels of nets and lattices")
        grid = GridModel(kernel, X, workers)
        return grid, np.ascontiguousarray(check_values(y, grid.size, "y").T), [[None]]
    several = isinstance(X, list | tuple) and bool(X) and np.ndim(X[0]) == 2
    sets, values = (list(X), list(y)) if several else ([X], [y])
    slopes = list(gradient) if several and gradient is not None else [gradient] * len(sets)
    if not len(sets) == len(values) == len(slopes):
        raise ValueError(
            f"X, y and gradient must be lists of one length; got {len(sets)} sets of points, "
            f"{len(values)} of values and {len(slopes)} of gradients"
        )
    parts: list[Part] = []
    rows: list[NDArray[np.float64]] = []
    orders: list[list[Order]] = []
    for task, (points, value, slope) in enumerate(zip(sets, values, slopes, strict=True)):
        digits, order = checked_digits(kernel, points)
        columns = [check_values(value, len(digits), "y")]
        kinds: list[Order] = [None]
        if slope is not None:
            by_coordinate = check_values(slope, len(digits), "gradient")
            if by_coordinate.shape != digits.shape or columns[0].shape[1] != 1:
                raise ValueError(
                    f"gradient must have shape {digits.shape}, with one output; got "
                    f"{by_coordinate.shape}"
                )
            kinds += [tuple(row) for row in np.eye(kernel.d, dtype=int).tolist()]
            columns += np.split(by_coordinate, kernel.d, axis=1)
        parts += make_parts(digits, task, kinds)
        orders.append(kinds)
        rows += [c if order is None else c[order] for c in columns]
    if len({r.shape[1] for r in rows}) > 1 or (several and rows[0].shape[1] > 1):
        raise ValueError("tasks must have one output each")
    data = np.ascontiguousarray(np.concatenate(rows).T)
    return Model(kernel, parts, len(sets), workers), data, orders


def checked_digits(kernel: Kernel, points: Any) -> tuple[Digits, NDArray[np.intp] | None]:
    """Digits of a net or a lattice in radical-inverse order, and the order that made it so."""
    digits = digits_of(points, kernel.d)
    if not len(digits):
        raise ValueError("points must not be empty")
    kind, order = _structure.classify(digits, str(kernel.sequence))
    if kind == "nested" and not kernel.depends_on_first_digit:
        raise ValueError(
            "with nested uniform scrambling the kernel must depend on the first differing digit "
            "alone (alpha=1, or digits='first'); take randomize='lms+shift'"
        )
    return (digits if order is None else digits[order]), order


def check_values(values: Any, n: int, name: str) -> NDArray[np.float64]:
    """Observations as finite float64 of shape (n, outputs)."""
    array = np.asarray(values)
    if array.dtype.kind not in "buif":
        raise TypeError(f"{name} must be real; got {array.dtype}")
    if array.ndim not in (1, 2) or array.shape[0] != n:
        raise ValueError(f"{name} must have {n} rows, one for each point; got {array.shape}")
    bad = ~np.isfinite(array.reshape(n, -1)).all(axis=1)
    if bad.any():
        raise ValueError(
            f"{name} is not finite in {bad.sum()} rows, the first being {int(bad.argmax())}"
        )
    return array.reshape(n, -1).astype(np.float64)

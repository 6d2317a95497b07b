"""Integrands on growing point sets: points, transforms of variables, and values that are kept."""

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._digits import Digits, aligned
from ..qmc import PointSet
from ..qmc.lattice import Lattice
from ..qmc.net import DigitalNet
from ._group import GROUPS

Array = NDArray[Any]


def _sidi_1(x: Array) -> tuple[Array, Array]:
    return x - np.sin(2 * np.pi * x) / (2 * np.pi), 2 * np.sin(np.pi * x) ** 2


def _sidi_2(x: Array) -> tuple[Array, Array]:
    value = (8 - 9 * np.cos(np.pi * x) + np.cos(3 * np.pi * x)) / 16
    return value, np.pi * (9 * np.sin(np.pi * x) - 3 * np.sin(3 * np.pi * x)) / 16


# Changes of variables that make integrands periodic: the new variable and its derivative.
TRANSFORMS: dict[str, Callable[[Array], tuple[Array, Array]]] = {
    "none": lambda x: (x, np.ones((len(x), 1))),
    "baker": lambda x: (1 - np.abs(2 * x - 1), np.ones((len(x), 1))),
    "C0": lambda x: (x**2 * (3 - 2 * x), 6 * x * (1 - x)),
    "C1": lambda x: (x**3 * (10 - 15 * x + 6 * x**2), 30 * (x * (1 - x)) ** 2),
    "C1sin": _sidi_1,
    "C2sin": _sidi_2,
}


class Integrand:
    """Values of a function at the first points of a sequence, more of them when asked for."""

    def __init__(
        self,
        f: Any,
        d: int,
        sequence: str,
        transform: str | None,
        points: Any,
        rng: Any,
        interlace: int = 1,
    ):
        if sequence not in GROUPS:
            raise ValueError(f"sequence must be one of {tuple(GROUPS)}; got {sequence!r}")
        if transform is None:
            transform = "C1sin" if sequence == "lattice" else "none"
        if transform not in TRANSFORMS:
            raise ValueError(f"transform must be one of {tuple(TRANSFORMS)}; got {transform!r}")
        self.d = operator.index(d)
        wanted: Any = DigitalNet if sequence == "net" else Lattice
        if points is None:
            options = {"interlace": interlace} if sequence == "net" else {}
            points = wanted(self.d, rng=rng, **options)
        if not isinstance(points, wanted) or points.d != self.d:
            raise ValueError(f"points must be a {wanted.__name__} of dimension {self.d}")
        if points.replications is not None or points.order != "radical-inverse":
            raise ValueError("points must be in radical-inverse order, without replications")
        if getattr(points, "randomize", None) == "nus":
            raise ValueError('points must not be scrambled by randomize="nus"')
        self.f, self.sequence, self.transform = f, sequence, transform
        self.points: PointSet = points.reset()
        self.group = GROUPS[sequence]
        self.shape: tuple[int, ...] | None = None
        self.complex = False
        self.values = np.empty((0, 0))  # (outputs, n), real

    @property
    def n(self) -> int:
        """Number of values."""
        return self.values.shape[1]

    def digits(self) -> Digits:
        """Digits of the points."""
        return aligned(self.points.reset().random_raw(self.n), self.points.bits)

    def grow(self, n: int) -> None:
        """Have the values at the first n points."""
        if n <= self.n:
            return
        self.points.reset().fast_forward(self.n)
        x, slope = TRANSFORMS[self.transform](self.points.random(n - self.n))
        # Rounding must not put points on the boundary, where an integrand may be infinite.
        x = np.clip(x, 2.0**-53, 1 - 2.0**-53)
        y = np.asarray(self.f(x))
        if y.ndim < 1 or len(y) != len(x):
            raise ValueError(f"f must return {len(x)} rows for {len(x)} points; got {y.shape}")
        if y.dtype.kind not in "buifc":
            raise TypeError(f"f must return numbers; got dtype {y.dtype}")
        if self.shape is not None and y.shape[1:] != self.shape:
            raise ValueError(f"f returned rows of shape {y.shape[1:]}, and {self.shape} before")
        bad = ~np.isfinite(y.reshape(len(y), -1)).all(axis=1)
        if bad.any():
            first = int(bad.argmax())
            raise ValueError(
                f"f is not finite at {bad.sum()} of {len(x)} points, the first being {x[first]}"
            )
        rows = y.reshape(len(y), -1) * slope.prod(axis=1)[:, None]
        if self.n and rows.dtype.kind == "c" and not self.complex:
            raise TypeError("f returned complex numbers, and real ones before")
        self.complex = self.complex or rows.dtype.kind == "c"
        rows = np.ascontiguousarray(rows, np.complex128 if self.complex else np.float64)
        new = rows.view(np.float64).T
        self.values = np.concatenate([self.values, new], axis=1) if self.n else new.copy()
        self.shape = y.shape[1:]

    def shaped(self, values: Array) -> Any:
        """Numbers, one for each real output, in the shape of the function's output."""
        values = np.ascontiguousarray(values)
        if self.complex:
            values = values.view(np.complex128)
        shaped = values.reshape(self.shape or ())
        return shaped[()]

    def sizes(self, errors: Array) -> Any:
        """Error bounds; of a complex output, that of its modulus."""
        if self.complex:
            errors = np.hypot(errors[::2], errors[1::2])
        return errors.reshape(self.shape or ())[()]

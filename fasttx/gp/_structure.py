"""What points are: whether their digits are those of a net or a lattice, and in which order."""

import numpy as np
from numpy.typing import NDArray

from .._digits import BITS, Digits, aligned
from ..qmc import PointSet
from ..transforms.bit_reversal import bit_reversal_permutation

# Coordinates of lattices that others computed in floating point are off by a few units of 2**-53.
SLACK = 1 << 7
PROBES = 1 << 12
# What is said of points that do not fit.
MISFITS = {
    "net": "these points are not a digital net in radical-inverse or Gray order, given by all "
    f"their digits up to {BITS}, which this kernel needs: see fasttx.qmc.DigitalNet",
    "lattice": "these points are not a rank-1 lattice in radical-inverse, Gray or linear order, "
    "which this kernel needs: see fasttx.qmc.Lattice",
}


def from_engine(engine: PointSet, n: int, d: int) -> Digits:
    """The first `n` points of an engine, which is left after them."""
    if engine.d != d:
        raise ValueError(f"the points have {engine.d} dimensions, the kernel {d}")
    if engine.replications is not None:
        raise ValueError("the engine must not have replications; make one Gram system for each")
    if engine.num_generated:
        raise ValueError(
            f"the engine has given {engine.num_generated} points already; reset() it first"
        )
    if n < 1:
        raise ValueError(f"n must be at least 1; got {n}")
    return aligned(engine.random_raw(n), engine.bits)


def classify(digits: Digits, sequence: str) -> tuple[str, NDArray[np.intp] | None]:
    """What the points are, and the order in which they are so (None: as they stand).

    Returns
    -------
    kind : "group" or "nested"
        Differences x_i - x_0 form a group indexed by i; or a net with nested uniform scrambling,
        of which just the first digits that differ do.
    order : ndarray or None

    Raises
    ------
    ValueError
        If the points are neither.
    """
    n = len(digits)
    if sequence == "net":
        if is_linear(digits):
            return "group", None
        if is_nested(digits):
            return "nested", None
        raise ValueError(MISFITS["net"])
    if is_additive(digits):
        return "group", None
    if n & (n - 1) == 0:
        reversal = np.asarray(bit_reversal_permutation(n), np.intp)
        index = np.arange(n)
        gray = np.empty(n, np.intp)
        gray[index ^ (index >> 1)] = index
        for order in (reversal, gray):
            if is_additive(digits[order]):
                return "group", order
    raise ValueError(MISFITS["lattice"])


def parts(n: int) -> list[int]:
    """Where the parts of n points begin, one for each binary digit of n, and n."""
    sizes = [1 << b for b in reversed(range(n.bit_length())) if n >> b & 1]
    return [0, *np.cumsum(sizes).tolist()]


def is_linear(digits: Digits) -> bool:
    """Whether x_i xor x_0 is a linear function of the bits of i."""
    n, width = len(digits), 1
    while width < n:
        count = min(width, n - width)
        shift = digits[width] ^ digits[0]
        if not np.array_equal(digits[width : width + count], digits[:count] ^ shift):
            return False
        width *= 2
    return True


def is_additive(digits: Digits) -> bool:
    """Whether x_i - x_0 is vdc(i) z modulo 1, but for rounding."""
    n, width, mask = len(digits), 1, np.uint64((1 << BITS) - 1)
    period = np.zeros_like(digits[0])  # twice the generator of the points so far
    while width < n:
        step = (digits[width] - digits[0]) & mask
        count = min(width, n - width)
        change = (digits[width : width + count] - digits[:count]) & mask
        if not (_near(change, step) and _near((step * np.uint64(2)) & mask, period)):
            return False
        period, width = step, 2 * width
    return True


def _near(a: Digits, b: Digits) -> bool:
    mask = np.uint64((1 << BITS) - 1)
    return bool((((a - b + np.uint64(SLACK)) & mask) <= np.uint64(2 * SLACK)).all())


def is_nested(digits: Digits) -> bool:
    """Whether the first digit that differs between x_i and x_j is a function of i xor j.

    So it is for nested uniform scrambling of a net. Looked at for all pairs i, i xor 2**b and for
    many others.
    """
    n = len(digits)
    if n & (n - 1):
        return False
    index = np.arange(n)
    rng = np.random.default_rng(0)
    shifts = [1 << b for b in range(n.bit_length() - 1)]
    shifts += [int(s) for s in rng.integers(1, n, size=max(1, PROBES // n))] if n > 1 else []
    for shift in shifts:
        first = _leading(digits ^ digits[index ^ shift])
        if not (first == first[0]).all():
            return False
    if n > 1:
        i, j = rng.integers(0, n, size=(2, PROBES))
        return np.array_equal(_leading(digits[i] ^ digits[j]), _leading(digits[i ^ j] ^ digits[0]))
    return True


def _leading(x: Digits) -> NDArray[np.int64]:
    """Number of digits, by halves: float64 rounds numbers of more than 53 bits only."""
    return np.frexp(x.astype(np.float64))[1].astype(np.int64)

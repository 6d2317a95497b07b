"""The Halton sequence."""

from math import log
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._cpu import halton as loops
from ._engine import PointSet
from ._primes import primes

RANDOMIZATIONS = ("permute", "shift", "nus", None)
LOG_POINTS = 32
LARGEST_BASE = 1 << 21  # 2**32 points times a base are integers that float64 holds


class Halton(PointSet):
    """Halton's sequence: radical inverses in as many prime bases as there are dimensions.

    Parameters
    ----------
    d : int
        Dimension, at most 155611.
    randomize : {"permute", "shift", "nus", None}, optional
        "permute" (default): an independent random permutation for each digit of each coordinate
        [2]_. "shift": a random shift of each coordinate modulo 1. "nus": Owen's nested uniform
        scrambling, where the permutation of a digit depends on those before it. With each of them
        a point is uniform in the cube. None: the sequence as it stands [1]_, from the origin on.
    replications : int, optional
        Number of independent randomizations, a first axis of what is returned.
    rng : {None, int, numpy.random.Generator}, optional
        Source of what is random, drawn when the engine is made.

    Attributes
    ----------
    bases : ndarray of int64, shape (d,)
        The first d primes.
    randomize : str or None
    d, bits, replications, num_generated, max_points
        See `PointSet`. There are 2**32 points.

    Raises
    ------
    ValueError
        If an argument is not one of the accepted.

    See Also
    --------
    Faure : One base for all dimensions, for which low-dimensional projections are better.
    DigitalNet, Lattice : Sequences in base 2, an order of magnitude faster.

    Notes
    -----
    Coordinates in base b have the least number k of digits with b**k >= 2**32. They are no binary
    fractions: `random` gives float64 numbers rounded to nearest, correctly so where
    nothing is randomized (though never 1), and `random_raw` gives ``floor(x * 2**53)`` of these.
    Below the k digits, the randomized coordinates have what infinitely many digits would give.

    "permute" and "shift" take O(d) operations for each point: the low digits of its number are
    looked up in a table. "permute" keeps k b integers for each coordinate, in all 43 MB for
    d = 1000. "nus" takes O(d k): each permutation is ``digit -> a * digit + c`` modulo b with
    a != 0 and c drawn by a hash of the digits before. Pairs of points, and so means and variances
    of estimates, are distributed as if all permutations were equally likely, because these too take
    each pair of different digits to each other equally often [3]_. Host only.

    References
    ----------
    .. [1] J. H. Halton, "On the efficiency of certain quasi-random sequences of points in
       evaluating multi-dimensional integrals", Numer. Math. 2, 84-90, 1960.
       :doi:`10.1007/BF01386213`
    .. [2] A. B. Owen, "A randomized Halton algorithm in R", :arxiv:`1706.02808`, 2017.
    .. [3] J. Matoušek, "On the L2-discrepancy for anchored boxes", J. Complexity 14, 527-556, 1998.
       :doi:`10.1006/jcom.1998.0489`

    Examples
    --------
    >>> from fasttx.qmc import Halton
    >>> Halton(2, randomize=None).random(4)
    array([[0.        , 0.        ],
           [0.5       , 0.33333333],
           [0.25      , 0.66666667],
           [0.75      , 0.11111111]])
    >>> x = Halton(3, rng=7).fast_forward(10**9).random(5)  # any start at no cost
    >>> x.shape
    (5, 3)
    """

    def __init__(
        self,
        d: int,
        *,
        randomize: str | None = "permute",
        replications: int | None = None,
        rng: Any = None,
    ):
        super().__init__(d, bits=53, replications=replications, rng=rng)
        check_randomization(randomize, RANDOMIZATIONS, replications)
        self.randomize = randomize
        self.max_points = 1 << LOG_POINTS
        # Prime number d is less than d * (log d + log log d) for d >= 6 (Rosser).
        bound = max(13, self.d * log(max(2, self.d * log(max(2, self.d)))))
        self.bases = primes(min(LARGEST_BASE, int(bound) + 1))[: self.d]
        if self.bases.size < self.d:
            raise ValueError(f"d must be at most {self.bases.size}; got {d}")
        self._digits = np.array([digits_for(int(b)) for b in self.bases])
        copies = self.replications or 1
        self._tails = np.zeros((copies, self.d))
        self._shifts = np.zeros((copies, self.d))
        self._keys = np.zeros((copies, self.d), np.uint64)
        # Permutations of all digits, one after another, and where those of a coordinate begin.
        self._permutations = [np.zeros(0, np.uint32)] * copies
        lengths = self.bases * self._digits
        self._places = np.cumsum(lengths) - lengths
        if randomize == "nus":
            self._keys = self.rng.integers(1 << 64, size=(copies, self.d), dtype=np.uint64)
        if randomize == "shift":
            self._shifts = self.rng.random((copies, self.d))
        if randomize == "permute":
            # What the permuted zeros of infinitely many further digits add up to.
            self._tails = self.rng.random((copies, self.d))
            self._permutations = [self._drawn() for _ in range(copies)]

    def _drawn(self) -> NDArray[np.uint32]:
        """A random permutation for each digit of each coordinate."""
        tables = []
        for base, digits in zip(self.bases, self._digits, strict=True):
            table = np.tile(np.arange(base, dtype=np.uint32), (digits, 1))
            tables.append(self.rng.permuted(table, axis=1).reshape(-1))
        return np.concatenate(tables)

    def _fill(self, out: NDArray[Any], first: int) -> None:
        name = out.dtype.name
        for r, points in enumerate(out):
            if self.randomize == "nus":
                run = loops.digital(name, True)
                longest = int(self._digits.max())
                identity = np.eye(longest, dtype=np.int32)[None]
                origin = np.zeros((1, longest), np.int32)
                tail, keys = self._tails[r], self._keys[r]
                run(points, first, self.bases, self._digits, identity, origin, tail, keys)
            else:
                run = loops.radical_inverses(name)
                table, places = self._permutations[r], self._places
                tail, shift = self._tails[r], self._shifts[r]
                run(points, first, self.bases, self._digits, table, places, tail, shift)


def check_randomization(
    randomize: str | None, accepted: tuple[str | None, ...], replications: int | None
) -> None:
    """Refuse other randomizations than those accepted, and copies without one."""
    if randomize not in accepted:
        names = ", ".join(repr(a) for a in accepted)
        raise ValueError(f"randomize must be one of {names}; got {randomize!r}")
    if randomize is None and replications is not None:
        raise ValueError(f"replications={replications} need a randomization; got randomize=None")


def digits_for(base: int, points: int = 1 << LOG_POINTS) -> int:
    """The least number of digits with which so many points can be counted."""
    digits, counted = 0, 1
    while counted < points:
        digits += 1
        counted *= base
    return digits

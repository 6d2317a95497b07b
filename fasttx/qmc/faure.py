"""The Faure sequence."""

from math import comb
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._cpu import halton as loops
from ._engine import PointSet
from ._primes import primes
from .halton import LARGEST_BASE, LOG_POINTS, check_randomization, digits_for

RANDOMIZATIONS = ("lms+shift", "lms", "shift", "nus", None)


class Faure(PointSet):
    """Faure's sequence: a (0, d)-sequence in the least prime base b >= d.

    Of the first b**m points each elementary interval of volume b**-k, k <= m, contains b**(m-k).

    Parameters
    ----------
    d : int
        Dimension.
    randomize : {"lms+shift", "lms", "shift", "nus", None}, optional
        Randomizations in base b, which preserve this property. "lms": Matoušek's linear scrambling
        of the digits of each coordinate by a random lower triangular matrix. "shift": random
        digits are added to those of each coordinate, modulo b. "lms+shift" (default): both [2]_.
        "nus": Owen's nested uniform scrambling, see `Halton`. With a shift or "nus" each point is
        uniform in the cube. None: the sequence as it stands [1]_, from the origin on.
    replications : int, optional
        Number of independent randomizations, a first axis of what is returned.
    rng : {None, int, numpy.random.Generator}, optional
        Source of what is random, drawn when the engine is made.

    Attributes
    ----------
    base : int
        The least prime that is not less than d.
    matrices : ndarray of int32, shape (d, rows, columns) or (replications, d, rows, columns)
        Generating matrices, linearly scrambled if so asked: digits of a coordinate, the most
        significant first, are the matrix times the digits of the number of a point, the least
        significant first, modulo `base`.
    randomize : str or None
    d, bits, replications, num_generated, max_points
        See `PointSet`. There are 2**32 points.

    Raises
    ------
    ValueError
        If an argument is not one of the accepted.

    See Also
    --------
    Halton : One base for each dimension.
    DigitalNet : Nets in base 2, an order of magnitude faster.

    Notes
    -----
    Matrix j = 0, ..., d - 1 is the j-th power of Pascal's, ``binom(c, r) * j**(c - r)`` modulo b in
    row r and column c. Coordinates are no binary fractions: `random` gives float64 numbers rounded
    to nearest, correctly so where nothing is randomized (though never 1), and `random_raw`
    gives ``floor(x * 2**53)`` of these. O(d log_b(2**53)) operations for each point. Host only.

    References
    ----------
    .. [1] H. Faure, "Discrépance de suites associées à un système de numération (en dimension s)",
       Acta Arith. 41, 337-351, 1982. :doi:`10.4064/aa-41-4-337-351`
    .. [2] J. Matoušek, "On the L2-discrepancy for anchored boxes", J. Complexity 14, 527-556, 1998.
       :doi:`10.1006/jcom.1998.0489`

    Examples
    --------
    >>> from fasttx.qmc import Faure
    >>> (9 * Faure(3, randomize=None).random(9)).round().astype(int).T
    array([[0, 3, 6, 1, 4, 7, 2, 5, 8],
           [0, 3, 6, 4, 7, 1, 8, 2, 5],
           [0, 3, 6, 7, 1, 4, 5, 8, 2]])
    >>> Faure(3, rng=7, replications=2).random(9).shape
    (2, 9, 3)
    """

    def __init__(
        self,
        d: int,
        *,
        randomize: str | None = "lms+shift",
        replications: int | None = None,
        rng: Any = None,
    ):
        super().__init__(d, bits=53, replications=replications, rng=rng)
        check_randomization(randomize, RANDOMIZATIONS, replications)
        candidates = primes(min(LARGEST_BASE, max(3, 2 * self.d + 1)))
        candidates = candidates[candidates >= self.d]
        if candidates.size == 0:
            raise ValueError(f"d must be less than {LARGEST_BASE}; got {d}")
        self.randomize, self.base = randomize, int(candidates[0])
        self.max_points = 1 << LOG_POINTS
        columns = digits_for(self.base)
        # As many digits as float64 holds where random digits may follow, else those that there are.
        rows = columns if randomize is None else digits_for(self.base, 2**53 + 1) - 1
        copies = self.replications or 1
        matrices = np.zeros((copies, self.d, rows, columns), np.int64)
        matrices[:, :, :columns] = pascal_powers(self.base, self.d, columns)
        if randomize in ("lms", "lms+shift"):
            matrices = self._lower_triangular(copies, rows, columns) @ matrices[:, :, :columns]
            matrices %= self.base
        shape = (copies, self.d)
        self._origins = np.zeros((*shape, rows), np.int32)
        self._tails, self._keys = np.zeros(shape), np.zeros(shape, np.uint64)
        if randomize in ("shift", "lms+shift"):
            self._origins = self.rng.integers(self.base, size=(*shape, rows), dtype=np.int32)
            self._tails = self.rng.random(shape)
        if randomize == "nus":
            self._keys = self.rng.integers(1 << 64, size=shape, dtype=np.uint64)
        self._rows = np.full(self.d, rows)
        self._columns = np.ascontiguousarray(np.swapaxes(matrices, 2, 3), np.int32)
        effective = np.swapaxes(self._columns, 2, 3)
        self.matrices = effective if self.replications is not None else effective[0]

    def _lower_triangular(self, copies: int, rows: int, columns: int) -> NDArray[np.int64]:
        """Random matrices of full rank modulo the base."""
        random = self.rng.integers(self.base, size=(copies, self.d, rows, columns))
        diagonal = self.rng.integers(1, self.base, size=(copies, self.d, columns))
        random = np.tril(random)
        places = np.arange(columns)
        random[:, :, places, places] = diagonal
        return random

    def _fill(self, out: NDArray[Any], first: int) -> None:
        run = loops.digital(out.dtype.name, self.randomize == "nus")
        bases = np.full(self.d, self.base)
        for r, points in enumerate(out):
            columns, origins = self._columns[r], self._origins[r]
            run(points, first, bases, self._rows, columns, origins, self._tails[r], self._keys[r])


def pascal_powers(base: int, d: int, size: int) -> NDArray[np.int64]:
    """Powers 0, ..., d - 1 of Pascal's upper triangular matrix modulo `base`."""
    binomials = np.array(
        [[comb(c, r) % base for c in range(size)] for r in range(size)], dtype=np.int64
    )
    exponents = np.maximum(np.arange(size) - np.arange(size)[:, None], 0)
    powers = np.ones((d, size), np.int64)
    for k in range(1, size):
        powers[:, k] = powers[:, k - 1] * np.arange(d) % base
    return binomials * powers[:, exponents] % base

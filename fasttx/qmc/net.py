"""Digital nets in base 2."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._cpu import points as loops
from ._engine import MAX_LOG_POINTS, PointSet, cut
from ._matrices import Matrices, interlaced, linear_scramble, sobol_matrices

if TYPE_CHECKING:
    from .._cuda import NumbaArray

ORDERS = ("radical-inverse", "gray")
RANDOMIZATIONS = ("lms+shift", "shift", "lms", "nus", None)
CHUNK = 1 << 15  # numbers whose digits are scrambled at a time


class DigitalNet(PointSet):
    """Digital sequence in base 2: Sobol' points, or those of other generating matrices.

    The digits of point i are the exclusive or of the matrix columns at the ones of i, plus a random
    shift. The first n of 2n points are the n points, and the first 2**m are a digital net.

    Parameters
    ----------
    d : int
        Dimension.
    matrices : array_like of integers, shape (d * interlace or more, columns), optional
        Generating matrices, by default ``sobol_matrices(d * interlace, bits)`` [1]_. Column c of
        coordinate j is an integer of `bits` binary digits: its most significant digit, of weight
        ``2**(bits - 1)``, is the first digit after the binary point of what bit c of a point's
        number contributes to coordinate j. Matrices of t < bits digits, as from `read_lddata`, are
        brought to that by ``matrices << (bits - t)``. There are 2**columns points.
    order : {"radical-inverse", "gray"}, optional
        Point i is that of the bits of i, bit 0 belonging to the first column (default), or of its
        Gray code ``i ^ (i >> 1)``, as in SciPy. In both the first 2**m points are the same set.
    randomize : {"lms+shift", "shift", "lms", "nus", None}, optional
        "lms+shift" (default): both of the following. "lms": Matoušek's linear scrambling [3]_ by
        random lower triangular matrices with ones on the diagonal. "shift": exclusive or with
        random digits. "nus": Owen's nested uniform scrambling [2]_, where each digit changes by a
        random bit of its own for each value of the digits before it. None: the points as they
        stand. Each keeps a net a net with the same t-value. All but "lms" and None make each point
        uniform in the cube.
    interlace : int, optional
        Digits of so many coordinates of a net in ``d * interlace`` dimensions are put in turn into
        one coordinate: a net of higher order, for smooth integrands [4]_. Scrambling comes before
        that and the shift after it. The default, 1, leaves coordinates as they are.
    bits : int, optional
        Binary digits of a coordinate, from 1 to 64, all of them randomized; default is 53, those
        of float64, which make coordinates exact. Interlaced digits beyond are cut off.
    replications : int, optional
        Number of independent randomizations, a first axis of what is returned.
    rng : {None, int, numpy.random.Generator}, optional
        Source of what is random, drawn when the engine is made.

    Attributes
    ----------
    matrices : ndarray of uint64, shape (d, columns) or (replications, d, columns)
        Generating matrices of the points, scrambled and interlaced. For "nus", which is no matter
        of matrices, those before: of ``d * interlace`` coordinates, with ``ceil(bits / interlace)``
        digits.
    shift : ndarray of uint64, shape (d,) or (replications, d)
        Digits of the shift, zeros if there is none: the point i of "radical-inverse" order has
        the digits ``shift ^ matrices[:, b] ^ ...`` over the ones b of i.
    order, randomize, interlace
        As given.
    d, bits, replications, num_generated, max_points
        See `PointSet`.

    Raises
    ------
    ValueError
        If an argument is not one of the accepted; by `random` and `fast_forward` if more points are
        asked for than there are.
    TypeError
        If matrices do not consist of integers.

    See Also
    --------
    sobol_matrices : Matrices by default, and others.
    Lattice : Lattices.

    Notes
    -----
    Takes O(d) operations for each point: sums of the first columns are tabulated, and the sum of
    the others is one for a block of points. Nested scrambling takes a hash for each six digits of a
    coordinate. The hash, the finalizer of SplitMix64 [5]_, of a 64-bit key for each coordinate and
    of the digits before, gives the random bits of all the 63 nodes below these in the tree of
    digits: nothing is stored, and points do not depend on how they are asked for.

    ``random(out=...)`` and ``random_raw(out=...)`` fill arrays on a device there, on their stream
    and with the same bits, but for nested scrambling with `interlace`, which is host only.

    References
    ----------
    .. [1] S. Joe and F. Y. Kuo, "Constructing Sobol sequences with better two-dimensional
       projections", SIAM J. Sci. Comput. 30, 2635-2654, 2008. :doi:`10.1137/070709359`
    .. [2] A. B. Owen, "Randomly permuted (t,m,s)-nets and (t,s)-sequences", in Monte Carlo and
       Quasi-Monte Carlo Methods in Scientific Computing, Lecture Notes in Statistics 106, 1995.
       :doi:`10.1007/978-1-4612-2552-2_19`
    .. [3] J. Matoušek, "On the L2-discrepancy for anchored boxes", J. Complexity 14, 527-556, 1998.
       :doi:`10.1006/jcom.1998.0489`
    .. [4] J. Dick, "Walsh spaces containing smooth functions and quasi-Monte Carlo rules of
       arbitrary high order", SIAM J. Numer. Anal. 46, 1519-1553, 2008. :doi:`10.1137/060666639`
    .. [5] G. L. Steele, D. Lea and C. H. Flood, "Fast splittable pseudorandom number generators",
       OOPSLA 2014, 453-472. :doi:`10.1145/2660193.2660195`

    Examples
    --------
    >>> from fasttx.qmc import DigitalNet
    >>> DigitalNet(2, randomize=None).random(4)
    array([[0.  , 0.  ],
           [0.5 , 0.5 ],
           [0.25, 0.75],
           [0.75, 0.25]])
    >>> x = DigitalNet(3, rng=7, replications=16).random(2**10)
    >>> estimates = (x**2).sum(axis=-1).mean(axis=-1)  # of the integral 1
    >>> bool(abs(estimates.mean() - 1) < 1e-5)
    True
    """

    def __init__(
        self,
        d: int,
        *,
        matrices: ArrayLike | None = None,
        order: str = "radical-inverse",
        randomize: str | None = "lms+shift",
        interlace: int = 1,
        bits: int = 53,
        replications: int | None = None,
        rng: Any = None,
    ):
        super().__init__(d, bits=bits, replications=replications, rng=rng)
        if order not in ORDERS:
            raise ValueError(f"order must be one of {', '.join(ORDERS)}; got {order!r}")
        if randomize not in RANDOMIZATIONS:
            names = ", ".join(repr(name) for name in RANDOMIZATIONS)
            raise ValueError(f"randomize must be one of {names}; got {randomize!r}")
        if randomize is None and replications is not None:
            raise ValueError(
                f"replications={replications} need a randomization; got randomize=None"
            )
        self.order, self.randomize = order, randomize
        self.interlace = operator.index(interlace)
        if not 1 <= self.interlace <= self.bits:
            raise ValueError(
                f"interlace must be between 1 and the number of bits, {self.bits}; got {interlace}"
            )
        # Digits of a coordinate before interlacing, of which none beyond is kept.
        self._rows = -(-self.bits // self.interlace)
        columns = self._generating(matrices)
        self.max_points = 1 << min(columns.shape[1], MAX_LOG_POINTS)
        copies = self.replications or 1
        columns = np.broadcast_to(columns, (copies, *columns.shape))
        if randomize in ("lms", "lms+shift"):
            columns = linear_scramble(columns, self.bits, self._rows, self.rng)
        else:
            columns = columns >> np.uint64(self.bits - self._rows)
        self._keys: Matrices | None = None
        if randomize == "nus":
            self._keys = self.rng.integers(0, 1 << 64, columns.shape[:2], np.uint64)
        else:
            columns = interlaced(columns, self.interlace, self._rows, self.bits)
        self._shift = np.zeros((copies, self.d), np.uint64)
        if randomize in ("shift", "lms+shift"):
            self._shift = self.rng.integers(0, 1 << self.bits, (copies, self.d), np.uint64)
        # The loops want columns of a point, as rows.
        self._columns = np.ascontiguousarray(columns.swapaxes(1, 2))
        self.matrices = columns if replications is not None else columns[0]
        self.shift = self._shift if replications is not None else self._shift[0]

    def _generating(self, matrices: ArrayLike | None) -> Matrices:
        """Checked matrices of all coordinates before interlacing."""
        count = self.d * self.interlace
        if matrices is None:
            return sobol_matrices(count, self.bits)
        array = np.asarray(matrices)
        if array.dtype.kind not in "ui":
            raise TypeError(f"matrices must consist of integers; got dtype {array.dtype}")
        if array.ndim != 2 or array.shape[0] < count or not 1 <= array.shape[1] <= 64:
            raise ValueError(
                f"matrices must have shape ({count}, columns), a row for each coordinate before "
                f"interlacing and 1 to 64 columns; got {array.shape}"
            )
        if int(array.min()) < 0 or int(array.max()) >> self.bits:
            raise ValueError(
                f"matrices must have entries from 0 to 2**{self.bits} - 1, columns of bits="
                f"{self.bits} digits; got {array.min()} to {array.max()}"
            )
        return array[:count].astype(np.uint64)

    def _fill(self, out: NDArray[Any], first: int) -> None:
        for r, points in enumerate(out):
            if self._keys is None:
                self._write(r, self._shift[r], self.bits, first, points)
            else:
                self._write_nested(r, self._keys[r], first, points)

    def _write(self, r: int, shift: Matrices, bits: int, first: int, out: NDArray[Any]) -> None:
        """Points of replication r, of coordinates of `bits` digits."""
        drop, scale = cut(out.dtype.name, bits)
        mask = np.uint64((1 << bits) - 1)
        factor = out.dtype.type(scale)
        gray = int(self.order == "gray")
        run = loops.fill("net", out.dtype.name)
        run(self._columns[r], shift, mask, np.uint64(drop), factor, gray, first, out)

    def _write_nested(self, r: int, keys: Matrices, first: int, out: NDArray[Any]) -> None:
        """The same for nested scrambling, by runs of points whose digits stay in cache."""
        step = max(1, CHUNK // keys.size)
        digits = np.empty((min(step, len(out)), keys.size), np.uint64)
        none = np.zeros(keys.size, np.uint64)
        for start in range(0, len(out), step):
            part = out[start : start + step]
            raw = digits[: len(part)]
            self._write(r, none, self._rows, first + start, raw)
            loops.nested(raw, keys, self._rows)
            if self.interlace > 1:
                raw = interlaced(raw.T, self.interlace, self._rows, self.bits).T
            if out.dtype.kind == "u":
                part[:] = raw
            else:
                drop, scale = cut(out.dtype.name, self.bits)
                np.multiply(raw >> np.uint64(drop), scale, out=part)

    def _check_device(self) -> None:
        if self._keys is not None and self.interlace > 1:
            raise NotImplementedError(
                'randomize="nus" with interlace > 1 is on the host only; on a device "lms+shift", '
                "say, is accepted with it"
            )

    def _fill_on_device(self, out: NumbaArray, first: int) -> None:
        from .._cuda import points as device

        drop, scale = cut(out.dtype, self.bits)
        device.fill(
            "net", out, self._columns, self._shift, first=first, gray=self.order == "gray",
            mask=(1 << self.bits) - 1, drop=drop, scale=scale, keys=self._keys,
        )  # fmt: skip

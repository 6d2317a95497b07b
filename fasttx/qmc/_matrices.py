"""Generating matrices over GF(2): Sobol' points, scrambling of digits, interlacing.

A matrix of t rows is an array of its columns, each an integer of t binary digits; the first row is
the most significant digit. Column c belongs to bit c of a point's number.
"""

import functools
import importlib.resources
import operator
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._engine import MAX_BITS
from ._primes import prime_factors

Matrices = NDArray[np.uint64]
Integers = NDArray[np.int64]

ONE = np.uint64(1)


def sobol_matrices(d: int, bits: int = 53, *, source: str = "joe-kuo", rng: Any = None) -> Matrices:
    """Generating matrices of the Sobol' sequence.

    Parameters
    ----------
    d : int
        Number of coordinates, up to 21201 with Joe and Kuo's numbers.
    bits : int, optional
        Rows and columns of the matrices: digits of a coordinate, and of a point's number. At most
        64.
    source : {"joe-kuo", "primitive"}, optional
        The direction numbers of Joe and Kuo [2]_, chosen for good two-dimensional projections; they
        are read from a file that comes with SciPy. Or primitive polynomials in the order of their
        degrees [1]_, with odd initial numbers drawn from `rng`, for any number of coordinates.
    rng : {None, int, numpy.random.Generator}, optional
        Source of initial numbers for "primitive".

    Returns
    -------
    ndarray of uint64, shape (d, bits)
        Matrices by columns: column c of coordinate j, an integer of `bits` digits with the first
        row as its most significant one, is what bit c of a point's number contributes to its
        coordinate j. All are upper triangular with ones on the diagonal. Those of more bits have
        those of fewer as their first rows and columns.

    Raises
    ------
    ValueError
        If `d` or `bits` is out of bounds or `source` is not one of the accepted.

    Warns
    -----
    RuntimeWarning
        If SciPy's file is missing; matrices of "primitive" for ``rng=0`` are returned then.

    See Also
    --------
    DigitalNet : Points of these matrices.

    Notes
    -----
    The t-value of the sequence is at most the sum of the polynomials' degrees, each less one, over
    the coordinates but the first, whatever the odd initial numbers [1]_; those drawn are not chosen
    to do better. Takes O(d bits s) operations for polynomials of degree s; the search for the 28000
    primitive polynomials up to degree 18 takes seconds.

    References
    ----------
    .. [1] I. M. Sobol', "On the distribution of points in a cube and the approximate evaluation of
       integrals", USSR Comput. Math. Math. Phys. 7 (4), 86-112, 1967.
       :doi:`10.1016/0041-5553(67)90144-9`
    .. [2] S. Joe and F. Y. Kuo, "Constructing Sobol sequences with better two-dimensional
       projections", SIAM J. Sci. Comput. 30, 2635-2654, 2008. :doi:`10.1137/070709359`

    Examples
    --------
    >>> from fasttx.qmc import sobol_matrices
    >>> sobol_matrices(2, 3)
    array([[4, 2, 1],
           [4, 6, 5]], dtype=uint64)
    """
    d, bits = operator.index(d), operator.index(bits)
    if d < 1:
        raise ValueError(f"d must be at least 1; got {d}")
    if not 1 <= bits <= MAX_BITS:
        raise ValueError(f"bits must be between 1 and {MAX_BITS}; got {bits}")
    if source == "joe-kuo":
        polynomials, initial = _joe_kuo(d)
    elif source == "primitive":
        polynomials, initial = _drawn(d, np.random.default_rng(rng))
    else:
        raise ValueError(f'source must be "joe-kuo" or "primitive"; got {source!r}')
    degrees = np.frexp(polynomials.astype(np.float64))[1].astype(np.int64) - 1
    v = np.zeros((bits, d), np.uint64)
    v[:, 0] = ONE << np.arange(bits - 1, -1, -1, dtype=np.uint64)  # van der Corput
    for c in range(bits):
        given = np.flatnonzero(c < degrees)
        if given.size:
            v[c, given] = initial[given, c].astype(np.uint64) << np.uint64(bits - 1 - c)
        rest = 1 + np.flatnonzero(c >= degrees[1:])
        s = degrees[rest]
        before = v[c - s, rest]
        new = before ^ (before >> s.astype(np.uint64))
        for k in range(1, int(s.max(initial=0))):
            used = (k < s) & (polynomials[rest] >> np.maximum(s - k, 0) & 1 == 1)
            new[used] ^= v[c - k, rest[used]]
        v[c, rest] = new
    return np.ascontiguousarray(v.T)


def _joe_kuo(d: int) -> tuple[Integers, Integers]:
    """Polynomials, as bits, and the initial numbers."""
    try:
        polynomials, initial = _scipy_numbers()
    except FileNotFoundError:
        warnings.warn(
            "SciPy's file of Joe and Kuo's direction numbers is missing; initial numbers that were "
            "drawn at random are used instead",
            RuntimeWarning,
            stacklevel=3,
        )
        return _drawn(d, np.random.default_rng(0))
    if d > len(polynomials):
        raise ValueError(
            f"Joe and Kuo's direction numbers are for at most {len(polynomials)} coordinates; got "
            f'{d}. sobol_matrices(..., source="primitive") has no such bound'
        )
    return polynomials[:d], initial[:d]


@functools.cache
def _scipy_numbers() -> tuple[Integers, Integers]:
    path = importlib.resources.files("scipy.stats") / "_sobol_direction_numbers.npz"
    with path.open("rb") as file, np.load(file) as data:
        return data["poly"].astype(np.int64), data["vinit"].astype(np.int64)


def _drawn(d: int, rng: np.random.Generator) -> tuple[Integers, Integers]:
    """Polynomials, as bits, and odd initial numbers drawn."""
    found, count, degree = [np.array([1])], 1, 0
    while count < d:
        degree += 1
        found.append(primitive_polynomials(degree))
        count += len(found[-1])
    initial = [2 * rng.integers(0, 1 << k, d) + 1 for k in range(degree)]
    return np.concatenate(found)[:d], np.array(initial, np.int64).reshape(degree, d).T


def primitive_polynomials(degree: int) -> Integers:
    """All primitive polynomials over GF(2) of a degree, their coefficients as bits, ascending."""
    p = np.arange((1 << degree) + 1, 2 << degree, 2)
    order = (1 << degree) - 1
    # x generates the field's group: its order is that number and no proper divisor.
    p = p[_power_of_x(order, p, degree) == 1]
    for q in prime_factors(order):
        p = p[_power_of_x(order // q, p, degree) != 1]
    return p


def _power_of_x(exponent: int, p: Integers, degree: int) -> Integers:
    """x**exponent modulo each of the polynomials."""
    result = np.ones_like(p)
    for bit in f"{exponent:b}":
        square = np.zeros_like(p)
        for k in reversed(range(degree)):
            square = _times_x(square, p, degree) ^ np.where(result >> k & 1, result, 0)
        result = _times_x(square, p, degree) if bit == "1" else square
    return result


def _times_x(a: Integers, p: Integers, degree: int) -> Integers:
    a = a << 1
    return np.where(a >> degree & 1, a ^ p, a)


def linear_scramble(columns: Matrices, rows: int, bits: int, rng: np.random.Generator) -> Matrices:
    """L C for random lower triangular matrices L of `bits` rows, ones on their diagonals.

    `columns` (…, m) have `rows` digits; the result has `bits`, of shape (…, m). Every coordinate
    (all axes but the last) has a matrix of its own.
    """
    out = np.zeros_like(columns)
    for r in range(min(rows, bits)):
        diagonal = 1 << (bits - 1 - r)
        draws = rng.integers(0, diagonal, columns.shape[:-1], np.uint64)
        column_of_l = draws | np.uint64(diagonal)
        digit = columns >> np.uint64(rows - 1 - r) & ONE
        out ^= digit * column_of_l[..., None]
    return out


def interlaced(digits: Matrices, factor: int, rows: int, bits: int) -> Matrices:
    """Digits of `factor` neighbouring coordinates in turn: (…, d * factor, m) to (…, d, m).

    Of integers of `rows` digits become such of `bits`, those that do not fit being cut off.
    """
    groups = digits.reshape(*digits.shape[:-2], -1, factor, digits.shape[-1])
    out = np.zeros_like(groups[..., 0, :])
    for place in range(min(rows * factor, bits)):
        r, s = divmod(place, factor)
        digit = groups[..., s, :] >> np.uint64(rows - 1 - r) & ONE
        out |= digit << np.uint64(bits - 1 - place)
    return out

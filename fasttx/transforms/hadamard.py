"""Hadamard matrices of orders m * 2**k: which lengths there are, and the dense matrices."""

import itertools
import operator
from collections.abc import Sequence
from functools import cache, lru_cache

import numpy as np
import numpy.typing as npt

# Largest base order: applying a dense base costs about m/4 additions a point, 2**k only k of them.
MAX_BASE = 512

# Rows of the four circulants for the orders 4*t that Paley's constructions do not reach, as
# t: (g, seeds). A row is constant on the orbits of x -> g*x mod t; bit i of its seed is set where
# it is -1 on the i-th orbit, orbits being numbered by their least elements. Symmetric rows
# (g = -1, and 43, where a power of 7 is -1) are Williamson's.
#
# The seeds were found by computer: rows whose power spectrum stays within 4*t, paired where the
# two spectra still do, and pairs joined on their periodic autocorrelations, which must cancel.
# For most t either all rows constant on the orbits were tried, or a random part of them; for 103
# the pairs were first made flat by simulated annealing, and 109 has a row beside three images of
# another one under multiplication by 16. The rows with g = 1 come from Turyn-type sequences of
# lengths 16 and 20 (47 and 59), found in the same way, and from a Golay pair of length 40 (81).
_CIRCULANTS = {
    23: (-1, (0x26A, 0x5C8, 0xBD8, 0x384)),
    29: (-1, (0xD72, 0xF3A, 0x5C82, 0x2134)),
    39: (-1, (0x47D4E, 0xAF370, 0xDAE98, 0xCDF58)),
    43: (7, (0xC6, 0x4A, 0xA2, 0xD0)),
    47: (1, (0x40E5B16FA8E4, 0x3F1A316FA8E4, 0x7F65CE90A8E4, 0x9A4E90A8E4)),
    59: (1, (0x3FC1D292E38CDD2, 0x403E2A92E38CDD2, 0x21D56D1C8CDD2, 0x7FDE2D6D1C8CDD2)),
    65: (9, (0x65C8, 0x3A3C, 0x5996, 0x7864)),
    67: (29, (0x8E7AC, 0x193F32, 0x1E52DE, 0x4BD4F4)),
    73: (2, (0x78, 0x9A, 0xD2, 0x76)),
    81: (
        1,
        (
            0x19D02D9D7D3CE81631416,
            0x19D02D9D7D2CE81631416,
            0x62FD26282DCE81631416,
            0x62FD26282CCE81631416,
        ),
    ),
    93: (2, (0x229E, 0xCC6, 0x38DC, 0x3F60)),
    101: (36, (0x1D70CA, 0x1E9664, 0x10C566, 0x11033E)),
    103: (46, (0x264FECD82, 0x6CA86CE18, 0x5E0E93C4, 0x514489B2E)),
    109: (45, (0x2253B7ECA, 0xF823E1BAA, 0x13A2AB7964, 0x19241525AC)),
    113: (16, (0x5B52, 0x1B270, 0x16328, 0x18A0E)),
    119: (2, (0x6A, 0x1C6, 0xCE, 0xF8)),
    127: (2, (0x158EA, 0x3BC46, 0x64FC4, 0x7D292)),
}


def hadamard(n: int, dtype: npt.DTypeLike | None = None) -> np.ndarray:
    """Hadamard matrix: entries ±1, rows orthogonal.

    With ``(m, k) = split_length(n)``, ``hadamard(n) = kron(H_m, H_{2**k})``: row and column index
    i = i_m * 2**k + i_2, H_{2**k} Sylvester's matrix. For n = 2**k this is
    ``scipy.linalg.hadamard(n)``. The first row and the first column are ones.

    Parameters
    ----------
    n : int
        Order of the matrix: 2**k, or m * 2**k with a base order m, see Notes.
    dtype : dtype, optional
        Data type of the entries; default is int.

    Returns
    -------
    H : (n, n) ndarray
        ``H @ H.T`` is n times the identity. H is symmetric if m is 1 or comes from Paley's
        constructions, in general not otherwise.

    Raises
    ------
    TypeError
        If `n` is not an integer, or `dtype` has no negative values.
    ValueError
        If `n` is not positive, or no matrix of this order is known here.

    See Also
    --------
    next_hadamard_len : The next supported order.
    fasttx.fwht : The product of this matrix and a vector, without the matrix.

    Notes
    -----
    Takes O(n**2) time and memory. Base orders m are 1 and the multiples 4*t <= 512, t odd, but
    356 and 428. They come from Paley's first construction [1]_ where 4*t - 1 is a prime power,
    his second where 2*t - 1 is one, else from four circulant matrices of order t: Williamson's
    symmetric ones [2]_, [3]_ or others, arranged as in [4]_; [5]_ gives the sequences behind the
    orders 188 and 236. See [6]_ for all of them.

    References
    ----------
    .. [1] R. E. A. C. Paley, "On orthogonal matrices", Journal of Mathematics and Physics 12,
       311-320, 1933. :doi:`10.1002/sapm1933121311`
    .. [2] J. Williamson, "Hadamard's determinant theorem and the sum of four squares", Duke
       Mathematical Journal 11, 65-81, 1944. :doi:`10.1215/S0012-7094-44-01108-7`
    .. [3] L. Baumert, S. W. Golomb and M. Hall, "Discovery of an Hadamard matrix of order 92",
       Bulletin of the AMS 68, 237-238, 1962. :doi:`10.1090/S0002-9904-1962-10761-7`
    .. [4] J. M. Goethals and J. J. Seidel, "Orthogonal matrices with zero diagonal", Canadian
       Journal of Mathematics 19, 1001-1010, 1967. :doi:`10.4153/CJM-1967-091-8`
    .. [5] R. J. Turyn, "Hadamard matrices, Baumert-Hall units, four-symbol sequences, pulse
       compression, and surface wave encodings", Journal of Combinatorial Theory A 16, 313-333,
       1974. :doi:`10.1016/0097-3165(74)90056-9`
    .. [6] K. J. Horadam, Hadamard Matrices and Their Applications, Princeton University Press,
       2007, chapters 2 and 3.

    Examples
    --------
    >>> import numpy as np
    >>> from fasttx import hadamard
    >>> hadamard(4)
    array([[ 1,  1,  1,  1],
           [ 1, -1,  1, -1],
           [ 1,  1, -1, -1],
           [ 1, -1, -1,  1]])
    >>> H = hadamard(12, dtype=np.int8)
    >>> np.array_equal(H @ H.T, 12 * np.eye(12))
    True
    """
    out_dtype = np.dtype(int if dtype is None else dtype)
    if out_dtype.kind in "bu":
        raise TypeError(f"dtype must hold -1; got {out_dtype}")
    m, k = split_length(operator.index(n))
    sylvester = np.ones((1, 1), np.int8)
    for _ in range(k):
        sylvester = np.block([[sylvester, sylvester], [sylvester, -sylvester]])
    blocks = base_matrix(m)[:, None, :, None] * sylvester[:, None, :]
    return blocks.reshape(m << k, m << k).astype(out_dtype, copy=False)


def next_hadamard_len(n: int) -> int:
    """Find the next length that a Walsh-Hadamard transform supports, for zero-padding.

    Parameters
    ----------
    n : int
        Length to start searching from; positive.

    Returns
    -------
    out : int
        The smallest supported length >= `n`: m * 2**k with a base order m of `hadamard`.

    Raises
    ------
    TypeError
        If `n` is not an integer.
    ValueError
        If `n` is not positive.

    Notes
    -----
    The result may change in future as base orders are added. Beyond n = 252 it exceeds `n` by less
    than 2.5 percent, where the next power of two may be almost 2*n. It is the shortest length, not
    always the fastest: the base order costs up to m/4 additions a point.

    Examples
    --------
    >>> from fasttx import next_hadamard_len
    >>> next_hadamard_len(17), next_hadamard_len(1000), next_hadamard_len(1100)
    (20, 1000, 1104)
    """
    n = _positive(n)
    # The least k with m * 2**k >= n, for every base order.
    return min(m << (-(-n // m) - 1).bit_length() for m in _BASES)


@lru_cache(maxsize=1024, typed=True)  # typed: 12.0 must not find the entry of 12
def split_length(n: int) -> tuple[int, int]:
    """Base order m and exponent k of the supported length n = m * 2**k.

    m is the least base order with n/m a power of two; it is 1 for powers of two. Builds no matrix.

    Parameters
    ----------
    n : int
        Length.

    Returns
    -------
    m, k : int

    Raises
    ------
    TypeError
        If `n` is not an integer.
    ValueError
        If `n` is not positive or not supported.

    Examples
    --------
    >>> from fasttx.transforms.hadamard import split_length
    >>> split_length(96), split_length(64)
    ((12, 3), (1, 6))
    """
    n = _positive(n)
    power = n & -n
    m = 1 if power == n else 4 * (n // power)
    if n % m or m not in _BASES:
        raise ValueError(
            "n must be a power of 2, or a base order 4*t (t odd) times a power of 2; "
            f"got {n}, the next supported length is {next_hadamard_len(n)}"
        )
    return m, (n // m).bit_length() - 1


@cache
def base_matrix(m: int) -> np.ndarray:
    """Hadamard matrix of a base order, its first row and column ones.

    Parameters
    ----------
    m : int
        Base order: an m with ``split_length(m) == (m, 0)``.

    Returns
    -------
    H : (m, m) ndarray of int8
        Read-only; built once in O(m**2) time and kept.

    Raises
    ------
    ValueError
        If `m` is not a base order.

    Examples
    --------
    >>> from fasttx.transforms.hadamard import base_matrix
    >>> base_matrix(12)[:3]
    array([[ 1,  1,  1,  1,  1,  1,  1,  1,  1,  1,  1,  1],
           [ 1, -1,  1, -1,  1,  1,  1, -1, -1, -1,  1, -1],
           [ 1,  1, -1,  1,  1,  1, -1, -1, -1,  1, -1, -1]], dtype=int8)
    """
    if m not in _BASES:
        raise ValueError(f"m must be a base order; got {m}")
    # m is 1 or 4*t with t odd: m - 1 is 3 mod 4 and m/2 - 1 is 1 mod 4, as Paley needs them.
    if m == 1:
        h = np.ones((1, 1), np.int8)
    elif _prime_power(m - 1):
        h = _paley_first(m - 1)
    elif _prime_power(m // 2 - 1):
        h = _paley_second(m // 2 - 1)
    else:
        g, seeds = _CIRCULANTS[m // 4]
        h = _goethals_seidel(_rows(m // 4, g, seeds))
    h = h * h[0] * h[:, :1] * h[0, 0]
    h.flags.writeable = False
    return h


def _positive(n: int) -> int:
    n = operator.index(n)
    if n < 1:
        raise ValueError(f"n must be a positive integer; got {n}")
    return n


def _prime_power(q: int) -> tuple[int, int] | None:
    """(p, e) if q = p**e with p prime, else None."""
    p = next((d for d in range(2, int(q**0.5) + 1) if q % d == 0), q)
    e = 1
    while p**e < q:
        e += 1
    return (p, e) if p**e == q else None


# The orders 4*t, t odd, that have a construction here: all but 356 and 428. The first matrix of
# order 428 dates from 2005 (Kharaghani and Tayfeh-Rezaie).
_PALEY = (m for m in range(12, MAX_BASE + 1, 8) if _prime_power(m - 1) or _prime_power(m // 2 - 1))
_BASES = tuple(sorted({1, *_PALEY, *(4 * t for t in _CIRCULANTS)}))


def _paley_first(q: int) -> np.ndarray:
    """Matrix of order q + 1, q = 3 mod 4."""
    digits, weights, character = _field(q)
    # Sums instead of Paley's differences permute his rows, which makes the matrix symmetric.
    h = np.ones((q + 1, q + 1), np.int8)
    h[1:, 1:] = np.where(character == 0, -1, character)[_table(digits, digits, weights)]
    return h


def _paley_second(q: int) -> np.ndarray:
    """Matrix of order 2*(q + 1), q = 1 mod 4; symmetric."""
    digits, weights, character = _field(q)
    conference = 1 - np.eye(q + 1, dtype=np.int8)
    conference[1:, 1:] = character[_table(digits, -digits, weights)]
    h = np.kron(conference, np.array([[1, 1], [1, -1]], np.int8))
    return h + np.kron(np.eye(q + 1, dtype=np.int8), np.array([[1, -1], [-1, -1]], np.int8))


def _table(a: np.ndarray, b: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Numbers of the field elements a[i] + b[j]; p is the second weight, or the field's order."""
    p = len(a) if len(weights) == 1 else weights[1]
    return ((a[:, None] + b) % p) @ weights


def _field(q: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Digits (q, e), weights (e,) and quadratic character (q,) of GF(q), q = p**e odd.

    Element a is the polynomial whose coefficients are a's digits in base p, lowest first.
    """
    power = _prime_power(q)
    assert power is not None
    p, e = power
    weights = p ** np.arange(e)
    digits = np.arange(q)[:, None] // weights % p
    for modulus in itertools.product(range(p), repeat=e):  # x**e plus these coefficients
        square = np.zeros((q, 2 * e - 1), int)
        for i in range(e):
            square[:, i : i + e] += digits[:, i, None] * digits
        for i in range(2 * e - 2, e - 1, -1):
            square[:, i - e : i] -= square[:, i, None] * np.array(modulus)
        squares = np.unique((square[:, :e] % p) @ weights)
        # A nonzero square has at least the two roots ±a; (q + 1)/2 squares therefore say that no
        # element has more and only 0 squares to 0: the ring is a field, the modulus irreducible.
        if len(squares) == (q + 1) // 2:
            break
    character = np.full(q, -1, np.int8)
    character[squares] = 1
    character[0] = 0
    return digits, weights, character


def _rows(t: int, g: int, seeds: Sequence[int]) -> list[np.ndarray]:
    """First rows of the four circulants, see `_CIRCULANTS`."""
    orbit = np.full(t, -1)
    count = 0
    for x in range(t):
        if orbit[x] < 0:
            while orbit[x] < 0:
                orbit[x] = count
                x = x * g % t
            count += 1
    return [np.array([1 - 2 * (seed >> i & 1) for i in orbit.tolist()], np.int8) for seed in seeds]


def _goethals_seidel(rows: Sequence[np.ndarray]) -> np.ndarray:
    """Matrix of order 4*t from rows of length t whose periodic autocorrelations cancel."""
    i = np.arange(len(rows[0]))
    total = (i[:, None] + i) % len(i)
    a = rows[0][i - i[:, None]]
    # Circulants times the reversal j -> -j, and their transposes times it: all symmetric.
    b, c, d = (row[-total] for row in rows[1:])
    bt, ct, dt = (row[total] for row in rows[1:])
    return np.block([[a, b, c, d], [-b, a, dt, -ct], [-c, -dt, a, bt], [-d, ct, -bt, a]])

"""Hamming distances of a pattern to all places of a text, by convolutions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .. import _array, _threads
from ..transforms.causal import CausalFilter

METHODS = ("exact", "randomized")
# Sums of 0 and 1 by transforms in float32 are exact after rounding up to this many terms.
_SINGLE = 1 << 16
# Maps are convolved together, as rows, up to about this many numbers.
_TOGETHER = 1 << 22


def sliding_hamming(
    text: str | bytes | ArrayLike,
    pattern: str | bytes | ArrayLike,
    *,
    method: str = "exact",
    epsilon: float = 0.1,
    delta: float = 1e-3,
    rng: Any = None,
    workers: int | None = None,
) -> np.ndarray:
    """Hamming distance of a pattern to the text at every place.

    ``d[i]`` is the number of j < m with ``text[i + j] != pattern[j]``.

    Parameters
    ----------
    text, pattern : str, bytes or array_like of integers
        One-dimensional, of n and of m symbols, 1 <= m <= n.
    method : {"exact", "randomized"}, optional
        Exact counts, or estimates whose cost does not depend on the number of symbols.
    epsilon, delta : float, optional
        Of the randomized method: at each place the estimate is within ``epsilon*d[i]`` with
        probability at least ``1 - delta``. Both are between 0 and 1.
    rng : seed or numpy.random.Generator, optional
        Random state of the randomized method.
    workers : int, optional
        Number of threads.

    Returns
    -------
    d : ndarray of shape (n - m + 1,)
        int64, or float64 with the randomized method.

    Raises
    ------
    ValueError
        If the pattern is empty or longer than the text, or an option is not one of the accepted.
    TypeError
        If text and pattern are not both str, both bytes or both integers.

    Notes
    -----
    Exact [1]_: matches are counted symbol by symbol, for a symbol that occurs a times in the text
    and b times in the pattern by one correlation of zeros and ones, O(n log m), or pair by pair,
    O(a b), whichever takes less.

    Randomized [2]_: a map gives every symbol a random sign. The correlation r of the two sequences
    of signs has the mean ``m - d``, and ``m - r``, to which a mismatch adds 0 or 2, is from 0 to
    ``2 d``. The average of ``ceil(2 log(2/delta) / epsilon**2)`` maps is farther from d than
    promised with probability at most `delta` (Hoeffding). Host only.

    References
    ----------
    .. [1] K. Abrahamson, "Generalized string matching", SIAM Journal on Computing 16, 1039-1051,
       1987. :doi:`10.1137/0216067`
    .. [2] H. Karloff, "Fast algorithms for approximately counting mismatches", Information
       Processing Letters 48, 53-60, 1993. :doi:`10.1016/0020-0190(93)90177-B`

    Examples
    --------
    >>> from fasttx.structured import sliding_hamming
    >>> sliding_hamming("abracadabra", "abra")
    array([0, 4, 3, 3, 3, 3, 4, 0])
    """
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}; got {method!r}")
    if workers is not None:
        _threads.check_workers(workers)
    kinds = {_kind(text), _kind(pattern)}
    if len(kinds) > 1:
        raise TypeError(f"text and pattern must be of one kind; got {' and '.join(sorted(kinds))}")
    long, short = _symbols(text, "text"), _symbols(pattern, "pattern")
    if not 1 <= short.size <= long.size:
        raise ValueError(
            f"the pattern must have 1 to {long.size} symbols, as the text; got {short.size}"
        )
    if method == "exact":
        return short.size - _matches(long, short, workers)
    for name, value in (("epsilon", epsilon), ("delta", delta)):
        if not 0 < value < 1:
            raise ValueError(f"{name} must be between 0 and 1; got {value}")
    return _estimates(long, short, epsilon, delta, np.random.default_rng(rng), workers)


def _matches(text, pattern, workers):
    """Number of equal symbols at each place."""
    n, m = text.size, pattern.size
    number, codes = _codes(text, pattern)
    of_pattern, of_text = codes[:m], codes[m:]
    in_pattern = np.bincount(of_pattern, minlength=number)
    in_text = np.bincount(of_text, minlength=number)
    counts = np.zeros(n - m + 1, np.int64)
    # A correlation takes about as long as 8 log2(m) additions a symbol of the text.
    by_pairs = in_pattern * in_text <= 8 * n * max(1.0, math.log2(m))
    places = np.argsort(of_text, kind="stable")
    starts = np.concatenate([[0], np.cumsum(in_text)])
    for code in np.flatnonzero(in_pattern * in_text):
        where = places[starts[code] : starts[code + 1]]
        mine = np.flatnonzero(of_pattern == code)
        if by_pairs[code]:
            _count_pairs(where, mine, counts)
        else:
            ones = (of_text == code).astype(np.float32 if m <= _SINGLE else np.float64)
            kernel = (of_pattern == code).astype(ones.dtype)
            counts += np.rint(_correlation(ones, kernel, workers)).astype(np.int64)
    return counts


def _count_pairs(where, mine, counts):
    """Add one for each pair of places of a symbol, in the text and in the pattern."""
    step = max(1, _TOGETHER // mine.size)
    for start in range(0, where.size, step):
        at = (where[start : start + step, None] - mine).ravel()
        at = at[(at >= 0) & (at < counts.size)]
        counts += np.bincount(at, minlength=counts.size)


def _correlation(x, kernel, workers):
    """``sum_j x[..., i + j] kernel[..., j]`` at the places i where the kernel fits."""
    reverse = np.ascontiguousarray(kernel[..., ::-1])
    return CausalFilter(reverse)(x, workers=workers)[..., kernel.shape[-1] - 1 :]


def _estimates(text, pattern, epsilon, delta, rng, workers):
    n, m = text.size, pattern.size
    maps = number_of_maps(epsilon, delta)
    number, codes = _codes(text, pattern)
    total = np.zeros(n - m + 1)
    # Sums of m signs err by m times the roundoff: far below the error allowed to distances of 1.
    dtype = np.float32 if m <= _SINGLE else np.float64
    together = max(1, min(maps, _TOGETHER // n))
    for start in range(0, maps, together):
        count = min(together, maps - start)
        signs = rng.integers(0, 2, (count, number), dtype=np.int8).astype(dtype) * 2 - 1
        rows = signs[:, codes]
        found = np.rint(_correlation(rows[:, m:], rows[:, :m], workers))
        total += found.sum(axis=0, dtype=np.float64)
    return m - total / maps


def number_of_maps(epsilon: float, delta: float) -> int:
    """Maps whose average keeps the promise."""
    return math.ceil(2 * math.log(2 / delta) / epsilon**2)


def _codes(text, pattern):
    """Number of different symbols, and which of them those of the pattern and of the text are."""
    both = [pattern, text]
    axis = None
    if np.result_type(*both).kind == "f":  # int64 beside uint64 would be rounded
        both = [np.stack([x < 0, x.astype(np.uint64)], axis=1) for x in both]
        axis = 0
    symbols, codes = np.unique(np.concatenate(both), axis=axis, return_inverse=True)
    return len(symbols), codes.reshape(-1)


def _kind(sequence):
    return type(sequence).__name__ if isinstance(sequence, str | bytes) else "integers"


def _symbols(sequence, name):
    """The sequence as integers."""
    if isinstance(sequence, str):
        return np.frombuffer(sequence.encode("utf-32-le", "surrogatepass"), np.uint32)
    if isinstance(sequence, bytes):
        return np.frombuffer(sequence, np.uint8)
    _array.check_host(sequence, "sliding_hamming")
    array = np.asarray(sequence)
    if array.size == 0:
        return np.zeros(0, np.int64)
    if array.dtype.kind not in "bui":
        raise TypeError(f"{name} must be str, bytes or integers; got {array.dtype}")
    if array.ndim != 1:
        raise ValueError(f"{name} must have one dimension; got shape {array.shape}")
    return array

"""Orders of the Walsh functions: natural (Hadamard), by sequency (Walsh), dyadic (Paley)."""

import functools

import numpy as np

from .._array import check_length

ORDERS = ("hadamard", "sequency", "dyadic")


def check_order(order: str, n: int = 1) -> str:
    """Raise unless `order` is known and defined for length `n`."""
    if order not in ORDERS:
        accepted = ", ".join(map(repr, ORDERS))
        raise ValueError(f"order {order!r} is not one of {accepted}")
    if order != "hadamard" and n & (n - 1):
        raise ValueError(f"order {order!r} needs a length that is a power of two; got {n}")
    return order


def hadamard_permutation(n: int, order: str) -> np.ndarray:
    """Index map from the natural order of the Walsh-Hadamard transform to another.

    ``fwht(x, order=order)`` equals ``fwht(x)[hadamard_permutation(n, order)]``.

    Parameters
    ----------
    n : int
        Length of the transform; a power of two unless `order` is "hadamard".
    order : {"hadamard", "sequency", "dyadic"}
        "hadamard" is the identity; "dyadic" (Paley) reverses the bits of the index; "sequency"
        (Walsh) sorts the functions by their number of sign changes: the bit-reversed Gray code.

    Returns
    -------
    index : ndarray of int64, shape (n,)

    Raises
    ------
    ValueError
        If the order is unknown or not defined for `n`.

    References
    ----------
    .. [1] K. G. Beauchamp, "Applications of Walsh and Related Functions", Academic Press, 1984,
       chapter 1.

    Examples
    --------
    >>> from fasttx import hadamard, hadamard_permutation
    >>> hadamard_permutation(8, "sequency")
    array([0, 4, 6, 2, 3, 7, 5, 1])
    >>> walsh = hadamard(8)[hadamard_permutation(8, "sequency")]
    >>> (walsh[:, 1:] != walsh[:, :-1]).sum(axis=1)
    array([0, 1, 2, 3, 4, 5, 6, 7])
    """
    n = check_length(n, 0)
    index = np.arange(n)
    if check_order(order, n) == "hadamard":
        return index
    if order == "sequency":
        index ^= index >> 1
    return _reverse(index, n.bit_length() - 1)


def _reverse(index: np.ndarray, bits: int) -> np.ndarray:
    reverse = np.zeros_like(index)
    for bit in range(bits):
        reverse |= (index >> bit & 1) << (bits - 1 - bit)
    return reverse


@functools.lru_cache(maxsize=64)
def source_tables(bits: int, order: str) -> tuple[np.ndarray, ...]:
    """Where the input of a natural transform is taken from so that its output is in that order.

    The orders permute the index by an invertible matrix M over GF(2), and <M i, j> = <i, Mᵀ j>:
    permuting the input by the inverse of Mᵀ does the same. It is linear too, so that point j comes
    from ``top[t] ^ high[h] ^ middle[m] ^ low[l]``, t, h, m and l being the fields of j's bits; top
    and low have four bits (a cache line of points), or less where there are fewer.
    """
    lowest = min(4, bits // 2)
    highest = min(4, bits - lowest)
    between = bits - lowest - highest
    fields, start = [], 0
    for width in (lowest, between // 2, between - between // 2, highest):
        index = np.arange(1 << width) << start
        if order == "sequency":  # the inverse of j ^ (j << 1): the sum of all lower bits
            shift = 1
            while shift < bits:
                index ^= index << shift
                shift *= 2
            index &= (1 << bits) - 1
        field = _reverse(index, bits)
        field.flags.writeable = False
        fields.append(field)
        start += width
    return tuple(reversed(fields))

"""Boolean functions and S-boxes: Walsh spectra, normal forms, linear approximation tables.

A Boolean function f of n variables is the list of its 2**n values along the last axis of an array;
bit 0 of an index x is its least significant bit and the variable x_0. Leading axes are a batch:
what is one number for one function is an array of the batch's shape.

On a device, functions of Boolean functions take arrays of bool, int8 to int64, uint8, float32 and
float64 and return device arrays, 0-d ones where there is one number. Which form they have is seen
by the host, in four flags, unless they are of bool. Packed functions and S-boxes are on the host
only.

**The form of the input.** The same function is written as a truth table, f(x) in {0, 1}, or as
signs, (-1)**f(x) in {1, -1}, so 1 means "true" in one form and "false" in the other. The keyword
`form` says which is meant:

``"bits"``
    0 and 1, of any bool, integer or real dtype.
``"signs"``
    1 and -1, of any integer or real dtype: 1 where f is 0 and -1 where f is 1.
``"packed"``
    uint8, eight values of f a byte in the order of ``numpy.packbits``: 8 * (number of bytes) values
    in all. With fewer than three variables, `nvars` says how many: the byte's first 2**nvars bits
    count and the others must be 0. Never assumed unless asked for.
``"auto"`` (default)
    bool is bits. Of other dtypes, an array (with its whole batch) that holds a 0 is bits and one
    that holds a -1 is signs. Where all are 1, unsigned integers are bits (the constant 1), and
    signed integers and real numbers, which could be either, raise ValueError. A program whose
    functions may be constant should pass `form`.

Anything else, as a mixture of 0 and -1, raises ValueError, and dtypes that are not real TypeError.

References
----------
.. [1] C. Carlet, "Boolean Functions for Cryptography and Coding Theory", Cambridge University
   Press, 2021 (below: Carlet). :doi:`10.1017/9781108606806`
.. [2] M. Matsui, "Linear Cryptanalysis Method for DES Cipher", EUROCRYPT '93, LNCS 765, 386-397,
   1994 (below: Matsui). :doi:`10.1007/3-540-48285-7_33`
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _threads
from ._array import is_device_array
from ._cpu import walsh
from ._truth_table import packed_bytes, sbox_values, truth_table
from .transforms.fwht import fwht, fwht2

__all__ = [
    "algebraic_degree",
    "anf",
    "autocorrelation",
    "correlation_immunity",
    "is_balanced",
    "is_bent",
    "linear_approximation_table",
    "nonlinearity",
    "sbox_nonlinearity",
    "walsh_spectrum",
]

_SCALES = ("absolute_bias", "bias", "correlation", "fourier_coefficient")


def walsh_spectrum(
    f: ArrayLike, *, form: str = "auto", nvars: int | None = None
) -> NDArray[np.int64]:
    """Walsh transform ``W[u] = sum_x (-1)**(f(x) + <u, x>)``, exact.

    <u, x> is the number of common one bits of u and x. n 2**n additions. Carlet, section 2.3.

    Parameters
    ----------
    f : array_like, shape (..., 2**n)
        Boolean functions; (..., 2**n / 8) bytes if packed.
    form : {"auto", "bits", "signs", "packed"}, optional
        How `f` is written, see `fasttx.boolean`.
    nvars : int, optional
        Number of variables n; needed for packed functions of n < 3, else checked.

    Returns
    -------
    W : ndarray of int64, shape (..., 2**n)

    Raises
    ------
    ValueError
        If the length is not 2**n, a value is none of the accepted, or the form is ambiguous.
    TypeError
        If the dtype is not bool, integer or real (uint8 if packed).

    Examples
    --------
    >>> from fasttx.boolean import walsh_spectrum
    >>> walsh_spectrum([0, 0, 0, 1])
    array([ 2,  2,  2, -2])
    >>> walsh_spectrum([1, 1, 1, -1])  # the same function
    array([ 2,  2,  2, -2])
    """
    if is_device_array(f):
        return _device().walsh_spectrum(f, form, nvars)
    return _spectrum(truth_table(f, form, nvars), np.int64)


def nonlinearity(
    f: ArrayLike, *, form: str = "auto", nvars: int | None = None
) -> int | NDArray[np.int64]:
    """Hamming distance to the nearest affine function: ``2**(n-1) - max|W| / 2``.

    Parameters, errors and cost are those of `walsh_spectrum`. Carlet, section 3.1.

    Returns
    -------
    distance : int, or ndarray of int64 for a batch
        At most 2**(n-1) - 2**(n/2 - 1), which bent functions reach.

    Examples
    --------
    >>> from fasttx.boolean import nonlinearity
    >>> nonlinearity([0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 1, 1, 1, 0])
    6
    """
    if is_device_array(f):
        return _device().nonlinearity(f, form, nvars)
    table = truth_table(f, form, nvars)
    spectrum = _spectrum(table)
    largest = np.maximum(spectrum.max(axis=-1), -spectrum.min(axis=-1))
    return _scalar((table.shape[-1] - largest.astype(np.int64)) // 2)


def anf(f: ArrayLike, *, form: str = "auto", nvars: int | None = None) -> NDArray[np.uint8]:
    """Algebraic normal form: the coefficients of f as a polynomial over GF(2).

    ``f(x) = XOR over u of a[u] & prod_{i in u} x_i``, where u lists the variables of a monomial as
    the one bits of an index: ``a[0]`` is the constant, ``a[5]`` the coefficient of x_0 x_2.

    Parameters and errors are those of `walsh_spectrum`. This is the binary Moebius transform, of
    n 2**n / 64 operations on words. Carlet, section 2.2.

    Returns
    -------
    a : ndarray of uint8
        0 and 1, shape (..., 2**n), for bits and for signs; packed bytes for packed bytes. The map
        is its own inverse: ``anf(a, form="bits")`` is the truth table of the polynomial `a`.

    Examples
    --------
    >>> from fasttx.boolean import anf
    >>> anf([0, 1, 1, 1])  # x_0 OR x_1 = x_0 + x_1 + x_0 x_1
    array([0, 1, 1, 1], dtype=uint8)
    """
    if is_device_array(f):
        return _device().anf(f, form, nvars)
    if form == "packed":
        data, n = packed_bytes(f, nvars)
        return walsh.binary_moebius(data, n)
    table = truth_table(f, form, nvars)
    size = table.shape[-1]
    packed = walsh.binary_moebius(np.packbits(table, axis=-1), size.bit_length() - 1)
    return np.unpackbits(packed, axis=-1, count=size)


def algebraic_degree(
    f: ArrayLike, *, form: str = "auto", nvars: int | None = None
) -> int | NDArray[np.int64]:
    """Degree of the algebraic normal form; -1 for the function that is 0 everywhere.

    Parameters and errors are those of `walsh_spectrum`, the cost and the reference those of `anf`.

    Returns
    -------
    degree : int, or ndarray of int64 for a batch
        Largest number of variables in a monomial. The zero polynomial has none, and gets -1 to
        tell it from the constant 1, of degree 0 (some texts call both 0).

    Examples
    --------
    >>> from fasttx.boolean import algebraic_degree
    >>> algebraic_degree([0, 1, 1, 1])
    2
    """
    if is_device_array(f):
        return _device().algebraic_degree(f, form, nvars)
    table = truth_table(f, form, nvars)
    ranks = anf(table).view(np.int8) * (walsh.weights(table.shape[-1]) + np.int8(1))
    return _scalar(ranks.max(axis=-1).astype(np.int64) - 1)


def autocorrelation(
    f: ArrayLike, *, form: str = "auto", nvars: int | None = None
) -> NDArray[np.int64]:
    """Autocorrelation ``r[a] = sum_x (-1)**(f(x) + f(x XOR a))``, exact.

    Parameters and errors are those of `walsh_spectrum`. Two transforms, by Wiener and Khinchin:
    ``r = fwht(W**2) / 2**n``. Carlet, section 2.3.

    Returns
    -------
    r : ndarray of int64, shape (..., 2**n)
        ``r[0]`` is 2**n; all others are 0 for bent functions alone.

    Examples
    --------
    >>> from fasttx.boolean import autocorrelation
    >>> autocorrelation([0, 1, 1, 0, 1, 0, 0, 1])  # x_0 + x_1 + x_2
    array([ 8, -8, -8,  8, -8,  8,  8, -8])
    """
    if is_device_array(f):
        return _device().autocorrelation(f, form, nvars)
    power = _spectrum(truth_table(f, form, nvars), np.float64)
    np.square(power, out=power)
    # The squares add up to 4**n: float64 is exact for n <= 26, and its error, below (n+1) 2**(n-53)
    # after the division, is rounded away for every n that fits in a memory.
    result = fwht(power, norm="forward", overwrite_x=True)
    return np.rint(result, out=result).astype(np.int64)


def correlation_immunity(
    f: ArrayLike, *, form: str = "auto", nvars: int | None = None
) -> int | NDArray[np.int64]:
    """Order of correlation immunity: the largest m with W[u] = 0 for 1 <= weight(u) <= m.

    For uniform x, f(x) is then statistically independent of any m variables. Balanced functions
    (`is_balanced`) of order m are called m-resilient.

    Parameters, errors and cost are those of `walsh_spectrum`. Carlet, chapter 7.

    Returns
    -------
    order : int, or ndarray of int64 for a batch
        From 0 to n; n for the constant functions alone.

    Examples
    --------
    >>> from fasttx.boolean import correlation_immunity
    >>> correlation_immunity([0, 1, 1, 0, 1, 0, 0, 1])  # x_0 + x_1 + x_2
    2
    """
    if is_device_array(f):
        return _device().correlation_immunity(f, form, nvars)
    spectrum = _spectrum(truth_table(f, form, nvars))
    n = spectrum.shape[-1].bit_length() - 1
    ranks = np.int8(n + 1) - walsh.weights(1 << n)  # highest for weight 1
    ranks[0] = 0  # W[0] does not count
    return _scalar(n - ((spectrum != 0) * ranks).max(axis=-1).astype(np.int64))


def is_balanced(
    f: ArrayLike, *, form: str = "auto", nvars: int | None = None
) -> bool | NDArray[np.bool_]:
    """Whether f takes the values 0 and 1 equally often: W[0] = 0.

    Parameters and errors are those of `walsh_spectrum`; one pass over the values.

    Returns
    -------
    balanced : bool, or ndarray of bool for a batch

    Examples
    --------
    >>> from fasttx.boolean import is_balanced
    >>> is_balanced([[0, 1, 1, 0], [0, 0, 0, 1]])
    array([ True, False])
    """
    if is_device_array(f):
        return _device().is_balanced(f, form, nvars)
    table = truth_table(f, form, nvars)
    return _scalar(2 * np.count_nonzero(table, axis=-1) == np.int64(table.shape[-1]))


def is_bent(
    f: ArrayLike, *, form: str = "auto", nvars: int | None = None
) -> bool | NDArray[np.bool_]:
    """Whether f is bent: all of its Walsh values are 2**(n/2) or -2**(n/2); n is then even.

    Parameters, errors and cost are those of `walsh_spectrum`. Carlet, chapter 6.

    Returns
    -------
    bent : bool, or ndarray of bool for a batch

    Examples
    --------
    >>> from fasttx.boolean import is_bent
    >>> is_bent([0, 0, 0, 1])
    True
    """
    if is_device_array(f):
        return _device().is_bent(f, form, nvars)
    table = truth_table(f, form, nvars)
    n = table.shape[-1].bit_length() - 1
    if n % 2:
        return _scalar(np.zeros(table.shape[:-1], np.bool_))
    return _scalar((np.abs(_spectrum(table)) == 1 << n // 2).all(axis=-1))


def linear_approximation_table(
    sbox: ArrayLike, *, m: int | None = None, scale: str = "absolute_bias"
) -> NDArray:
    """Linear approximation table (LAT) of an S-box from n to m bits.

    One transform, over inputs and outputs, of the indicator of the pairs (x, S(x)):
    (n + m) 2**(n + m) additions and 8 * 2**(n + m) bytes. Matsui; Carlet, section 3.2.

    Parameters
    ----------
    sbox : array_like of integers, shape (2**n,), n >= 1
        Values in [0, 2**m); not necessarily a permutation.
    m : int, optional
        Number of output bits; by default those of the largest value, at least 1.
    scale : {"absolute_bias", "bias", "correlation", "fourier_coefficient"}, optional
        What an entry means, in SageMath's words. With P the share of the inputs x for which
        <a, x> = <b, S(x)>: 2**n (P - 1/2), the count less a half, as in Matsui's and most printed
        tables (default, int64); P - 1/2 (float64); 2 P - 1 (float64); or 2**n (2 P - 1), which is
        the Walsh value ``sum_x (-1)**(<a, x> + <b, S(x)>)`` (int64).

    Returns
    -------
    lat : ndarray, shape (2**n, 2**m)
        ``lat[a, b]`` for input mask a and output mask b; column b is the component <b, S(x)>'s.

    Raises
    ------
    ValueError
        If the length is not 2**n, a value is outside [0, 2**m), or `scale` is not known.
    TypeError
        If the values are not integers.

    Examples
    --------
    >>> from fasttx.boolean import linear_approximation_table
    >>> linear_approximation_table([0, 1, 2, 0])
    array([[ 2,  1,  1,  0],
           [ 0,  1, -1,  0],
           [ 0, -1,  1,  0],
           [ 0,  1,  1,  2]])
    """
    values, m = sbox_values(sbox, m)
    if scale not in _SCALES:
        raise ValueError(f"scale {scale!r} is not one of {', '.join(map(repr, _SCALES))}")
    size = values.size
    pairs = np.zeros((size, 1 << m), np.int64)
    pairs[np.arange(size), values] = 1
    table: NDArray[np.int64] = fwht2(pairs, overwrite_x=True)
    if scale == "absolute_bias":
        return np.right_shift(table, 1, out=table)  # sums of an even number of signs are even
    if scale == "fourier_coefficient":
        return table
    return table / (2 * size if scale == "bias" else size)


def sbox_nonlinearity(sbox: ArrayLike, *, m: int | None = None, workers: int | None = None) -> int:
    """Smallest nonlinearity of the components <b, S(x)>, b != 0, of an S-box.

    ``2**(n-1) - max|lat[:, 1:]|`` with lat the `linear_approximation_table`, of which only one
    column a thread exists at a time: n 2**(n + m) additions, in 16-bit lanes for n <= 17 and in
    float32 beyond, and (m / 8 + 16) 2**n bytes, with 4 * 2**n for each thread. Carlet, section 3.2.

    Parameters
    ----------
    sbox, m
        As for `linear_approximation_table`, with n <= 24. An output bit that is never set makes
        the nonlinearity 0.
    workers : int, optional
        Number of threads, as for `fasttx.fwht`; the result does not depend on it.

    Returns
    -------
    distance : int

    Examples
    --------
    >>> from fasttx.boolean import sbox_nonlinearity
    >>> present = [12, 5, 6, 11, 9, 0, 10, 13, 3, 14, 15, 8, 4, 7, 1, 2]
    >>> sbox_nonlinearity(present)
    4
    """
    values, m = sbox_values(sbox, m)
    n = values.size.bit_length() - 1
    if n > walsh.MAX_VARIABLES["float32"]:
        raise ValueError(f"S-boxes of at most 24 input bits are supported; got {n}")
    # Variables that S ignores double every Walsh value, so small S-boxes are seen as larger ones.
    ignored = max(0, walsh.MIN_VARIABLES - n)
    if ignored:
        values = np.tile(values, 1 << ignored)
    outputs = np.stack([np.packbits(values & (1 << j)) for j in range(m)])
    dtype = "int16" if n <= walsh.MAX_VARIABLES["int16"] else "float32"
    search, table = walsh.largest_walsh(dtype), walsh.byte_table(dtype)
    # Masks come in parts of less than a second, between which a keyboard interrupt is heard.
    workers = _threads.resolve(workers, values.size << m)
    part = max(1, min((1 << 28) // values.size, (1 << m) // (4 * workers)))
    found: list[int] = []

    def scan(first: int, last: int) -> None:
        for number in range(first, last):
            start = 1 + number * part
            found.append(search(outputs, table, start, min(start + part, 1 << m)))

    _threads.share(scan, -(-((1 << m) - 1) // part), workers)
    return (1 << (n - 1)) - (int(max(found)) >> ignored)


def _device() -> Any:
    from . import _boolean_device

    return _boolean_device


def _spectrum(table: NDArray[np.bool_], dtype: type | None = None) -> NDArray:
    """Walsh spectrum, by default in the narrowest real dtype that is exact."""
    if dtype is None:
        dtype = np.float32 if table.shape[-1] <= 1 << 24 else np.float64
    signs: NDArray = table.astype(dtype)
    signs *= -2
    signs += 1
    return fwht(signs, overwrite_x=True)


def _scalar(values: Any) -> Any:
    """A Python number for one function, an array for a batch."""
    return values.item() if values.ndim == 0 else values

"""Attention by structure: relative positions through Toeplitz products; third order."""

from __future__ import annotations

import math

import numpy as np
import scipy.fft
from numpy.typing import ArrayLike

from .. import _threads
from ..transforms.circular import CircularFilter
from ._base import BLOCK_BYTES, padded_length
from ._kronecker_attention import kronecker_attention, over, real_entries

__all__ = ["kronecker_attention", "toeplitz_attention"]

# Rows of Toeplitz attention whose estimated relative error is above this are summed otherwise.
_ERRORS = {np.dtype(np.float32): 1e-4, np.dtype(np.float64): 1e-10}
# Above this part of rows that float32 does not resolve, float64 does all of them again.
_PART = 1 / 8
# Blocks of rows that are convolved by themselves: each size is an eighth of the one before, down to
# the least; a block with fewer doubtful rows is not worth it.
_SHRINK, _LEAST_BLOCK, _LEAST_ROWS = 8, 64, 32


def toeplitz_attention(
    phi_q: ArrayLike,
    phi_k: ArrayLike,
    v: ArrayLike,
    bias: ArrayLike,
    *,
    causal: bool = False,
    workers: int | None = None,
) -> np.ndarray:
    r"""Kernelised attention with a relative positional bias, in n log n.

    Row i of the result is

    .. math:: \frac{\sum_j e^{b_{j-i}} \langle\phi(q_i), \phi(k_j)\rangle v_j}
              {\sum_j e^{b_{j-i}} \langle\phi(q_i), \phi(k_j)\rangle}.

    Parameters
    ----------
    phi_q, phi_k : array_like of shape (..., n, features)
        Feature maps of queries and keys, real; float32, float64, bool or integers.
    v : array_like of shape (..., n, dv)
        Values. The leading axes of all four arrays broadcast.
    bias : array_like of shape (..., 2n - 1)
        Logarithmic weight b of the lags j - i from -(n - 1) to n - 1; -inf masks a lag. A constant
        added to all lags changes nothing. With `causal`, shape (..., n) is accepted too: the lags
        0, -1, ..., -(n - 1), in this order.
    causal : bool, optional
        Let only the lags j - i <= 0 count; the other entries of `bias` are not looked at.
    workers : int, optional
        Number of threads, see `fasttx.fwht`.

    Returns
    -------
    out : ndarray of shape (..., n, dv)
        Of the common dtype of `phi_q`, `phi_k` and `v`, float64 for integers.

    Raises
    ------
    ValueError
        If the shapes do not fit, entries are not finite (other than -inf in `bias`), all lags are
        masked, the result overflows, or a row's denominator is not positive beyond rounding: the
        feature maps must be positive, and each row needs a key that is not masked.
    TypeError
        If a dtype is not real or not one of the accepted.

    Notes
    -----
    Each feature's keys and their products with the dv values go through one Toeplitz product: dv +
    1 skew-circular convolutions of a power of two of points, at least 2n - 1. Cost O(features dv n
    log n); beyond copies of input and output, a few blocks of 16 MiB.

    The error of a convolution is relative to its largest results, so that it may hide a row whose
    sums are small beside those of others: the first rows of long causal attention, or keys of very
    different magnitudes. The rows for which an estimate of the denominator's relative error is
    above 1e-4 in float32 or 1e-10 in float64 are computed anew in float64, by blocks of n/8, n/64,
    ... down to 64 rows, which see nearly the same lags: the largest weight of these is taken out,
    and columns are convolved in blocks of that size, in O(features dv n) for a block of rows. What
    is left, and where there are few such rows, is summed directly, a row in O(n (features + dv)).
    If these rows are more than an eighth in float32, all go through float64 before. The error of an
    entry is relative to the largest magnitude in its column of `v`.

    Host only.

    References
    ----------
    .. [1] S. Luo, S. Li, T. Cai, D. He, D. Peng, S. Zheng, G. Ke, L. Wang and T.-Y. Liu, "Stable,
       Fast and Accurate: Kernelized Attention with Relative Positional Encoding", NeurIPS 2021.

    Examples
    --------
    Keys that are all alike leave a mean of the values, weighted by the distance:

    >>> import numpy as np
    >>> from fasttx.structured.attention import toeplitz_attention
    >>> ones = np.ones((3, 1))
    >>> bias = np.log([1, 2, 4, 2, 1])
    >>> toeplitz_attention(ones, ones, [[7.0], [0.0], [0.0]], bias).round(12)
    array([[4.  ],
           [1.75],
           [1.  ]])
    """
    if workers is not None:
        _threads.check_workers(workers)
    queries, keys, values = (
        real_entries(phi_q, "phi_q"),
        real_entries(phi_k, "phi_k"),
        real_entries(v, "v"),
    )
    for x, name in ((queries, "phi_q"), (keys, "phi_k"), (values, "v")):
        if x.ndim < 2:
            raise ValueError(f"{name} must have shape (..., n, features); got {x.shape}")
    if queries.shape[-2:] != keys.shape[-2:]:
        raise ValueError(
            "phi_q and phi_k must agree in their last two axes, (n, features); got "
            f"{queries.shape} and {keys.shape}"
        )
    n = keys.shape[-2]
    if values.shape[-2] != n:
        raise ValueError(
            f"v must have as many rows as phi_k; got shapes {values.shape} and {keys.shape}"
        )
    lags = _lags(bias, n, causal)
    inputs = queries, keys, values
    try:
        lead = np.broadcast_shapes(*(x.shape[:-2] for x in inputs), lags.shape[:-1])
    except ValueError:
        raise ValueError(
            f"leading axes do not broadcast: phi_q {queries.shape}, phi_k {keys.shape}, "
            f"v {values.shape}, bias {np.shape(bias)}"
        ) from None
    out = np.empty((*lead, n, values.shape[-1]), np.result_type(*inputs))
    if out.size == 0:
        return out
    if keys.shape[-1] == 0:
        raise ValueError(f"there are no features: phi_q and phi_k have shape {keys.shape}")
    lags = lags.reshape((1,) * (len(lead) + 1 - lags.ndim) + lags.shape)
    whole = [np.broadcast_to(x, (*lead, *x.shape[-2:])) for x in inputs]
    # One filter for all that shares a bias, whose axes of length 1 are whole axes of the rest.
    for index in np.ndindex(lags.shape[:-1]):
        part = tuple(
            slice(None) if length == 1 else i
            for i, length in zip(index, lags.shape[:-1], strict=True)
        )
        flat = [x[part].reshape(-1, *x.shape[-2:]) for x in whole]
        shape = out[part].shape
        out[part] = _with_bias(flat, lags[index], out.dtype, workers).reshape(shape)
    return out


def _lags(bias, n, causal):
    """Logarithmic weights of the lags i - j from n - 1 down to -(n - 1), as float64."""
    bias = np.asarray(bias)
    if bias.dtype.kind not in "buif":
        raise TypeError(f"bias has dtype {bias.dtype}; it must be real")
    bias = bias.astype(np.float64)
    lengths = {max(2 * n - 1, 0)} | ({n} if causal else set())
    if bias.ndim < 1 or bias.shape[-1] not in lengths:
        accepted = f"(..., {2 * n - 1})" + (f" or (..., {n})" if causal else "")
        raise ValueError(f"bias must have shape {accepted} for n = {n}; got {bias.shape}")
    if n == 0:
        return bias
    if causal:
        past = bias[..., :n] if bias.shape[-1] == 2 * n - 1 else bias[..., ::-1]
        bias = np.full((*past.shape[:-1], 2 * n - 1), -np.inf)
        bias[..., :n] = past
    if np.isnan(bias).any() or (bias == np.inf).any():
        raise ValueError("bias has entries that are NaN or +inf")
    if bias.size and (bias.max(axis=-1) == -np.inf).any():
        raise ValueError("bias masks all lags: each has -inf")
    return bias


def _with_bias(arrays, lags, dtype, workers):
    """Attention of q, k (batch, n, features) and v (batch, n, dv) with one bias."""
    q, k, v = arrays
    # Scales of queries and keys cancel; taken out, no sum overflows that need not.
    q = over(q, np.abs(q).max(axis=-1, keepdims=True))
    k = over(k, np.abs(k).max(axis=(-2, -1), keepdims=True))
    works = [np.dtype(np.float32), np.dtype(np.float64)] if dtype == np.float32 else [dtype]
    for work in works:
        sums, noise = _convolved(q, k, v, lags, work, workers)
        doubtful = ~(noise < _ERRORS[work] * sums[..., -1])
        if np.count_nonzero(doubtful) <= _PART * doubtful.size:
            break
    with np.errstate(all="ignore"):
        out = sums[..., :-1] / sums[..., -1:]
    for b in range(len(q)):
        rows = np.flatnonzero(doubtful[b])
        if rows.size:
            out[b, rows] = _resolved(q[b], k[b], v[b], lags, rows)
    with np.errstate(over="ignore"):
        out = out.astype(dtype, copy=False)
    if not np.isfinite(out).all():
        raise ValueError(f"sums of the values overflow {dtype}; scale v")
    return out


def _convolved(q, k, v, lags, dtype, workers):
    """Numerators and, last, denominators of all rows; the errors of denominators to expect."""
    batch, n, features = k.shape
    points = padded_length(2 * n - 1)
    weights = np.exp(lags - lags.max())
    kernel = np.zeros(points, dtype)
    kernel[:n] = weights[n - 1 :: -1]
    if n > 1:
        kernel[1 - n :] = -weights[: n - 1 : -1]  # what goes around changes its sign
    toeplitz = CircularFilter(kernel, skew=True)
    columns = v.shape[-1] + 1
    rows = max(1, BLOCK_BYTES // (n * dtype.itemsize))
    step_columns = min(columns, rows)
    step_features = min(features, max(1, rows // columns))
    step = max(1, rows // (columns * features))
    sums = np.zeros((batch, columns, n), dtype)
    noise = np.empty((batch, n))
    with np.errstate(over="ignore", invalid="ignore"):
        for b in range(0, batch, step):
            here = slice(b, b + step)
            queries, keys = (np.ascontiguousarray(x[here].swapaxes(-1, -2), dtype) for x in (q, k))
            noise[here] = _noise(queries, keys, weights, points, dtype)
            values = np.ones((len(keys), columns, n), dtype)
            values[:, :-1] = v[here].swapaxes(-1, -2)
            for c in range(0, columns, step_columns):
                some = slice(c, c + step_columns)
                for f in range(0, features, step_features):
                    part = slice(f, f + step_features)
                    x = keys[:, part, None] * values[:, None, some]
                    y = toeplitz(x, n, workers=workers)
                    sums[here, some] += np.einsum("bfn,bfcn->bcn", queries[:, part], y)
    return sums.swapaxes(-1, -2), noise


def _noise(queries, keys, weights, points, dtype):
    """Largest rounding errors of denominators to expect.

    Those of a convolution are noise in proportion to its root mean square, which Young's inequality
    bounds; the factor 6 covers what keys and weights with a few large entries were seen to need.
    """
    keys = keys.astype(np.float64)
    lengths = np.sqrt(np.square(keys).sum(axis=-1)), np.abs(keys).sum(axis=-1)
    largest = np.minimum(
        weights.sum() * lengths[0], np.sqrt(np.square(weights).sum()) * lengths[1]
    ) / math.sqrt(points)
    return _noise_of(points, dtype) * np.einsum("bfn,bf->bn", np.abs(queries), largest)


def _resolved(q, k, v, lags, rows):
    """Rows of attention that a convolution of all of them does not resolve, in float64."""
    n = len(k)
    q, k, v = (x.astype(np.float64, copy=False) for x in (q, k, v))
    out = np.empty((n, v.shape[1]))
    wanted, left = rows, np.zeros(n, bool)
    left[rows] = True
    size = (1 << (n - 1).bit_length()) // _SHRINK
    while size >= _LEAST_BLOCK:
        blocks = np.flatnonzero(np.bincount(rows // size) >= _LEAST_ROWS)
        step = max(1, BLOCK_BYTES // (32 * n))
        for start in range(0, len(blocks), step):
            some = blocks[start : start + step]
            sums, noise = _in_blocks(q, k, v, lags, some, size)
            good = noise < _ERRORS[np.dtype(np.float64)] * sums[..., -1]
            places = some[:, None] * size + np.arange(size)
            good &= left[np.minimum(places, n - 1)] & (places < n)
            with np.errstate(all="ignore"):
                out[places[good]] = sums[good][:, :-1] / sums[good][:, -1:]
            left[places[good]] = False
        # Rows of blocks with few of them have fewer still in smaller ones.
        rows = rows[left[rows] & np.isin(rows // size, blocks)]
        size //= _SHRINK
    rows = np.flatnonzero(left)
    if rows.size:
        out[rows] = _direct(q, k, v, lags, rows)
    return out[wanted]


def _in_blocks(q, k, v, lags, blocks, size):
    """Numerators and, last, denominators of the rows of blocks; the errors of these to expect.

    Of shapes (blocks, size, dv + 1) and (blocks, size), in units of the largest weight of a block.
    """
    n, features = k.shape
    count, points, columns = -(-n // size), 2 * size, v.shape[1] + 1

    def cut(x):
        """Rows (..., n) as (..., count, size), with zeros at the end."""
        whole = np.zeros((*x.shape[:-1], count * size))
        whole[..., :n] = x
        return whole.reshape(*x.shape[:-1], count, size)

    # Place s of a kernel has the weight of the row that is s, or s - points, after a column.
    after = np.arange(points)
    after[size:] -= points
    lag = (np.arange(count) - blocks[:, None])[:, :, None] * size - after
    furthest = n - 1 - blocks * size
    seen = (lag > -n) & (lag <= furthest[:, None, None]) & (after != -size)
    weights = np.where(seen, lags[np.clip(lag + n - 1, 0, 2 * n - 2)], -np.inf)
    highest = weights.max(axis=(1, 2), keepdims=True)
    weights = np.exp(weights - np.where(np.isfinite(highest), highest, 0))
    kernels = np.ascontiguousarray(scipy.fft.rfft(weights).transpose(2, 0, 1))
    rows = np.zeros((count * size, features))
    rows[:n] = q
    queries = rows.reshape(count, size, features)[blocks].swapaxes(-1, -2)
    keys, values = cut(k.T), cut(np.vstack([v.T, np.ones(n)]))
    sums = np.zeros((len(blocks), columns, size))
    most = max(1, BLOCK_BYTES // (16 * (count + len(blocks)) * size))
    step_columns = min(columns, most)
    step = max(1, most // step_columns)
    with np.errstate(over="ignore", invalid="ignore"):
        for c in range(0, columns, step_columns):
            some = values[c : c + step_columns]
            for f in range(0, features, step):
                x = scipy.fft.rfft(keys[f : f + step, None] * some, points)
                shape = x.shape[:2]
                x = x.reshape(-1, count, size + 1).transpose(2, 1, 0)
                y = scipy.fft.irfft((kernels @ np.ascontiguousarray(x)).transpose(1, 2, 0), points)
                y = y[..., :size].reshape(len(blocks), *shape, size)
                sums[:, c : c + step_columns] += np.einsum(
                    "bfn,bfcn->bcn", queries[:, f : f + step], y
                )
    lengths = np.abs(keys).sum(axis=-1), np.sqrt(np.square(keys).sum(axis=-1))
    sizes = weights.sum(axis=-1), np.sqrt(np.square(weights).sum(axis=-1))
    largest = np.minimum(sizes[0][:, None] * lengths[1], sizes[1][:, None] * lengths[0]).sum(
        axis=-1
    ) / math.sqrt(points)
    noise = np.einsum("bfn,bf->bn", np.abs(queries), largest)
    return sums.swapaxes(-1, -2), _noise_of(points, noise.dtype) * noise


def _noise_of(points, dtype):
    """Errors of a convolution to expect, over the root mean square of its results."""
    return 6 * np.finfo(dtype).eps * math.sqrt(math.log2(points) + 1)


def _direct(q, k, v, lags, rows):
    """Rows of attention by their sums, in float64, each with its own largest weight taken out."""
    n = len(k)
    q, k, v = (x.astype(np.float64, copy=False) for x in (q, k, v))
    out = np.empty((len(rows), v.shape[1]))
    step = max(1, BLOCK_BYTES // (32 * n))
    for start in range(0, len(rows), step):
        some = rows[start : start + step]
        logs = lags[np.arange(n) - some[:, None] + n - 1]
        highest = logs.max(axis=1, keepdims=True)
        weights = np.exp(logs - np.where(np.isfinite(highest), highest, 0))
        sizes = np.abs(q[some]) @ np.abs(k.T)
        total = (weights * sizes).sum(axis=1)
        weights *= q[some] @ k.T
        denominator = weights.sum(axis=1)
        bad = np.flatnonzero(~(denominator > 1e-10 * total))
        if bad.size:
            raise ValueError(
                f"the denominator of row {some[bad[0]]} is {denominator[bad[0]]:.3g}, where its "
                f"terms have magnitude {total[bad[0]]:.3g}: the feature maps must be positive, and "
                "each row needs a key that is not masked"
            )
        with np.errstate(over="ignore", invalid="ignore"):
            out[start : start + step] = weights / denominator[:, None] @ v
    return out

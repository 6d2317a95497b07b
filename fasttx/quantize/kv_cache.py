"""KVCache: keys and values of attention as vector codes."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _threads
from .._array import check_count, check_finite
from .._cpu import kv_cache as loops
from .._cpu.vector_codes import GROUP
from ._rows import as_real
from .rotations._base import Rotation
from .rotations.hadamard import default_rotation
from .turboquant import TurboQuant

Array = NDArray[Any]

_LARGEST = 16000  # so that scales of centered tokens, with their gains, fit half precision
_LEAST = 256  # tokens that room is made for


class KVCache:
    """Keys and values of the tokens of a sequence, for attention, in a few bits a number.

    The first tokens ("sinks") and the last ones are kept in half precision; those between are
    rotated and coded by `TurboQuant`, with one scale in half precision for each key and value.
    `attend` works on the packed codes.

    Parameters
    ----------
    d_head : int
        Length of keys and values.
    n_heads : int
        Number of heads of keys and values; queries may have a multiple (grouped queries).
    key_bits, value_bits : int, optional
        Of a number, from 1 to 8.
    rotation : Rotation, optional
        Of keys and values; by default as for `TurboQuant`.
    sinks : int, optional
        Tokens at the beginning that are kept in half precision.
    residual_window : int, optional
        Tokens at the end that are kept in half precision.
    center : bool, optional
        Subtract from keys their mean in each channel, over the tokens present when the first ones
        are coded: it takes away most of the outlying channels of keys, and costs nothing later.
    outlier_channels : int, optional
        In each head, so many channels of the keys, those of largest mean square after centering,
        are kept in half precision. They cost 16 bits a token each.
    rng : int or numpy.random.Generator, optional
        Source of the rotation.

    Notes
    -----
    Host only. Keys are scaled so that scores are unbiased, values for least squared error. A query
    reads each code once: about ``(key_bits + value_bits) / 32`` of the bytes of float32 attention,
    and 2**(bits - 1) instructions on 16 numbers. Coding a token costs what `TurboQuant` costs.

    References
    ----------
    .. [1] A. Zandieh, M. Daliri, M. Hadian and V. Mirrokni, "TurboQuant: Online vector
       quantization with near-optimal distortion rate", 2025, section 4.2. :arxiv:`2504.19874`
    .. [2] G. Xiao, Y. Tian, B. Chen, S. Han and M. Lewis, "Efficient streaming language models with
       attention sinks", ICLR 2024. :arxiv:`2309.17453`

    Examples
    --------
    >>> import numpy as np
    >>> from fasttx.quantize import KVCache
    >>> rng = np.random.default_rng(0)
    >>> K, V = rng.standard_normal((2, 8, 2000, 64), dtype=np.float32)
    >>> cache = KVCache(64, n_heads=8, key_bits=4, value_bits=4, rng=0)
    >>> cache.append(K, V)
    >>> cache
    KVCache(2000 tokens, 8 heads of 64: 4.66 bits a value)
    >>> q = rng.standard_normal((8, 64), dtype=np.float32)
    >>> weights = np.exp(np.einsum("hd,htd->ht", q, K) / 8)
    >>> weights /= weights.sum(1, keepdims=True)
    >>> exact = np.einsum("ht,htd->hd", weights, V)
    >>> bool(np.abs(cache.attend(q) - exact).max() < 0.05)
    True
    """

    def __init__(
        self,
        d_head: int,
        n_heads: int,
        key_bits: int = 4,
        value_bits: int = 4,
        *,
        rotation: Rotation | None = None,
        sinks: int = 4,
        residual_window: int = 64,
        center: bool = True,
        outlier_channels: int = 0,
        rng: Any = None,
    ):
        self.d_head, self.n_heads = check_count(d_head, "d_head"), check_count(n_heads, "n_heads")
        if rotation is None:
            rotation = default_rotation(self.d_head, rng)
        self.sinks = check_count(sinks, "sinks", 0)
        self.residual_window = check_count(residual_window, "residual_window", 0)
        self.center = bool(center)
        self.outlier_channels = check_count(outlier_channels, "outlier_channels", 0)
        if self.outlier_channels >= self.d_head:
            raise ValueError(
                f"outlier_channels must be less than d_head = {d_head}; got {outlier_channels}"
            )
        self._keys = _Side(self.d_head, self.n_heads, key_bits, "unbiased", rotation)
        self._values = _Side(self.d_head, self.n_heads, value_bits, "mse", rotation)
        self._mean = np.zeros((self.n_heads, 0), np.float32)
        self._channels = np.zeros((self.n_heads, 0), np.int64)
        self._outliers = _Growing((self.outlier_channels,), np.float16, self.n_heads)

    def __len__(self) -> int:
        return self._keys.tokens

    def __repr__(self) -> str:
        size = f": {self.bits_per_value:.2f} bits a value" if len(self) else ""
        return f"KVCache({len(self)} tokens, {self.n_heads} heads of {self.d_head}{size})"

    @property
    def nbytes(self) -> int:
        """Bytes of all that is kept: codes, scales, half-precision tokens, means and channels."""
        fixed = self._mean.nbytes + self._channels.nbytes
        return self._keys.nbytes + self._values.nbytes + self._outliers.nbytes + fixed

    @property
    def bits_per_value(self) -> float:
        """Bits of all that is kept for each number of the keys and values."""
        return 8 * self.nbytes / max(1, 2 * len(self) * self.n_heads * self.d_head)

    def append(self, K: ArrayLike, V: ArrayLike, *, workers: int | None = None) -> None:
        """Add tokens at the end.

        Parameters
        ----------
        K, V : array_like, shape (n_heads, n_tokens, d_head) or (n_heads, d_head)
            Finite, and at most 16000 in magnitude.
        workers : int, optional
        """
        K, V = self._tokens(K, "K"), self._tokens(V, "V")
        if K.shape != V.shape:
            raise ValueError(f"K and V must have one shape; got {K.shape} and {V.shape}")
        keys, values = (
            side.joined(new, self.sinks) for side, new in ((self._keys, K), (self._values, V))
        )
        excess = keys[1].shape[1] - self.residual_window
        if excess > 0:
            old = keys[1][:, :excess].astype(np.float32)
            if not self._keys.coded and self.center:
                self._mean = keys[1].mean(1, dtype=np.float32)
            if self.center:
                old -= self._mean[:, None]
            if self.outlier_channels:
                self._set_outliers(old)
            self._keys.encode(old, workers)
            self._values.encode(values[1][:, :excess].astype(np.float32), workers)
            keys, values = ((first, last[:, excess:]) for first, last in (keys, values))
        self._keys.keep(*keys)
        self._values.keep(*values)

    def _tokens(self, x: ArrayLike, name: str) -> Array:
        x = as_real(x, name)
        x = x[:, None] if x.ndim == 2 else x
        if x.ndim != 3 or (x.shape[0], x.shape[2]) != (self.n_heads, self.d_head):
            raise ValueError(
                f"{name} must have shape ({self.n_heads}, n_tokens, {self.d_head}) or "
                f"({self.n_heads}, {self.d_head}); got {x.shape}"
            )
        check_finite(x, name)
        if x.size and max(x.max(), -x.min()) > _LARGEST:
            raise ValueError(f"{name} has magnitudes beyond {_LARGEST}: scale it down")
        return x.astype(np.float16)

    def _set_outliers(self, old: Array) -> None:
        """Move the channels of largest mean square, chosen once, out of the keys `old`."""
        if not self._channels.size:
            order = np.argsort(-np.square(old).mean(1), axis=1, kind="stable")
            self._channels = np.sort(order[:, : self.outlier_channels], axis=1)
        index = self._channels[:, None]
        self._outliers.append(np.take_along_axis(old, index, 2).astype(np.float16))
        np.put_along_axis(old, index, 0, 2)

    def attend(
        self, Q: ArrayLike, *, scale: float | None = None, workers: int | None = None
    ) -> Array:
        """Attention ``softmax(scale * Q K^T) V`` of queries to all tokens.

        Parameters
        ----------
        Q : array_like, shape (n_queries, d_head) or (n_queries, m, d_head)
            Query heads, a multiple r of n_heads: head i attends to keys of head ``i // r``.
        scale : float, optional
            By default ``1 / sqrt(d_head)``.
        workers : int, optional

        Returns
        -------
        ndarray of float32, shape of Q
        """
        Q = as_real(Q, "Q")
        grouped = Q.ndim in (2, 3) and Q.size and Q.shape[0] % self.n_heads == 0
        if not grouped or Q.shape[-1] != self.d_head:
            raise ValueError(
                f"Q must have shape (r * {self.n_heads}, {self.d_head}) or "
                f"(r * {self.n_heads}, m, {self.d_head}); got {Q.shape}"
            )
        check_finite(Q, "Q")
        if not len(self):
            raise ValueError("the cache has no tokens")
        factor = 1 / math.sqrt(self.d_head) if scale is None else float(scale)
        queries = Q.reshape(self.n_heads, -1, self.d_head).astype(np.float32) * np.float32(factor)
        coded, exact = self._keys.coded, self._keys.exact()
        scores = np.empty((*queries.shape[:2], len(self)), np.float32)
        scores[:, :, coded:] = queries @ exact.transpose(0, 2, 1)
        if coded:
            packed = scores[:, :, :coded]
            self._keys.score(queries, scores, workers)
            if self.center:
                packed += queries @ self._mean[:, :, None]
            if self.outlier_channels:
                chosen = np.take_along_axis(queries, self._channels[:, None], 2)
                packed += chosen @ self._outliers.array.transpose(0, 2, 1).astype(np.float32)
        scores -= scores.max(2, keepdims=True)
        np.exp(scores, out=scores)
        total = scores.sum(2, keepdims=True)
        out = scores[:, :, coded:] @ self._values.exact()
        if coded:
            out += self._values.mixtures(scores, workers)
        return (out / total).reshape(Q.shape)

    def decode(self) -> tuple[Array, Array]:
        """All keys and values, float32 of shape (n_heads, n_tokens, d_head), in order."""
        keys, values = self._keys.decode(), self._values.decode()
        if self.center and self._keys.coded:
            keys += self._mean[:, None]
        if self.outlier_channels and self._keys.coded:
            index = np.broadcast_to(self._channels[:, None], self._outliers.array.shape)
            more = self._outliers.array.astype(np.float32)
            np.put_along_axis(keys, index, np.take_along_axis(keys, index, 2) + more, 2)
        return self._keys.whole(keys), self._values.whole(values)


class _Growing:
    """An array of tokens for each head that grows by a quarter."""

    def __init__(self, shape: tuple[int, ...], dtype: Any, heads: int):
        self.room = np.empty((heads, 0, *shape), dtype)
        self.length = 0

    @property
    def array(self) -> Array:
        return self.room[:, : self.length]

    @property
    def nbytes(self) -> int:
        return self.array.nbytes

    def append(self, new: Array) -> None:
        length = self.length + new.shape[1]
        if length > self.room.shape[1]:
            heads, _, *rest = self.room.shape
            room = np.empty((heads, max(_LEAST, length + length // 4), *rest), self.room.dtype)
            room[:, : self.length] = self.array
            self.room = room
        self.room[:, self.length : length] = new
        self.length = length


class _Side:
    """Keys or values: codes of the tokens between the first and the last."""

    def __init__(self, d: int, heads: int, bits: int, objective: str, rotation: Rotation):
        self.codec = TurboQuant(d, bits, objective, rotation=rotation)
        self.groups = -(-d // GROUP)
        self.planes = _Growing((bits, 2 * self.groups), np.uint8, heads)
        self.scales = _Growing((), np.float16, heads)
        self.first = self.last = np.zeros((heads, 0, d), np.float16)

    @property
    def coded(self) -> int:
        return self.planes.length

    @property
    def tokens(self) -> int:
        return self.coded + self.first.shape[1] + self.last.shape[1]

    @property
    def nbytes(self) -> int:
        exact = self.first.nbytes + self.last.nbytes
        return self.planes.nbytes + self.scales.nbytes + exact

    def joined(self, new: Array, sinks: int) -> tuple[Array, Array]:
        """The first and the last tokens in half precision, with new ones."""
        count = max(0, sinks - self.first.shape[1])
        first = np.concatenate([self.first, new[:, :count]], axis=1)
        return first, np.concatenate([self.last, new[:, count:]], axis=1)

    def keep(self, first: Array, last: Array) -> None:
        self.first, self.last = first, np.ascontiguousarray(last)

    def exact(self) -> Array:
        return np.concatenate([self.first, self.last], axis=1).astype(np.float32)

    def encode(self, tokens: Array, workers: int | None) -> None:
        heads, count, d = tokens.shape
        codes = self.codec.encode(tokens.reshape(-1, d), workers=workers)
        self.planes.append(codes.planes.reshape(heads, count, self.codec.bits, 2 * self.groups))
        self.scales.append(codes.scales().reshape(heads, count).astype(np.float16))

    def score(self, queries: Array, out: Array, workers: int | None) -> None:
        """Write products of queries (heads, m, d) with the coded tokens to the front of `out`."""
        heads, m, d = queries.shape
        padded = np.zeros((heads, m, GROUP * self.groups), np.float32)
        padded[:, :, :d] = self.codec.rotation(queries, workers=1)
        self._share(loops.scores(self.codec.bits), padded, out, workers)

    def mixtures(self, weights: Array, workers: int | None) -> Array:
        """Sums of the coded tokens, times the weights at the front of (heads, m, tokens)."""
        heads, m, _ = weights.shape
        blocks = -(-self.coded // loops.BLOCK)
        out = np.zeros((heads, blocks, m, GROUP * self.groups), np.float32)
        self._share(loops.mixtures(self.codec.bits), weights, out, workers)
        return self.codec.rotation.inverse(out.sum(1)[:, :, : self.codec.d], workers=1)

    def _share(self, run: Any, given: Array, out: Array, workers: int | None) -> None:
        heads, m, _ = given.shape
        scales = self.scales.room.view(np.uint16)
        task = functools.partial(
            run, self.planes.room, scales, self.codec.levels, given, self.coded, out
        )
        threads = _threads.resolve(workers, heads * m * self.coded * self.codec.d)
        _threads.share(task, heads * -(-self.coded // loops.BLOCK), threads)

    def decode(self) -> Array:
        heads, count = self.planes.array.shape[:2]
        d = self.codec.d
        planes = self.planes.array.reshape(heads * count, self.codec.bits, 2 * self.groups)
        scales = self.scales.array.reshape(-1).astype(np.float32)
        rows = self.codec._levels_times(planes, scales)
        return self.codec.rotation.inverse(rows, overwrite_y=True).reshape(heads, count, d)

    def whole(self, coded: Array) -> Array:
        """All tokens in order."""
        first, last = (x.astype(np.float32) for x in (self.first, self.last))
        return np.concatenate([first, coded, last], axis=1)

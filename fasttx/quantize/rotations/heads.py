"""GroupedHeadRotation: keys of several heads, reordered by their outliers and rotated together."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..._array import check_count
from ...transforms.fwht import fwht, ifwht
from ...transforms.hadamard import split_length
from .._codes import Made
from .._rows import as_real
from ..formats import BlockFormat, fake_quantize
from ._base import Rotation
from .data import calibration

Array = NDArray[Any]


class GroupedHeadRotation(Made, Rotation):
    """Channels reordered by outliers, then Hadamard transforms over groups of heads.

    For keys before the rotary embedding, all heads of a token in a row. The channels of a group of
    heads are sorted by their largest magnitudes and dealt to blocks of `block` in serpentine order,
    so that each block gets its share of the outliers, which its transform spreads.

    Parameters
    ----------
    X : array_like, shape (n, n_heads * d_head)
        Keys of calibration.
    n_heads : int
    heads_per_group : int, optional
        Divides n_heads.
    block : int, optional
        Length of transforms, with a Hadamard matrix; divides heads_per_group * d_head, which it is
        by default.
    sinks : int, optional
        Number of the first rows that `fake_quantize` keeps exactly.

    Attributes
    ----------
    d, block, heads_per_group, sinks : int
    order : ndarray of int64, shape (d,)
        Channel order[i] comes to place i.

    Notes
    -----
    Host only. d log2(block) additions a row, and a gather. Keys have to be rotated back before they
    get their positions, or queries rotated and keys stored before the embedding.

    References
    ----------
    .. [1] Z. Su et al., "RotateKV: Accurate and robust 2-bit KV cache quantization for LLMs via
       outlier-aware adaptive rotations", 2025. :arxiv:`2501.16383`

    Examples
    --------
    >>> import numpy as np
    >>> from fasttx.quantize import GroupedHeadRotation
    >>> K = np.random.default_rng(0).standard_normal((300, 8 * 16))
    >>> K[:, :4] *= 20                                     # four outliers, in one head
    >>> rotation = GroupedHeadRotation(K, n_heads=8, heads_per_group=4, block=16)
    >>> bool(np.abs(rotation(K)).max() < 0.5 * np.abs(K).max())
    True
    """

    def __init__(
        self,
        X: ArrayLike,
        n_heads: int,
        heads_per_group: int = 4,
        block: int | None = None,
        *,
        sinks: int = 4,
    ):
        X, n_heads = calibration(X), check_count(n_heads, "n_heads")
        per_group = check_count(heads_per_group, "heads_per_group")
        d = X.shape[1]
        if d % n_heads or n_heads % per_group:
            raise ValueError(
                f"d = {d} must be a multiple of n_heads, and that of heads_per_group; got "
                f"n_heads = {n_heads} and heads_per_group = {per_group}"
            )
        group = d // n_heads * per_group
        block = group if block is None else check_count(block, "block")
        if group % block:
            raise ValueError(f"block must divide a group's {group} channels; got {block}")
        split_length(block)
        largest = np.abs(X).max(0).reshape(-1, group)
        dealt = np.argsort(-largest, axis=1, kind="stable").reshape(len(largest), block, -1)
        dealt[:, 1::2] = dealt[:, 1::2, ::-1].copy()  # forth and back
        order = dealt.swapaxes(1, 2).reshape(len(largest), group)
        order = order + group * np.arange(len(largest))[:, None]
        self._set(order.ravel(), block, per_group, check_count(sinks, "sinks", 0))

    def _set(self, order: Array, block: int, heads_per_group: int, sinks: int) -> None:
        self.order, self.block, self.d = order, block, order.size
        self.heads_per_group, self.sinks = heads_per_group, sinks

    def _state(self) -> dict[str, Any]:
        names = ("order", "block", "heads_per_group", "sinks")
        return {name: getattr(self, name) for name in names}

    def _rotate(self, rows: Array, out: Array, inverse: bool, workers: int | None) -> None:
        shape = (len(rows), -1, self.block) if len(rows) else (0, 1, self.d)
        if inverse:
            blocks = ifwht(rows.reshape(shape), norm="ortho", workers=workers)
            out[:, self.order] = blocks.reshape(rows.shape)
        else:
            blocks = rows[:, self.order].reshape(shape)
            blocks = fwht(blocks, norm="ortho", overwrite_x=True, workers=workers)
            out[:] = blocks.reshape(rows.shape)

    def fake_quantize(self, X: ArrayLike, fmt: BlockFormat | type[BlockFormat] | str) -> Array:
        """What is left of keys that are rotated, encoded and rotated back.

        Parameters
        ----------
        X : array_like, shape (n, d)
            All tokens of a sequence; the first `sinks` are kept exactly.
        fmt
            As for `fasttx.quantize.quantize`.

        Returns
        -------
        ndarray, shape (n, d)
        """
        X = as_real(X)
        rest = self.inverse(fake_quantize(self(X[self.sinks :]), fmt), overwrite_y=True)
        return np.concatenate([X[: self.sinks], rest.astype(X.dtype)])

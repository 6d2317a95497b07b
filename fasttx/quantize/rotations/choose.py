"""choose_rotation: which rotation keeps most of given rows in a given format."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.special
from numpy.typing import ArrayLike, NDArray

from ..formats import BlockFormat, fake_quantize
from ..formats._functions import as_format
from ._base import Identity, Rotation
from .data import BlockRotation, KLTHadamard, calibration
from .hadamard import RandomizedHadamard, has_hadamard
from .heads import GroupedHeadRotation
from .kronecker import KroneckerRotation

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class RotationScore:
    """What a rotation keeps of rows.

    Attributes
    ----------
    name : str
    rotation : Rotation
    sqnr : float
        Signal to quantization noise of the rows, in dB.
    log_qsur : float
        Logarithm of the quantization space utilization rate, for each dimension.
    matmul_error : float or None
        Relative error of the product with the weights, both quantized.
    """

    name: str
    rotation: Rotation
    sqnr: float
    log_qsur: float
    matmul_error: float | None


class RotationChoice:
    """Rotations by what they keep: a sequence of `RotationScore`, the best one first.

    Attributes
    ----------
    best : Rotation
        The first one.
    format : BlockFormat
    """

    def __init__(self, scores: list[RotationScore], fmt: BlockFormat):
        self._scores, self.format = scores, fmt

    @property
    def best(self) -> Rotation:
        """The rotation of the first entry."""
        return self._scores[0].rotation

    def __len__(self) -> int:
        return len(self._scores)

    def __getitem__(self, i: int) -> RotationScore:
        return self._scores[i]

    def _cells(self) -> list[list[str]]:
        lines = [["rotation", "SQNR, dB", "log QSUR", "matmul error"]]
        for s in self._scores:
            error = "" if s.matmul_error is None else f"{s.matmul_error:.4f}"
            lines.append([s.name, f"{s.sqnr:.2f}", f"{s.log_qsur:.2f}", error])
        return [line[:3] for line in lines] if self._scores[0].matmul_error is None else lines

    def __repr__(self) -> str:
        lines = self._cells()
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        return "\n".join(
            f"{line[0]:<{widths[0]}}  "
            + "  ".join(f"{c:>{w}}" for c, w in zip(line[1:], widths[1:], strict=True))
            for line in lines
        )

    def _repr_html_(self) -> str:
        head, *lines = self._cells()
        first = "".join(f"<th>{c}</th>" for c in head)
        rest = "".join("<tr>" + "".join(f"<td>{c}</td>" for c in line) + "</tr>" for line in lines)
        return f"<table><tr>{first}</tr>{rest}</table>"

    def plot(self, ax: Any = None) -> Any:
        """Bars of the signal-to-noise ratios; needs Matplotlib.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional

        Returns
        -------
        matplotlib.axes.Axes
        """
        import matplotlib.pyplot as plt

        ax = plt.subplots(layout="constrained")[1] if ax is None else ax
        scores = self._scores[::-1]
        colours = ["#0072B2" if s.name != "identity" else "#777777" for s in scores]
        bars = ax.barh([s.name for s in scores], [s.sqnr for s in scores], color=colours)
        ax.bar_label(bars, [f"{s.sqnr:.1f}" for s in scores], padding=3)
        ax.set(xlabel="signal to quantization noise, dB", title=type(self.format).__name__)
        ax.margins(x=0.12)
        ax.spines[["top", "right"]].set_visible(False)
        return ax


def choose_rotation(
    X: ArrayLike,
    fmt: BlockFormat | type[BlockFormat] | str,
    W: ArrayLike | None = None,
    *,
    rng: Any = None,
) -> RotationChoice:
    """Compare rotations of rows before they are encoded in a block format.

    Tried are none, Hadamard transforms of all channels and of the format's blocks, principal axes
    with a Hadamard matrix, channels reordered by outliers and transformed in blocks, rotations made
    for each block, and a Kronecker product.

    Parameters
    ----------
    X : array_like, shape (n, d)
        Rows, such as activations of a layer.
    fmt : BlockFormat, type or str
        As for `fasttx.quantize.quantize`.
    W : array_like, shape (n_outputs, d), optional
        Weights of the layer: with them rotations are ranked by the relative error of ``X @ W.T``,
        both rotated and quantized; else by the signal-to-noise ratio of X.
    rng : int or numpy.random.Generator, optional

    Returns
    -------
    RotationChoice
        Scores, the best first; ``.best`` is its rotation, ``.plot()`` draws them.

    Notes
    -----
    Host only. Whether a rotation helps depends on the format as much as on the rows. The
    utilization rate is the volume of an ellipsoid of the rows' covariance over that of the cube
    around it; given is its logarithm, divided by d. It is largest where all channels have the same
    variance, and blind to formats: with scales for blocks errors may rank rotations otherwise.

    References
    ----------
    .. [1] X. Hu et al., "OSTQuant: Refining large language model quantization with orthogonal and
       scaling transformations for better distribution fitting", ICLR 2025. :arxiv:`2501.13987`

    Examples
    --------
    >>> import numpy as np
    >>> from fasttx.quantize import choose_rotation
    >>> X = np.random.default_rng(0).standard_normal((256, 128))
    >>> X[:, ::32] *= 30                               # large channels
    >>> choose_rotation(X, "MXFP4", rng=0)[-1].name    # the last of the list
    'identity'
    >>> choose_rotation(X, "NVFP4", rng=0)[0].name     # scales for 16 follow them
    'identity'
    """
    X, fmt = calibration(X), as_format(fmt)
    d = X.shape[1]
    weights = None if W is None else calibration(W, d)
    rng = np.random.default_rng(rng)
    exact = None if weights is None else X @ weights.T
    scores = []
    for name, rotation in _candidates(X, fmt, rng).items():
        rows = rotation(X)
        coarse = fake_quantize(rows, fmt).astype(np.float64)
        noise, signal = float(np.square(coarse - rows).sum()), float(np.square(rows).sum())
        sqnr = 10 * math.log10(signal / noise) if noise and signal else math.inf
        error = None
        if weights is not None and exact is not None:
            product = coarse @ fake_quantize(rotation.fold_into(weights), fmt).T
            error = float(np.linalg.norm(product - exact) / (np.linalg.norm(exact) or 1))
        scores.append(RotationScore(name, rotation, sqnr, _log_qsur(rows), error))
    ranked = sorted(scores, key=lambda s: -s.sqnr if s.matmul_error is None else s.matmul_error)
    return RotationChoice(ranked, fmt)


def _candidates(X: Array, fmt: BlockFormat, rng: np.random.Generator) -> dict[str, Rotation]:
    """Rotations that there are for this length and format, by name."""
    d, block = X.shape[1], fmt.tile[1]
    found: dict[str, Rotation] = {"identity": Identity(d)}
    if has_hadamard(d):
        found["Hadamard"] = RandomizedHadamard(d, 1, rng=rng)
        found["KLT and Hadamard"] = KLTHadamard(X)
    else:
        found["Hadamard"] = RandomizedHadamard(d, 4, "overlap", rng=rng)
    if d % block == 0 and d > block and has_hadamard(block):
        found[f"Hadamard of {block}"] = RandomizedHadamard(d, 1, block, rng=rng)
        found[f"reordered, Hadamard of {block}"] = GroupedHeadRotation(X, 1, 1, block)
        if block <= 64:
            found[f"made for blocks of {block}"] = BlockRotation(X, block, rng=rng)
    first = next(m for m in range(math.isqrt(d), 0, -1) if d % m == 0)
    if first > 1:
        found[f"Kronecker {first} x {d // first}"] = KroneckerRotation.random(
            first, d // first, rng=rng
        )
    return found


def _log_qsur(rows: Array) -> float:
    """Logarithm of the utilization rate for each dimension."""
    d = rows.shape[1]
    covariance = np.cov(rows.T).reshape(d, d)
    largest = float(covariance.diagonal().max()) or 1.0
    variances = np.maximum(np.linalg.eigvalsh(covariance), 1e-12 * largest)
    ball = d / 2 * math.log(math.pi) - scipy.special.gammaln(d / 2 + 1) - d * math.log(2)
    return float(np.log(variances / largest).sum() / 2 + ball) / d

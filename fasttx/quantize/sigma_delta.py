"""SigmaDelta: codes of a few bits for random Fourier features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._codes import Codes
from ._vectors import Scorer

if TYPE_CHECKING:
    from ..sketch.sigma_delta import SigmaDeltaFeatures

Array = NDArray[Any]


@dataclass(frozen=True, eq=False, repr=False)
class FeatureCodes(Codes):
    """Codes of the features of rows.

    Attributes
    ----------
    codec : object
        What made the codes.
    shape : (n, n_components)
        Of the features.
    packed : ndarray of uint8, shape (n, n_bytes)
    """

    packed: Array


class SigmaDelta(Scorer):
    """Codes of random Fourier features by noise shaping, whose inner products are kernel values.

    Parameters
    ----------
    features : fasttx.sketch.SigmaDeltaFeatures
        Fitted.

    Notes
    -----
    Host only. `encode` takes rows in d dimensions; `decode` gives their features, and `inner`
    estimates the kernel between queries and encoded rows, from features of the queries that are not
    quantized. Codes can be stored as bytes if ``features.random_state`` is an integer, since the
    features are then made anew from their parameters.

    References
    ----------
    .. [1] J. Zhang, A. Cloninger and R. Saab, "Sigma-Delta and distributed noise-shaping
       quantization methods for random Fourier features", 2021. :arxiv:`2106.02614`

    Examples
    --------
    >>> import numpy as np
    >>> from fasttx.quantize import SigmaDelta
    >>> from fasttx.sketch import SigmaDeltaFeatures
    >>> X = np.random.default_rng(0).standard_normal((100, 3))
    >>> features = SigmaDeltaFeatures(gamma=0.5, n_components=2000, random_state=0).fit(X)
    >>> codec = SigmaDelta(features)
    >>> codes = codec.encode(X)
    >>> codes.bits_per_value
    4.0
    >>> kernel = np.exp(-0.5 * np.square(X[:5, None] - X).sum(2))
    >>> bool(np.abs(codec.inner(X[:5], codes) - kernel).max() < 0.1)
    True
    """

    def __init__(self, features: SigmaDeltaFeatures):
        if not hasattr(features, "bits_per_feature_"):
            raise ValueError("features must be a fitted SigmaDeltaFeatures")
        self.features = features
        self.d = int(features.n_features_in_)

    def _state(self) -> dict[str, Any]:
        parameters = self.features.get_params() | {"gamma": float(self.features.gamma_)}
        seed = parameters["random_state"]
        if parameters["rng"] is not None or not isinstance(seed, int | np.integer):
            raise ValueError("only features with an integer as random_state can be stored")
        del parameters["rng"]
        dtype = str(self.features.phases_.dtype)
        parameters["n_components"] = int(self.features.n_components_)
        return {"parameters": parameters, "d": self.d, "dtype": dtype}

    def _identity(self) -> dict[str, Any]:
        # Not the random state, which may be a generator: phases are drawn after the frequencies,
        # so that they stand for both.
        names = ["kernel", "nu", "gamma_", "n_components_", "order", "block", "bits", "phases_"]
        return {name: getattr(self.features, name) for name in names}

    def __reduce__(self) -> tuple[Any, ...]:
        return SigmaDelta, (self.features,)

    @classmethod
    def _from_state(cls, state: dict[str, Any]) -> SigmaDelta:
        from ..sketch.sigma_delta import SigmaDeltaFeatures

        features = SigmaDeltaFeatures(**state["parameters"])
        return cls(features.fit(np.zeros((1, state["d"]), state["dtype"])))

    def encode(self, X: ArrayLike, *, workers: int | None = None) -> FeatureCodes:
        """Codes of the features of rows.

        Parameters
        ----------
        X : array_like, shape (n, d)
        workers : int, optional
            Not used: the number of threads is ``features.workers``.

        Returns
        -------
        FeatureCodes
        """
        packed = self.features.encode(X)
        return FeatureCodes(self, (len(packed), int(self.features.n_components_)), packed)

    def decode(self, codes: FeatureCodes) -> Array:
        """Features, float32 of shape (n, n_components)."""
        self._check(codes)
        return self.features.decode(codes.packed, np.float32).reshape(codes.shape)

    def inner(self, Q: ArrayLike, codes: FeatureCodes, *, workers: int | None = None) -> Array:
        """Estimates of the kernel between queries and encoded rows, (n_queries, n), float32."""
        return self.features.condensed(Q).astype(np.float32) @ self.decode(codes).T

    def _squares(self, codes: FeatureCodes) -> Array:
        rows = self.decode(codes)
        return np.einsum("ij,ij->i", rows, rows)

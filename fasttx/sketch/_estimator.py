"""What sketches and feature maps have in common as transformers of scikit-learn."""

from __future__ import annotations

import operator
from typing import Any, NamedTuple, Self

import numpy as np
import scipy.linalg
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.random_projection import johnson_lindenstrauss_min_dim
from sklearn.utils import assert_all_finite
from sklearn.utils.validation import check_is_fitted, validate_data

from .. import _threads
from .._array import check_host, is_device_array
from ._make import seed_from
from ._operators import SketchOperator

DISTORTION = 0.1  # of squared distances, where the number of components is chosen here


class Described(NamedTuple):
    """What is known of an array on a device."""

    shape: tuple[int, ...]
    dtype: np.dtype


def described(X: Any) -> Any:
    """`X`, or for a device array its shape and the dtype of its transform."""
    if not is_device_array(X):
        return X
    from .._cuda import sketch as device

    given = device.check(X)
    if "complex" in given.dtype:
        raise ValueError("Complex data not supported")
    return Described(given.shape, np.dtype(device.kind_of(given).number))


class Transformer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Input, random state and output; subclasses implement `_prepare(X)` and `_apply(X)`.

    The latter gets arrays on the host and on a device, the former something of their shape and
    dtype.
    """

    _on_device = True  # whether there are transforms of device arrays
    n_components: int | float | str
    random_state: Any
    rng: Any
    n_features_in_: int
    n_components_: int

    def fit(self, X: ArrayLike, y: Any = None) -> Self:
        """Draw what is random, for data of the dtype and the number of features of `X`.

        Parameters
        ----------
        X : array_like, sparse or device array of shape (n_samples, n_features)
            On a device only its shape and dtype are looked at.
        y : ignored

        Returns
        -------
        self
        """
        self._prepare(described(self._validated(X, reset=True)))
        return self

    def transform(self, X: ArrayLike) -> NDArray[Any]:
        """Transform rows.

        Parameters
        ----------
        X : array_like, sparse or device array of shape (n_samples, n_features)
            On a device NaN and infinities are not looked for.

        Returns
        -------
        ndarray or device array of shape ``(n_samples, n_components_)``
            float32 for float32, on a device for half precision too, else float64.
        """
        check_is_fitted(self)
        X = self._validated(X, reset=False, ensure_all_finite=False)
        return self._apply(X) if is_device_array(X) else self._checked(X)

    def fit_transform(self, X: ArrayLike, y: Any = None, **fit_params: Any) -> NDArray[Any]:
        """Fit to `X` and transform it, with fewer passes over `X` than one after the other."""
        X = self._validated(X, reset=True, ensure_all_finite=False)
        self._prepare(described(X))
        return self._apply(X) if is_device_array(X) else self._checked(X)

    def _prepare(self, X: Any) -> None:
        raise NotImplementedError

    def _apply(self, X: Any) -> NDArray[Any]:
        raise NotImplementedError

    def _checked(self, X: Any) -> NDArray[Any]:
        with np.errstate(invalid="ignore"):
            out = self._apply(X)
        # What is not finite comes through to the result, or to all of its columns.
        if not np.isfinite(out[:, :1] if self.operator_.dense else out).all():
            assert_all_finite(X, input_name="X")
            raise ValueError("the result is not finite: X is too large")
        return out

    def _validated(self, X: Any, **options: Any) -> Any:
        if is_device_array(X):
            if not self._on_device:
                check_host(X, type(self).__name__)
            self._check_features(described(X).shape[1], options["reset"])
            return X
        return validate_data(
            self, X, accept_sparse="csr", dtype=(np.float64, np.float32), **options
        )

    def _check_features(self, count: int, reset: bool) -> None:
        """What scikit-learn asks of arrays on the host."""
        if reset:
            self.n_features_in_ = count
            self.__dict__.pop("feature_names_in_", None)
        elif count != self.n_features_in_:
            raise ValueError(
                f"X has {count} features, but {type(self).__name__} is expecting "
                f"{self.n_features_in_} features as input"
            )

    def _generator(self) -> np.random.Generator:
        """The random state, which may be given in scikit-learn's words or in SPEC 7's."""
        if self.rng is None:
            state = self.random_state
            if isinstance(state, np.random.RandomState):
                state = state.randint(2**31)
            return np.random.default_rng(state)
        if self.random_state is not None:
            raise ValueError("give random_state or rng, not both")
        return np.random.default_rng(self.rng)

    @property
    def _n_features_out(self) -> int:
        return self.n_components_

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


class LinearSketch(Transformer):
    """A sketch of features; subclasses implement `_operator(d, k, rng, dtype)`."""

    operator_: Any
    _inverse_gram: NDArray[Any] | None

    def __init__(
        self,
        n_components: int | float | str = "auto",
        *,
        random_state: Any = None,
        rng: Any = None,
        workers: int | None = None,
    ):
        self.n_components = n_components
        self.random_state = random_state
        self.rng = rng
        self.workers = workers

    def inverse_transform(self, X: ArrayLike) -> NDArray[Any]:
        """The shortest vectors with these sketches: the pseudo-inverse of the sketch.

        The first call takes k products with the sketch and O(k**3), k = `n_components_`.

        Parameters
        ----------
        X : array_like of shape ``(n_samples, n_components_)``

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            ``transform(inverse_transform(Y))`` is Y up to rounding, where the sketch has full rank.
        """
        check_is_fitted(self)
        check_host(X, "inverse_transform")
        y = np.asarray(X.toarray() if hasattr(X, "toarray") else X)
        if y.dtype.kind == "c":
            raise TypeError("X must be real")
        y = y if y.dtype in (np.float32, np.float64) else y.astype(np.float64)
        k = self.n_components_
        if y.ndim != 2 or y.shape[1] != k:
            raise ValueError(f"X must have shape (n_samples, {k}); got {y.shape}")
        assert_all_finite(y, input_name="X")
        S = self._fitted_operator()
        if self._inverse_gram is None:
            self._inverse_gram = scipy.linalg.pinvh(S.gram())
        return S.spread(y @ self._inverse_gram.astype(y.dtype, copy=False))

    def _operator(
        self, d: int, k: int, rng: np.random.Generator, dtype: np.dtype
    ) -> SketchOperator:
        raise NotImplementedError

    def _prepare(self, X: Any) -> None:
        d, k = X.shape[1], self._components(*X.shape)
        if k > d:
            raise ValueError(f"n_components={k} must be at most n_features={d}")
        if self.workers is not None:
            _threads.check_workers(self.workers)
        self._inverse_gram = None
        self.operator_ = self._operator(d, k, self._generator(), X.dtype)
        self.n_components_ = k

    def _components(self, n: int, d: int) -> int:
        """Number of components: as given, or enough for a distortion of all pairs of rows."""
        wanted = self.n_components
        if isinstance(wanted, str):
            if wanted != "auto":
                raise ValueError(
                    f'n_components must be "auto", an int or a distortion; got {wanted!r}'
                )
            return min(d, max(1, johnson_lindenstrauss_min_dim(n, eps=DISTORTION)))
        if isinstance(wanted, float | np.floating):
            if not 0 < wanted < 1:
                raise ValueError(f"a distortion must lie between 0 and 1; got {wanted}")
            return max(1, int(johnson_lindenstrauss_min_dim(n, eps=wanted)))
        count = operator.index(wanted)
        if count < 1:
            raise ValueError(f"n_components must be positive; got {count}")
        return count

    def _fitted_operator(self) -> SketchOperator:
        if self.operator_ is None:
            raise ValueError(
                f"n_components={self.n_components_} is more than n_features={self.n_features_in_}: "
                "this sketch is one of rows alone, and has no transform"
            )
        return self.operator_

    def _apply(self, X: Any) -> NDArray[Any]:
        return self._fitted_operator().rows(X)


class RowSketch(LinearSketch):
    """Sketches of which every column is made on its own: those of matrices that grow by rows."""

    sketch_: Any

    def partial_fit(self, X: ArrayLike, y: Any = None) -> Self:
        """Add rows to the sketch of a matrix that comes in pieces: ``sketch_ += S[:, rows] @ X``.

        Parameters
        ----------
        X : array_like, sparse or device array of shape (n_rows, n_features)
            The next rows.
        y : ignored

        Returns
        -------
        self
            With `sketch_` of shape (n_components, n_features), that of all rows so far, whatever
            the pieces, and their number `n_samples_seen_`. It is where the first rows are, on the
            host or on a device, but rows cannot be added to arrays of JAX. The first call fits the
            transformer too, but that here there may be more components than features.
        """
        first = not hasattr(self, "sketch_")
        rows = self._validated(X, reset=first)
        about = described(rows)
        if first:
            k, d = self._components(*about.shape), about.shape[1]
            if k <= d:
                self._prepare(about)
            else:
                self.operator_, self.n_components_ = None, k
            generator = self._generator()
            seed_from(generator)  # that of the features, which rows are to be independent of
            self._row_seed = seed_from(generator)
            self.n_samples_seen_ = 0
            if not is_device_array(rows):
                self.sketch_ = np.zeros((k, d), rows.dtype)
        else:
            k = self.sketch_.shape[0]
        seed, seen = self._row_seed, self.n_samples_seen_
        columns = self._columns(seed, seen, about.shape[0], k, about.dtype)
        if first and is_device_array(rows):
            self.sketch_ = columns.columns(rows)
        else:
            columns.add_columns(rows, self.sketch_)
        self.n_samples_seen_ += about.shape[0]
        return self

    def _prepare(self, X: Any) -> None:
        for name in ("sketch_", "n_samples_seen_"):
            self.__dict__.pop(name, None)
        super()._prepare(X)

    def _columns(
        self, seed: np.uint64, start: int, count: int, k: int, dtype: np.dtype
    ) -> SketchOperator:
        """Columns ``start`` to ``start + count - 1`` of the sketch to k components."""
        raise NotImplementedError

    def _operator(
        self, d: int, k: int, rng: np.random.Generator, dtype: np.dtype
    ) -> SketchOperator:
        return self._columns(seed_from(rng), 0, d, k, dtype)

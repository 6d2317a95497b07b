"""Gaussian-process regression on points of its own choice, in n log n."""

from __future__ import annotations

import operator
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.exceptions import ConvergenceWarning, NotFittedError

from .._digits import digits_of
from ..kernels import Kernel
from ..qmc import PointSet
from ..qmc.lattice import Lattice
from ..qmc.net import DigitalNet
from ._grid import GridModel
from ._group import Array
from ._model import OBJECTIVES, Model, make_parts
from ._observations import checked_digits, observations
from ._posterior import IntegralPosterior, Posterior

NOISE_BOUNDS = (1e-14, 1e4)  # relative to the mean square of the observations


class FastGPRegressor(RegressorMixin, BaseEstimator):
    """Gaussian-process regression whose design points make its linear algebra cost n log n.

    The points come first: ``X = gp.points(n)``, then ``gp.fit(X, f(X))``. The rest is as in
    ``sklearn.gaussian_process.GaussianProcessRegressor``.

    Parameters
    ----------
    kernel : fasttx.kernels.Kernel
        `fasttx.kernels.DSIKernel` (points of a digital net) or `fasttx.kernels.SIKernel` (points of
        a lattice, for periodic functions), or sums and products of such; or a stationary kernel,
        `fasttx.kernels.Gaussian`, `fasttx.kernels.Matern` or `fasttx.kernels.RationalQuadratic`,
        for regular grids. Says the dimension, and where hyperparameters start.
    noise : float or "fit", optional
        Variance of the observations' noise, in units of `y`, squared; or to be found, the default.
    objective : {"likelihood", "gcv", "loo"}, optional
        What hyperparameters minimize: minus the log marginal likelihood, the generalized
        cross-validation, or minus the log predictive density when leaving out one at a time. The
        last two need values of one task at a power of two of points.
    optimizer : {"L-BFGS-B", None}, optional
        From SciPy, with analytic gradients; None keeps the hyperparameters as they are.
    n_restarts_optimizer : int, optional
        Further starts, drawn log-uniformly within the bounds.
    normalize_y : bool, optional
        Whether the mean is subtracted from `y`, and it is divided by its standard deviation.
    sequence : fasttx.qmc engine, optional
        Points to use; by default ``DigitalNet(d, rng=rng)`` or ``Lattice(d, rng=rng)``.
    rng : int, numpy.random.Generator or None, optional
        Random state of points, restarts and `sample_y`.
    workers : int, optional
        Number of threads.

    Attributes
    ----------
    kernel_ : Kernel
        With the hyperparameters found.
    noise_ : float
        Variance of the noise, in units of `y`, squared. `gradient_noise_`: of that of gradients.
    task_covariance_ : ndarray of shape (tasks, tasks)
    theta_ : ndarray
        All hyperparameters: of the kernel, logarithms of noise variances, factor of the tasks.
    objective_value_ : float
        What was minimized; NaN where it is not known, see Notes.
    jitter_ : float
        Added to the diagonal beyond the noise because of round-off; zero mostly.
    n_features_in_ : int

    Notes
    -----
    A step of the optimizer costs one pass over the points for a column of the matrix, two
    transforms and one pass for all derivatives, whatever their number. Points that are no power
    of two, several tasks with n_1, n_2, … points and gradients are nested blocks, factorized
    exactly; the cost grows with the square of the number of blocks.

    On grids of one coordinate the matrix is Toeplitz, with an exact determinant at 2 n**2
    operations for each step; for the Gaussian kernel on grids of several it is a Kronecker product
    of matrices along the coordinates; other kernels there are solved by iteration, with
    ``optimizer=None``.

    Host only; needs scikit-learn.

    Examples
    --------
    >>> import numpy as np
    >>> from fasttx.gp import FastGPRegressor
    >>> from fasttx.kernels import DSIKernel
    >>> gp = FastGPRegressor(DSIKernel(2), noise=1e-8, rng=0)
    >>> X = gp.points(1024)
    >>> gp = gp.fit(X, np.sin(3 * X[:, 0]) * X[:, 1])
    >>> mean, std = gp.predict(np.array([[0.3, 0.6]]), return_std=True)
    >>> bool(abs(mean[0] - np.sin(0.9) * 0.6) < 0.02)
    True
    """

    def __init__(
        self,
        kernel: Kernel,
        *,
        noise: float | str = "fit",
        objective: str = "likelihood",
        optimizer: str | None = "L-BFGS-B",
        n_restarts_optimizer: int = 0,
        normalize_y: bool = False,
        sequence: PointSet | None = None,
        rng: Any = None,
        workers: int | None = None,
    ):
        self.kernel = kernel
        self.noise = noise
        self.objective = objective
        self.optimizer = optimizer
        self.n_restarts_optimizer = n_restarts_optimizer
        self.normalize_y = normalize_y
        self.sequence = sequence
        self.rng = rng
        self.workers = workers

    def points(self, n: int | Sequence[int]) -> Any:
        """Design points: an array of shape (n, d), or a list of such for the tasks' numbers.

        The first of more points are those of fewer, so that a design grows: all of a task's
        points come from the beginning of one sequence. For a stationary kernel, the points of a
        grid in the unit cube with n, or n[0], n[1], …, points along the coordinates.
        """
        if self.kernel.sequence is None:
            shape = np.broadcast_to(n, self.kernel.d).tolist()
            axes = [np.arange(operator.index(count)) / count for count in shape]
            return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(shape))
        if isinstance(n, Sequence | np.ndarray):
            return [self.points(operator.index(count)) for count in n]
        return self._engine().reset().random(operator.index(n))

    def _engine(self) -> PointSet:
        if not hasattr(self, "_points"):
            if self.sequence is not None:
                self._points = self.sequence
            elif self.kernel.sequence == "net":
                self._points = DigitalNet(self.kernel.d, rng=self.rng)
            else:
                self._points = Lattice(self.kernel.d, rng=self.rng)
        return self._points

    def fit(self, X: Any, y: Any, *, gradient: Any = None) -> FastGPRegressor:
        """Find the hyperparameters and the posterior.

        Parameters
        ----------
        X : array_like of shape (n, d), or list of such
            `points(n)`, or a net or a lattice from elsewhere, which is checked. For several tasks,
            a list with the points of each.
        y : array_like of shape (n,) or (n, outputs), or list of such of shape (n_t,)
            Values. Several outputs at the same points share hyperparameters; tasks have a
            covariance among them, which is fitted.
        gradient : array_like of shape (n, d), optional
            First derivatives of `y` in all coordinates, for one task and one output. A list for
            several tasks, with None for those without.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If points are not of the kernel's kind, or values are missing or not finite.

        Warns
        -----
        sklearn.exceptions.ConvergenceWarning
            If the optimizer stopped before it converged.
        """
        model, data, self._orders = observations(self.kernel, X, y, gradient, self.workers)
        return self._fit(model, data)

    def _fit(self, model: Model | GridModel, data: Array) -> FastGPRegressor:
        if self.objective not in OBJECTIVES:
            raise ValueError(f"objective must be one of {OBJECTIVES}; got {self.objective!r}")
        if self.objective != "likelihood" and len(getattr(model, "parts", ())) > 1:
            raise ValueError(
                f"objective {self.objective!r} needs values of one task at a power of two of points"
            )
        if self.optimizer not in ("L-BFGS-B", None):
            raise ValueError(f'optimizer must be "L-BFGS-B" or None; got {self.optimizer!r}')
        self._centre = np.zeros(len(data))
        self._spread = np.ones(len(data))
        if self.normalize_y:
            if model.noises > 1 or model.tasks.count > 1:
                raise ValueError("normalize_y is for values of one task")
            self._centre = data.mean(axis=1)
            self._spread = np.where(data.std(axis=1) > 0, data.std(axis=1), 1.0)
        data = (data - self._centre[:, None]) / self._spread[:, None]
        self.n_features_in_ = model.kernel.d
        hats = model.transformed(data)
        start, bounds = self._start(model, data)
        self.theta_ = self._minimize(model, hats, start, bounds)
        posterior = self._posterior = Posterior(model, self.theta_, data)
        self.kernel_, self.task_covariance_ = posterior.kernel, posterior.tasks
        self.noise_ = float(posterior.noise[0] * self._spread[0] ** 2)
        if model.noises > 1:
            self.gradient_noise_ = float(posterior.noise[1])
        self.jitter_ = posterior.system.jitter
        return self

    def _start(
        self, model: Model | GridModel, data: Array
    ) -> tuple[Array, list[tuple[float, float]]]:
        """Hyperparameters to start from, and their bounds; equal bounds keep one fixed."""
        square = float(np.mean(data**2)) or 1.0
        if self.noise == "fit":
            first, free = 1e-4 * square, tuple(np.log(np.multiply(NOISE_BOUNDS, square)))
        else:
            noise = float(self.noise) / float(self._spread[0]) ** 2
            if not (np.isfinite(noise) and noise >= 0):
                raise ValueError(f'noise must be "fit" or a variance; got {self.noise!r}')
            first = max(noise, np.finfo(float).tiny)
            free = (np.log(first),) * 2
        tasks = model.tasks
        start = [
            *model.kernel.theta,
            *[np.log(first)] * model.noises,
            *np.where(tasks.diagonal, np.log(0.7), 0.5),
        ]
        bounds = [
            *map(tuple, model.kernel.bounds),
            *[free] * model.noises,
            *[(-10.0, 5.0) if log else (-50.0, 50.0) for log in tasks.diagonal],
        ]
        return np.array(start), bounds

    def _minimize(self, model: Model | GridModel, hats: Any, start: Array, bounds: Any) -> Array:
        # The optimizer's tolerances are those of numbers of the size of 1.
        size = 1 if self.objective == "gcv" else model.size * hats[0].shape[0]

        def objective(theta: Array) -> tuple[float, Array]:
            value, slope = model.objective(self.objective, theta, hats)
            return value / size, slope / size

        def guarded(theta: Array) -> tuple[float, Array]:
            try:
                return objective(theta)
            except np.linalg.LinAlgError:  # so far off that round-off wins: the search turns back
                return 1e100, np.zeros(theta.size)

        if self.optimizer is None:
            known = getattr(model, "has_likelihood", True)
            self.objective_value_ = objective(start)[0] * size if known else np.nan
            return start
        rng = np.random.default_rng(self.rng)
        low, high = np.array(bounds).T
        starts = [start, *rng.uniform(low, high, (self.n_restarts_optimizer, len(start)))]
        found = [
            minimize(guarded, s, jac=True, method=self.optimizer, bounds=bounds) for s in starts
        ]
        best = min(found, key=lambda r: r.fun)
        if not best.success:
            warnings.warn(
                f"the optimizer did not converge: {best.message}", ConvergenceWarning, stacklevel=4
            )
        self.objective_value_ = float(best.fun) * size
        return self._scaled(model, best.x, hats)

    def _scaled(self, model: Model | GridModel, theta: Array, hats: Any) -> Array:
        """Cross-validation does not see a common factor of kernel and noise: the likeliest one."""
        fixed = self.noise != "fit" and float(self.noise) > 0
        if self.objective != "gcv" or fixed or isinstance(model, GridModel):
            return theta
        squares = model.system(theta).squares(hats)
        theta = theta.copy()
        theta[model.kernel.scale_indices] += np.log(squares.mean() / model.size)
        theta[model.kernel.theta.size] += np.log(squares.mean() / model.size)
        return theta

    def predict(
        self,
        X: ArrayLike,
        return_std: bool = False,
        return_cov: bool = False,
        *,
        task: int = 0,
    ) -> Any:
        """Posterior mean at new points, and its standard deviation or covariance.

        Parameters
        ----------
        X : array_like of shape (m, d)
            Any points in [0, 1), by blocks that keep memory below 100 MB for the mean and
            `return_std`.
        return_std, return_cov : bool, optional
            At most one of them. Of the function, without the noise of observations.
        task : int, optional
            Which task to predict.

        Returns
        -------
        mean : ndarray of shape (m,) or (m, outputs)
        std : ndarray of shape (m,) or (m, outputs)
        cov : ndarray of shape (m, m) or (m, m, outputs)
        """
        if return_std and return_cov:
            raise RuntimeError("at most one of return_std and return_cov can be requested")
        posterior, x = self._fitted(task), self._inputs(X)
        mean = self._centre + self._spread * posterior.mean(x, task)
        if return_std:
            std = np.sqrt(posterior.variance(x, task))[:, None] * self._spread
            return self._shaped(mean), self._shaped(std)
        if return_cov:
            cov = posterior.covariance(x, task)[..., None] * self._spread**2
            return self._shaped(mean), self._shaped(cov)
        return self._shaped(mean)

    def sample_y(
        self, X: ArrayLike, n_samples: int = 1, random_state: Any = 0, *, task: int = 0
    ) -> NDArray[np.float64]:
        """Draw functions from the posterior, at `X`: shape (m, n_samples) or (m, outputs, …)."""
        mean, cov = self.predict(X, return_cov=True, task=task)
        rng = np.random.default_rng(random_state)
        if mean.ndim == 1:
            return rng.multivariate_normal(mean, cov, n_samples, method="eigh").T
        draws = [
            rng.multivariate_normal(mean[:, i], cov[..., i], n_samples, method="eigh").T
            for i in range(mean.shape[1])
        ]
        return np.stack(draws, axis=1)

    def integral(self, *, task: int = 0) -> IntegralPosterior:
        """Posterior of the integral over the unit cube: ``mean``, ``std`` and ``interval()``."""
        mean, std = self._fitted(task).integral(task)
        mean, std = self._centre + self._spread * mean, self._spread * std
        return IntegralPosterior(*(v[0] if len(v) == 1 else v for v in (mean, std)))

    def predicted_error(self, n: Any, X: ArrayLike | None = None, *, task: int = 0) -> Any:
        """Posterior standard deviation after observing the first `n` points of the design.

        It depends on points and hyperparameters, and on values through these only: how many
        points reach an accuracy is known before these are paid for.

        Parameters
        ----------
        n : int, or sequence of int
            Number of points, of each task.
        X : array_like of shape (m, d), optional
            Where; by default the error is that of the integral.

        Returns
        -------
        float, or ndarray of shape (m,); with several outputs, a last axis of these
        """
        self._fitted(task)
        if self.kernel.sequence is None:
            raise ValueError("predicted_error is for the sequences of nets and lattices")
        sets = self.points(n)
        parts: list[Any] = []
        for task_number, points in enumerate(sets if isinstance(sets, list) else [sets]):
            digits, _ = checked_digits(self.kernel, points)
            parts += make_parts(digits, task_number, self._orders[task_number])
        model = Model(self.kernel, parts, len(self.task_covariance_), self.workers)
        future = Posterior(model, self.theta_)
        if X is None:
            error = future.integral(task).std * self._spread
            return float(error[0]) if len(error) == 1 else error
        return self._shaped(np.sqrt(future.variance(self._inputs(X), task))[:, None] * self._spread)

    def plot(self, ax: Any = None, *, task: int = 0) -> Any:
        """Draw the posterior over the unit interval or square, or along every coordinate.

        Needs Matplotlib. Returns the Axes.
        """
        from ._plot import plot

        return plot(self, ax, task)

    def _fitted(self, task: int) -> Posterior:
        if not hasattr(self, "_posterior"):
            raise NotFittedError("this FastGPRegressor is not fitted yet: call fit(X, y) first")
        if not 0 <= operator.index(task) < len(self.task_covariance_):
            raise ValueError(f"task must be below {len(self.task_covariance_)}; got {task}")
        return self._posterior

    def _inputs(self, X: ArrayLike) -> NDArray[Any]:
        if self.kernel.sequence is not None:
            return digits_of(X, self.kernel.d)
        x = np.asarray(X, np.float64)
        if x.ndim != 2 or x.shape[1] != self.kernel.d or not np.isfinite(x).all():
            raise ValueError(f"X must be finite, of shape (m, {self.kernel.d}); got {x.shape}")
        return x

    @staticmethod
    def _shaped(values: Array) -> Array:
        return values[..., 0] if values.shape[-1] == 1 else values

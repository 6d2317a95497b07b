"""Gaussian-process regression beside dense algebra."""

import warnings

import numpy as np
import pytest
from scipy.linalg import cho_factor, cho_solve

pytest.importorskip("sklearn")
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from fasttx.gp import FastGPRegressor, FastGram
from fasttx.kernels import DSIKernel, Gaussian, Matern, RationalQuadratic, SIKernel
from fasttx.qmc import DigitalNet, Lattice

PERIODIC = SIKernel(2, alpha=2, weights=[0.4, 0.2], scale=1.5)
DIGITAL = DSIKernel(2, alpha=2, weights=[0.4, 0.2], scale=1.5)


def function(x):
    return np.sin(2 * np.pi * x[:, 0]) + np.cos(2 * np.pi * x[:, 1]) ** 2


def gradient(x):
    return 2 * np.pi * np.stack([np.cos(2 * np.pi * x[:, 0]), -np.sin(4 * np.pi * x[:, 1])], axis=1)


def dense_posterior(kernel, x, y, noise, new):
    """Mean, covariance and minus the log likelihood by Cholesky factorization."""
    factor = cho_factor(kernel(x) + noise * np.eye(len(x)))
    cross = kernel(new, x)
    alpha = cho_solve(factor, y)
    mean = cross @ alpha
    covariance = kernel(new) - cross @ cho_solve(factor, cross.T)
    logdet = 2 * np.log(np.diag(factor[0])).sum()
    minus = 0.5 * (y @ alpha + logdet + len(y) * np.log(2 * np.pi))
    return mean, covariance, minus


@pytest.mark.parametrize("n", [64, 44])
@pytest.mark.parametrize("kernel", [PERIODIC, DIGITAL], ids=["lattice", "net"])
def test_posterior(kernel, n):
    gp = FastGPRegressor(kernel, noise=1e-3, optimizer=None, rng=0)
    x = gp.points(n)
    y = function(x)
    new = np.random.default_rng(0).random((7, 2))
    gp.fit(x, y)
    mean, covariance, minus = dense_posterior(kernel, x, y, 1e-3, new)
    found, std = gp.predict(new, return_std=True)
    np.testing.assert_allclose(found, mean, rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(std, np.sqrt(np.diag(covariance)), rtol=1e-6)
    found, cov = gp.predict(new, return_cov=True)
    np.testing.assert_allclose(cov, covariance, rtol=1e-6, atol=1e-10)
    np.testing.assert_allclose(gp.objective_value_, minus, rtol=1e-9)
    assert gp.score(x, y) > 0.99
    # Of the integral, by the exact integrals of the kernel.
    inverse = np.linalg.inv(kernel(x) + 1e-3 * np.eye(n))
    ones = np.full(n, kernel.mean)
    integral = gp.integral()
    np.testing.assert_allclose(integral.mean, ones @ inverse @ y, rtol=1e-8)
    variance = kernel.mean - ones @ inverse @ ones
    np.testing.assert_allclose(integral.std, np.sqrt(variance), rtol=1e-4)
    low, high = integral.interval(0.95)
    np.testing.assert_allclose((high - low) / integral.std, 2 * 1.959963984540054)
    assert gp.predicted_error(n) == pytest.approx(integral.std)
    np.testing.assert_allclose(gp.predicted_error(n, new), std, rtol=1e-6)
    assert gp.predicted_error(4 * n) < gp.predicted_error(n)


@pytest.mark.parametrize("objective", ["likelihood", "gcv", "loo"])
@pytest.mark.parametrize("kernel", [PERIODIC, DIGITAL], ids=["lattice", "net"])
def test_objectives(kernel, objective):
    """Values beside dense algebra, gradients beside differences."""
    n, noise = 32, 0.02
    gp = FastGPRegressor(kernel, noise=noise, objective=objective, optimizer=None, rng=1)
    x = gp.points(n)
    y = np.stack([function(x), x[:, 0] ** 2], axis=1)
    gp.fit(x, y)
    dense = kernel(x) + noise * np.eye(n)
    inverse = np.linalg.inv(dense)
    alpha, c = inverse @ y, np.diag(inverse)[:, None]
    if objective == "likelihood":
        expected = sum(dense_posterior(kernel, x, v, noise, x[:1])[2] for v in y.T)
    elif objective == "loo":
        expected = 0.5 * (np.log(2 * np.pi / c) + alpha**2 / c).sum()
    else:
        # With scale and noise multiplied by a common factor, which it does not see.
        expected = np.log(np.mean((alpha / c) ** 2))
    np.testing.assert_allclose(gp.objective_value_, expected, rtol=1e-9)
    model = gp._posterior.model
    hats = [model.group.forward(np.ascontiguousarray(y.T))]
    theta = np.log([1.3, 0.3, 0.25, 0.05])
    check_gradient(lambda t: model.objective(objective, t, hats), theta)


def check_gradient(objective, theta):
    found = objective(theta)[1]
    for i in range(len(theta)):
        step = np.zeros(len(theta))
        step[i] = 1e-5
        slope = (objective(theta + step)[0] - objective(theta - step)[0]) / 2e-5
        np.testing.assert_allclose(found[i], slope, rtol=2e-5, atol=1e-5 * abs(found).max())


@pytest.mark.parametrize("kernel", [PERIODIC, DIGITAL], ids=["lattice", "net"])
def test_several_tasks(kernel):
    gp = FastGPRegressor(kernel, noise=0.01, optimizer=None, rng=2)
    sizes = [16, 64, 20]
    xs = gp.points(sizes)
    assert all((x == xs[1][: len(x)]).all() for x in xs)
    ys = [function(xs[0]), function(xs[1]) ** 2, xs[2][:, 0]]
    gp.fit(xs, ys)
    owner = np.repeat(range(3), sizes)
    x, y = np.concatenate(xs), np.concatenate(ys)
    between = gp.task_covariance_
    assert np.linalg.eigvalsh(between).min() > 0
    dense = kernel(x) * between[np.ix_(owner, owner)]
    inverse = np.linalg.inv(dense + 0.01 * np.eye(len(x)))
    new = np.random.default_rng(0).random((5, 2))
    for task in range(3):
        cross = kernel(new, x) * between[task, owner]
        mean, std = gp.predict(new, return_std=True, task=task)
        np.testing.assert_allclose(mean, cross @ inverse @ y, rtol=1e-7, atol=1e-8)
        variance = between[task, task] * kernel.k0 - np.einsum("ij,jk,ik->i", cross, inverse, cross)
        np.testing.assert_allclose(std, np.sqrt(variance), rtol=1e-5)
        ones = kernel.mean * between[task, owner]
        np.testing.assert_allclose(gp.integral(task=task).mean, ones @ inverse @ y, rtol=1e-8)
    model = gp._posterior.model
    hats = gp_hats(model, y)
    theta = np.concatenate([np.log([1.3, 0.3, 0.25, 0.05]), [0.4, -0.2, 0.3, 0.1, -0.4]])
    check_gradient(lambda t: model.objective("likelihood", t, hats), theta)


def gp_hats(model, y):
    cuts = np.cumsum([len(p.digits) for p in model.parts])[:-1]
    return [
        model.group.forward(np.ascontiguousarray(part))
        for part in np.split(model.arranged(y[None]), cuts, axis=1)
    ]


def test_gradient_observations():
    kernel = SIKernel(2, alpha=3, weights=[0.4, 0.2], scale=1.5)
    gp = FastGPRegressor(kernel, noise=1e-3, optimizer=None, rng=3)
    x = gp.points(24)
    gp.fit(x, function(x), gradient=gradient(x))
    orders = [(0, 0), (1, 0), (0, 1)]
    dense = np.block([[kernel.derivative(a, b)(x, x) for b in orders] for a in orders])
    y = np.concatenate([function(x), *gradient(x).T])
    inverse = np.linalg.inv(dense + 1e-3 * np.eye(len(y)))
    new = np.random.default_rng(0).random((5, 2))
    cross = np.hstack([kernel.derivative((0, 0), b)(new, x) for b in orders])
    mean, std = gp.predict(new, return_std=True)
    np.testing.assert_allclose(mean, cross @ inverse @ y, rtol=1e-7, atol=1e-8)
    variance = kernel.k0 - np.einsum("ij,jk,ik->i", cross, inverse, cross)
    np.testing.assert_allclose(std, np.sqrt(variance), rtol=1e-4)
    model = gp._posterior.model
    hats = gp_hats(model, y)
    check_gradient(
        lambda t: model.objective("likelihood", t, hats), np.log([1.3, 0.3, 0.25, 0.05, 0.2])
    )
    values_only = FastGPRegressor(kernel, noise=1e-3, optimizer=None, rng=3).fit(x, function(x))
    error = abs(mean - function(new)).max()
    assert error < 0.2 * abs(values_only.predict(new) - function(new)).max()


@pytest.mark.parametrize("objective", ["likelihood", "gcv", "loo"])
def test_hyperparameters_are_found(objective):
    """Noise and scale within a factor of the truth, for a function drawn from the prior."""
    truth = SIKernel(2, alpha=2, weights=[0.5, 0.05], scale=4.0)
    gp = FastGPRegressor(SIKernel(2, alpha=2), objective=objective, rng=4)
    x = gp.points(1024)
    y = FastGram(x, truth, 0.01).sample(rng=5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gp.fit(x, y)
    assert 0.5 < gp.noise_ / 0.01 < 2
    fixed = FastGPRegressor(truth, objective=objective, noise=0.01, optimizer=None).fit(x, y)
    assert gp.objective_value_ <= fixed.objective_value_
    found = np.exp(gp.kernel_.theta)
    assert 0.25 < found[0] * found[1] / 2.0 < 4
    assert found[2] < 0.3 * found[1]


def test_coverage():
    """The 99 % interval holds the integral of functions from the prior."""
    hits, n = 0, 64
    kernel = DSIKernel(2, alpha=2)
    for seed in range(100):
        points = DigitalNet(2, rng=seed).random(8 * n)
        y = FastGram(points, kernel).sample(rng=seed)
        gp = FastGPRegressor(kernel, noise=0.0, optimizer=None, rng=seed).fit(points[:n], y[:n])
        low, high = gp.integral().interval(0.99)
        finer = FastGPRegressor(kernel, noise=0.0, optimizer=None).fit(points, y).integral().mean
        hits += low <= finer <= high
    assert hits >= 96


def test_estimator():
    gp = FastGPRegressor(PERIODIC, noise=1e-4, normalize_y=True, rng=0)
    assert clone(gp).get_params()["noise"] == 1e-4
    x = gp.points(128)
    y = np.stack([10 + function(x), 5 * x[:, 0]], axis=1)
    gp.fit(x, y)
    mean, std = gp.predict(x[:3], return_std=True)
    assert mean.shape == std.shape == (3, 2)
    np.testing.assert_allclose(mean[:, 0], y[:3, 0], atol=0.1)
    assert gp.sample_y(x[:3], 4).shape == (3, 2, 4)
    assert gp.integral().mean.shape == (2,)
    np.testing.assert_allclose(gp.integral().mean[0], 10.5, atol=0.05)
    lattice = Lattice(2, rng=9)
    own = FastGPRegressor(PERIODIC, sequence=lattice, noise=1e-4)
    np.testing.assert_array_equal(own.points(8), lattice.reset().random(8))


def test_ackley():
    """Ackley's function in two dimensions, with hyperparameters found."""

    def ackley(x):
        z = 10 * (x - 0.5)
        waves = np.exp(np.cos(2 * np.pi * z).mean(axis=1))
        return 20 + np.e - 20 * np.exp(-0.2 * np.sqrt((z**2).mean(axis=1))) - waves

    gp = FastGPRegressor(DSIKernel(2, alpha=2), rng=7)
    x = gp.points(4096)
    new = np.random.default_rng(0).random((100, 2))
    mean, std = gp.fit(x, ackley(x)).predict(new, return_std=True)
    error = np.abs(mean - ackley(new))
    assert np.sqrt(np.mean(error**2)) < 0.06 * ackley(new).std()
    assert np.mean(error <= 2.576 * std) > 0.9
    low, high = gp.integral().interval(0.99)
    fine = ackley(DigitalNet(2, rng=1).random(2**18)).mean()
    assert low <= fine <= high


@pytest.mark.parametrize("d", [1, 2, 3])
def test_plot(d):
    pytest.importorskip("matplotlib").use("Agg")
    import matplotlib.pyplot as plt

    gp = FastGPRegressor(SIKernel(d), noise=1e-3, optimizer=None, rng=0)
    x = gp.points(32)
    _, ax = plt.subplots()
    assert gp.fit(x, np.sin(2 * np.pi * x[:, 0])).plot(ax) is ax
    assert ax.lines or ax.images
    plt.close()


def test_a_list_of_points():
    """Nested lists are one task."""
    gp = FastGPRegressor(PERIODIC, noise=1e-3, optimizer=None, rng=0)
    x = gp.points(4)
    mean = gp.fit(x.tolist(), [1, 2, 3, 4]).predict(x.tolist())
    np.testing.assert_allclose(mean, gp.fit(x, [1.0, 2, 3, 4]).predict(x))


def test_orders_of_points():
    """A lattice in linear order is the same model."""
    one = FastGPRegressor(PERIODIC, noise=1e-3, optimizer=None)
    x = Lattice(2, order="linear", rng=0).random(64)
    y = function(x)
    mean = dense_posterior(PERIODIC, x, y, 1e-3, x[:5])[0]
    np.testing.assert_allclose(one.fit(x, y).predict(x[:5]), mean, rtol=1e-8)


@pytest.mark.parametrize(
    ("kernel", "shape"),
    [
        (Matern(1, nu=1.5, length_scale=0.2, scale=1.3), 40),
        (Gaussian(2, length_scale=[0.2, 0.3], scale=1.3), (9, 6)),
        (RationalQuadratic(2, length_scale=0.3), (6, 7)),
    ],
)
def test_grids(kernel, shape):
    """Stationary kernels, by Toeplitz, Kronecker and multilevel Toeplitz matrices."""
    gp = FastGPRegressor(kernel, noise=0.01, optimizer=None)
    x = 3 + 2 * gp.points(shape)
    y = np.stack([np.sin(x.sum(axis=1)), x[:, 0]], axis=1)
    new = 3 + 2 * np.random.default_rng(0).random((6, kernel.d))
    multilevel = isinstance(kernel, RationalQuadratic)
    if multilevel:
        with pytest.raises(ValueError, match="optimizer=None"):
            FastGPRegressor(kernel, noise=0.01).fit(x, y)
    gp.fit(x, y)
    dense = [dense_posterior(kernel, x, v, 0.01, new) for v in y.T]
    mean, std = gp.predict(new, return_std=True)
    np.testing.assert_allclose(mean, np.stack([m for m, _, _ in dense], axis=1), rtol=1e-7)
    np.testing.assert_allclose(std[:, 0], np.sqrt(np.diag(dense[0][1])), rtol=1e-5)
    np.testing.assert_allclose(gp.predict(new, return_cov=True)[1][..., 0], dense[0][1], atol=1e-8)
    if multilevel:
        assert np.isnan(gp.objective_value_)
        return
    np.testing.assert_allclose(gp.objective_value_, sum(m for _, _, m in dense), rtol=1e-8)
    model = gp._posterior.model
    theta = np.append(kernel.theta + 0.1, np.log(0.02))
    check_gradient(lambda t: model.objective("likelihood", t, y.T.copy()), theta)
    fitted = FastGPRegressor(kernel).fit(x, y)
    assert fitted.objective_value_ < gp.objective_value_


def test_not_a_grid():
    gp = FastGPRegressor(Gaussian(2))
    x = gp.points((4, 5))
    assert x.shape == (20, 2)
    for wrong in (x[:-1], x[::-1] * [1, -1], x**2, np.delete(x, 7, axis=0)):
        with pytest.raises(ValueError, match="regular grid"):
            gp.fit(wrong, np.ones(len(wrong)))


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"y": np.full(64, np.nan)}, ValueError, "not finite in 64 rows"),
        ({"y": np.ones(63)}, ValueError, "64 rows"),
        ({"X": np.random.default_rng(0).random((64, 2))}, ValueError, "not a rank-1 lattice"),
        ({"objective": "other"}, ValueError, "objective"),
        ({"noise": -1.0}, ValueError, "noise"),
        ({"optimizer": "Adam"}, ValueError, "optimizer"),
        ({"gradient": np.ones((64, 3))}, ValueError, "gradient must have shape"),
    ],
)
def test_bad_input(change, error, message):
    options = {k: v for k, v in change.items() if k in ("objective", "noise", "optimizer")}
    gp = FastGPRegressor(PERIODIC, rng=0, **options)
    x = change.get("X", gp.points(64))
    with pytest.raises(error, match=message):
        gp.fit(x, change.get("y", np.ones(64)), gradient=change.get("gradient"))


def test_not_fitted():
    with pytest.raises(NotFittedError):
        FastGPRegressor(PERIODIC).predict(np.zeros((1, 2)))
    gp = FastGPRegressor(PERIODIC, optimizer=None, noise=1.0, rng=0)
    gp.fit(gp.points(4), np.ones(4))
    with pytest.raises(ValueError, match="task must be below 1"):
        gp.predict(np.zeros((1, 2)), task=1)

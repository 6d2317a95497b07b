"""Sparse Walsh-Hadamard recovery under Numba's CUDA simulator, against the host's."""

import numpy as np
import pytest
from numba import config, cuda

import fasttx
from fasttx import _cuda
from fasttx._cuda.workspace import Workspace
from fasttx.sparse import SparsePlan, sparse_fwht
from tests.planted import Planted

assert config.ENABLE_CUDASIM, "set NUMBA_ENABLE_CUDASIM=1"


def same(result, expected):
    assert result.status == expected.status
    assert result.unresolved == expected.unresolved
    assert result.n_queries == expected.n_queries
    np.testing.assert_array_equal(result.keys, expected.keys)
    scale = np.abs(expected.coefficients).max(initial=0)
    np.testing.assert_allclose(result.coefficients, expected.coefficients, 1e-12, 1e-12 * scale)
    np.testing.assert_allclose(result.stderr, expected.stderr, 0.05, 1e-12 * scale)
    np.testing.assert_allclose(result.r2, expected.r2, 1e-9)


@pytest.mark.parametrize(
    ("n", "sparsity", "noise", "options"),
    [
        (8, 3, 0, {"method": "noiseless"}),
        (9, 3, 0, {"method": "nso-hard", "degree": 2}),
        pytest.param(7, 2, 0.2, {"method": "near-linear"}, marks=pytest.mark.slow),
        # Too many keys to try each:
        pytest.param(18, 2, 0.5, {"method": "nso"}, marks=pytest.mark.slow),
        (70, 2, 0, {}),  # keys of two words
    ],
)
def test_as_on_the_host(n, sparsity, noise, options):
    f = Planted(n, sparsity, 1, values="normal", noise=noise, degree=options.get("degree"))
    plans = [SparsePlan(n, sparsity, noise=noise, rng=1, **options) for _ in range(2)]
    for idx, bits in plans[0].queries():
        values = f(bits)
        plans[0].tell(idx, values)
        plans[1].tell(idx, cuda.to_device(values))
    same(plans[1].recover(), plans[0].recover())


@pytest.mark.slow
def test_a_function_on_the_device():
    """Its queries are asked there; complex values of two outputs."""
    a, b = (Planted(8, 2, seed, values="normal") for seed in range(2))

    def f(bits):
        return np.stack([a(bits) + 1j * b(bits), b(bits)], 1)

    def on_device(bits):
        return cuda.to_device(f(bits.copy_to_host()))

    like = cuda.to_device(np.zeros(1))
    result = sparse_fwht(on_device, 8, 4, noise=0, rng=2, like=like)
    same(result, sparse_fwht(f, 8, 4, noise=0, rng=2))
    np.testing.assert_array_equal(a.asked, np.concatenate([a.asked[: len(a.asked) // 2]] * 2))


@pytest.mark.parametrize("shape", [(64,), (64, 2)])
def test_a_table_on_the_device(shape):
    dense = np.zeros(shape)
    dense[[3, 17, 40]] = np.random.default_rng(0).standard_normal((3, *shape[1:]))
    values = fasttx.fwht(dense, axis=0)
    result = sparse_fwht(cuda.to_device(values), 6, 3, noise=0, rng=0)
    same(result, sparse_fwht(values, 6, 3, noise=0, rng=0))


@pytest.mark.slow
def test_overload_and_growth():
    f = Planted(10, 40, 1)
    plans = [SparsePlan(10, 4, noise=0, max_queries=420, rng=1) for _ in range(2)]
    for plan, to in zip(plans, (np.asarray, cuda.to_device), strict=True):
        for idx, bits in plan.queries():
            plan.tell(idx, to(f(bits)))
    assert plans[0].recover().status == "overloaded"
    assert plans[1].recover().status == "overloaded"
    assert plans[1].recover().n_queries == plans[0].recover().n_queries


@pytest.fixture
def space():
    return Workspace(_cuda.wrap(cuda.to_device(np.zeros(1))))


@pytest.mark.parametrize("size", [1, 4, 5, 70])
def test_ranks_and_lists(space, size):
    rng = np.random.default_rng(size)
    counts = rng.integers(0, 3, size)
    ranks = space.host(space.ranks(space.table(counts), size))
    np.testing.assert_array_equal(ranks, np.cumsum([0, *counts]))
    items = 2 * size
    places = rng.integers(0, size, items)
    starts, order = (space.host(a) for a in space.lists(space.table(places), items, size))
    np.testing.assert_array_equal(order, np.argsort(places, kind="stable"))
    np.testing.assert_array_equal(starts, np.searchsorted(np.sort(places), np.arange(size + 1)))


@pytest.mark.parametrize("size", [0, 3, 50])
def test_sums(space, size):
    x = np.random.default_rng(0).integers(-9, 10, 2 * size + 1).astype(float)
    given = space.table(x)
    assert space.dot(given, given, size, 1, 2) == np.square(x[1::2]).sum()
    assert space.largest(given, 2 * size + 1) == np.abs(x).max()
    for value in (np.nan, -np.inf):
        x[size] = value
        assert space.largest(space.table(x), 2 * size + 1) == np.inf

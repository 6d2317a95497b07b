"""Functions that people have: multiplexers, graph cuts, trees and forests, Boolean functions."""

import networkx as nx
import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import GradientBoostingRegressor, RandomForestRegressor
from sklearn.tree import DecisionTreeRegressor

import fasttx
from fasttx.sparse import sparse_fwht
from tests.planted import as_terms


def multiplexer(k):
    """One of 2**k data bits, chosen by k address bits, as a sign."""

    def f(bits):
        address = bits[:, :k].astype(int) @ (1 << np.arange(k))
        return 1.0 - 2.0 * bits[np.arange(len(bits)), k + address]

    return f


@pytest.mark.parametrize("k", [3, 4, 5])
@pytest.mark.parametrize("seed", range(3))
def test_multiplexer(k, seed):
    n = k + (1 << k)
    result = sparse_fwht(multiplexer(k), n, 4**k, rng=seed)
    assert result.status == "converged"
    assert len(result) == 4**k
    np.testing.assert_allclose(np.abs(result.coefficients), 2.0**-k, rtol=1e-9)
    # A subset of the address bits with one data bit; the sign counts where address and data differ.
    data = result.support[:, k:]
    assert (data.sum(axis=1) == 1).all()
    chosen = data.argmax(axis=1)
    address = (chosen[:, None] >> np.arange(k)) & 1
    both = (address * result.support[:, :k]).sum(axis=1) % 2
    np.testing.assert_array_equal(np.sign(result.coefficients), 1 - 2 * both)


def cut(graph):
    ends = np.array(list(graph.edges))
    weight = np.array([graph.edges[e].get("weight", 1) for e in graph.edges], float)

    def f(bits):
        return (bits[:, ends[:, 0]] != bits[:, ends[:, 1]]) @ weight

    return f, ends, weight


@pytest.mark.parametrize("graph", [nx.karate_club_graph, nx.les_miserables_graph])
def test_weighted_graph_cut(graph):
    graph = nx.convert_node_labels_to_integers(graph())
    f, ends, weight = cut(graph)
    n = graph.number_of_nodes()
    truth = np.zeros((len(ends) + 1, n), bool)
    truth[np.arange(len(ends))[:, None], ends] = True
    expected = as_terms(truth, np.append(-weight / 2, weight.sum() / 2))
    for noise, tolerance in ((0.0, 1e-9), (0.2, 0.1)):
        rng = np.random.default_rng(0)
        noisy = lambda bits: f(bits) + noise * rng.standard_normal(len(bits))  # noqa: B023, E731
        result = sparse_fwht(noisy, n, len(ends) + 1, degree=2, rng=0)
        assert result.status == "converged"
        found = as_terms(result.support, result.coefficients)
        assert found.keys() == expected.keys()
        assert max(abs(found[k] - expected[k]) for k in found) < tolerance


def test_noise_that_takes_more_samples_than_a_code_has():
    f, ends, weight = cut(nx.karate_club_graph())
    rng = np.random.default_rng(0)
    result = sparse_fwht(
        lambda bits: f(bits) + rng.normal(0, 8, len(bits)), 34, len(ends) + 1, degree=2, rng=0
    )
    assert result.status == "converged"
    assert len(result) == len(ends) + 1
    np.testing.assert_allclose(np.sort(-result.coefficients)[1:], np.sort(weight / 2), atol=0.3)


def masked(model, row, baseline):
    """The model where features that are off have the baseline's value."""

    def f(bits):
        return model.predict(np.where(bits, row, baseline))

    return f


@pytest.fixture(scope="module")
def cancer():
    data = load_breast_cancer()
    return data.data, data.target.astype(float)


def test_decision_tree(cancer):
    x, y = cancer
    tree = DecisionTreeRegressor(max_depth=6, random_state=0).fit(x, y)
    f = masked(tree, x[17], x.mean(axis=0))
    used = np.unique(tree.tree_.feature[tree.tree_.feature >= 0])
    # The truth: the whole transform over the features that the tree looks at.
    few = (np.arange(1 << len(used))[:, None] >> np.arange(len(used))) & 1
    bits = np.zeros((len(few), 30), np.uint8)
    bits[:, used] = few
    dense = fasttx.fwht(f(bits)) / len(few)
    at = np.flatnonzero(np.abs(dense) > 1e-12)
    expected = as_terms(bits[at].astype(bool), dense[at])
    result = sparse_fwht(f, 30, len(at), rng=0)
    assert result.status == "converged"
    found = as_terms(result.support, result.coefficients)
    assert found.keys() == expected.keys()
    assert max(abs(found[k] - expected[k]) for k in found) < 1e-9


def shapley(f, n):
    """Values by the definition, over all coalitions."""
    table = f(((np.arange(1 << n)[:, None] >> np.arange(n)) & 1).astype(np.uint8))
    size = np.bitwise_count(np.arange(1 << n)).astype(int)
    factorial = np.cumprod([1.0, *range(1, n + 1)])
    weight = factorial[size[: 1 << n]] * factorial[np.maximum(n - size - 1, 0)] / factorial[n]
    found = []
    for i in range(n):
        without = np.flatnonzero(~np.arange(1 << n) & (1 << i))
        gain = table[without | (1 << i)] - table[without]
        found.append(float(weight[without] @ gain))
    return found


@pytest.mark.parametrize("kind", [RandomForestRegressor, GradientBoostingRegressor])
def test_ensembles_explained_by_shapley_values(kind, cancer):
    x, y = cancer
    x = x[:, :12]
    model = kind(n_estimators=20, max_depth=3, random_state=0).fit(x, y)
    f = masked(model, x[17], x.mean(axis=0))
    result = sparse_fwht(f, 12, 200, noise=0, rng=0)
    assert result.status == "converged"
    found = result.interactions("Shapley")
    np.testing.assert_allclose([found.get((i,), 0) for i in range(12)], shapley(f, 12), atol=1e-9)


def test_forest_of_thirty_features(cancer):
    x, y = cancer
    model = GradientBoostingRegressor(n_estimators=50, max_depth=2, random_state=0).fit(x, y)
    result = sparse_fwht(masked(model, x[17], x.mean(axis=0)), 30, 300, degree=2, rng=0)
    assert result.r2 > 0.99
    assert result.degrees.max() <= 2
    assert result.n_queries < 50_000


def bent(n):
    """Inner product of the two halves of the bits: all 2**n coefficients have equal size."""
    k = np.arange(1 << n)
    return 1.0 - 2.0 * (np.bitwise_count((k >> n // 2) & k & ((1 << n // 2) - 1)) & 1)


@pytest.mark.parametrize("n", [6, 8, 10, 12, 16])
@pytest.mark.parametrize("noise", ["auto", 0])
def test_bent_functions_are_not_sparse(n, noise):
    for sparsity in (8, 16):
        result = sparse_fwht(bent(n), n, sparsity, noise=noise, rng=0)
        assert result.status == "overloaded"


@pytest.mark.parametrize("noise", ["auto", 0])
def test_components_of_the_aes_box_are_not_sparse(noise):
    from fasttx._tour import field_inverse

    inverse = field_inverse(8, 0x11B, 3)
    for mask in (1, 0x2A, 0xFF):
        signs = 1.0 - 2.0 * (np.bitwise_count(inverse & mask) & 1)
        for sparsity in (4, 16, 64):
            result = sparse_fwht(signs, 8, sparsity, noise=noise, rng=0)
            assert result.status == "overloaded"

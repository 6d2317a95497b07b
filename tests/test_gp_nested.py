"""Block matrices on nested groups, beside dense algebra."""

from itertools import combinations_with_replacement

import numpy as np
import pytest

from fasttx import bit_reversal_permutation
from fasttx.gp._blocks import BlockGram
from fasttx.gp._group import GROUPS
from fasttx.gp._nested import NestedFactor, product

SIZES = [(16,), (16, 16), (16, 8), (32, 8, 8, 2, 1), (8, 4, 2, 1)]


def difference(name, n):
    """Index of g(i) - g(j) among n points."""
    i, j = np.indices((n, n))
    if name == "net":
        return i ^ j
    reverse = np.asarray(bit_reversal_permutation(n)) if n > 1 else np.zeros(1, int)
    return reverse[(reverse[i] - reverse[j]) % n]


def system(name, sizes, seed=0):
    """Random columns of a positive definite matrix, and the matrix."""
    rng = np.random.default_rng(seed)
    columns, group = {}, GROUPS[name]
    for s, t in combinations_with_replacement(range(len(sizes)), 2):
        column = rng.standard_normal(sizes[s])
        if s == t:
            minus = difference(name, sizes[s])[0]
            column = (column + column[minus]) / 2
            column[0] = 4 * np.sqrt(sum(sizes)) + sizes[s]
        columns[s, t] = column
    cuts = np.cumsum([0, *sizes])
    dense = np.empty((cuts[-1], cuts[-1]))
    for (s, t), column in columns.items():
        block = column[difference(name, sizes[s])[:, : sizes[t]]]
        dense[cuts[s] : cuts[s + 1], cuts[t] : cuts[t + 1]] = block
        dense[cuts[t] : cuts[t + 1], cuts[s] : cuts[s + 1]] = block.T
    spectra = {
        (s, t): (group.spectrum if s == t else group.forward)(c) for (s, t), c in columns.items()
    }
    return spectra, dense


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("name", GROUPS)
def test_against_dense_algebra(name, sizes):
    spectra, dense = system(name, sizes)
    gram = BlockGram(GROUPS[name], spectra, [0.0] * len(sizes))
    x = np.random.default_rng(1).standard_normal((3, sum(sizes)))
    np.testing.assert_allclose(gram.apply(x), x @ dense, rtol=1e-12, atol=1e-10)
    np.testing.assert_allclose(gram.solve(x), np.linalg.solve(dense, x.T).T, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(gram.factor.logdet(), np.linalg.slogdet(dense)[1], rtol=1e-12)
    white, colour = gram.whiten(np.eye(sum(sizes))).T, gram.colour(np.eye(sum(sizes))).T
    np.testing.assert_allclose(white.T @ white, np.linalg.inv(dense), atol=1e-11)
    np.testing.assert_allclose(colour @ colour.T, dense, atol=1e-10)
    np.testing.assert_allclose(
        gram.squares(gram.split(x)), np.einsum("ij,ij->i", x, gram.solve(x)), rtol=1e-10
    )


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("name", GROUPS)
def test_gradient_of_the_determinant(name, sizes):
    spectra, _ = system(name, sizes)
    gradient = NestedFactor(spectra).logdet_gradient()
    rng = np.random.default_rng(2)
    for key, block in spectra.items():
        change = rng.standard_normal(block.size)
        if key[0] != key[1] and name == "lattice":
            change = change + 1j * rng.standard_normal(block.size)
        values = []
        for step in (1e-5, -1e-5):
            moved = {**spectra, key: block + step * change}
            values.append(NestedFactor(moved).logdet())
        slope = (values[0] - values[1]) / 2e-5
        expected = np.real(np.conj(gradient[key]) * change).sum()
        np.testing.assert_allclose(expected, slope, rtol=1e-6, atol=1e-7)


def test_not_positive_definite():
    with pytest.raises(np.linalg.LinAlgError, match="positive definite"):
        NestedFactor({(0, 0): np.array([1.0, -2.0])})


def test_jitter_is_reported():
    spectrum = np.array([4.0, 1.0, 1e-17, -1e-17])
    gram = BlockGram(GROUPS["net"], {(0, 0): spectrum}, [0.0])
    assert 0 < gram.jitter < 1e-13
    assert gram.factor.pivots[0].min() > 0
    assert BlockGram(GROUPS["net"], {(0, 0): spectrum}, [1e-3]).jitter == 0


def test_product_keeps_its_arguments():
    spectra, _ = system("lattice", (8, 4))
    parts = [np.ones((1, 8), complex), np.ones((1, 4), complex)]
    product(spectra, parts)
    assert all((p == 1).all() for p in parts)

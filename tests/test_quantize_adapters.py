"""Spectral adapters, against dense algebra and NumPy's least squares."""

import numpy as np
import pytest
import scipy.fft

import fasttx
from fasttx.quantize import FourierAdapter, TurboQuant, WHTAdapter

ADAPTERS = [WHTAdapter, FourierAdapter]


def problem(m=24, n=80, seed=0):
    rng = np.random.default_rng(seed)
    W = rng.standard_normal((m, n)) * rng.uniform(0.2, 2, (m, 1))
    return W, np.round(W)


def basis(cls, n):
    """Columns of the orthogonal basis, from NumPy alone."""
    if cls is WHTAdapter:
        return fasttx.hadamard(n) / np.sqrt(n)
    angle = 2 * np.pi * np.outer(np.arange(n), np.arange(n)) / n
    return (np.cos(angle) + np.sin(angle)) / np.sqrt(n)


@pytest.mark.parametrize("cls", ADAPTERS)
@pytest.mark.parametrize("sides", ["both", "input"])
class TestBoth:
    def test_matrix(self, cls, sides):
        W, coarse = problem()
        adapter = cls.fit(W, coarse, 200, sides=sides)
        assert adapter.n_parameters == 200
        assert adapter.shape == (24, 80)
        right = adapter.coefficients.toarray() @ basis(cls, 80).T
        dense = basis(cls, 24) @ right if sides == "both" else right
        np.testing.assert_allclose(adapter.delta(), dense, atol=1e-6)
        X = np.random.default_rng(1).standard_normal((7, 80))
        np.testing.assert_allclose(adapter.apply(X), X @ dense.T, atol=1e-5)
        assert adapter.apply(X.astype(np.float32)).dtype == np.float32

    def test_all_coefficients_are_the_whole_error(self, cls, sides):
        W, coarse = problem()
        for allocation in ("energy", "uniform", "global"):
            adapter = cls.fit(W, coarse, W.size, sides=sides, allocation=allocation)
            np.testing.assert_allclose(adapter.delta(), W - coarse, atol=1e-5)
        assert not cls.fit(W, coarse, 0, sides=sides).delta().any()

    def test_largest_coefficients_are_the_best_ones(self, cls, sides):
        W, coarse = problem()
        spectrum = (W - coarse) @ basis(cls, 80)
        if sides == "both":
            spectrum = basis(cls, 24).T @ spectrum
        kept = np.sort(np.abs(spectrum).ravel())[-300:]
        adapter = cls.fit(W, coarse, 300, sides=sides, allocation="global")
        left = np.square(W - coarse - adapter.delta()).sum()
        assert left == pytest.approx(np.square(spectrum).sum() - np.square(kept).sum(), rel=1e-5)

    def test_values_by_least_squares_on_outputs(self, cls, sides):
        W, coarse = problem()
        X = np.random.default_rng(2).standard_normal((200, 80)) @ np.diag(np.linspace(0.1, 3, 80))
        adapter = cls.fit(W, coarse, 240, X=X, sides=sides)
        rest = W - coarse
        rows = basis(cls, 24).T @ rest if sides == "both" else rest
        waves = X @ basis(cls, 80)
        C = adapter.coefficients
        for i in range(24):
            at = C.indices[C.indptr[i] : C.indptr[i + 1]]
            best = np.linalg.lstsq(waves[:, at], X @ rows[i], rcond=None)[0]
            np.testing.assert_allclose(C.data[C.indptr[i] : C.indptr[i + 1]], best, atol=1e-4)
        plain = cls.fit(W, coarse, 240, sides=sides)
        errors = [np.linalg.norm(X @ (rest - a.delta()).T) for a in (adapter, plain)]
        assert errors[0] < errors[1]

    def test_budgets(self, cls, sides):
        W, coarse = problem()
        for allocation in ("energy", "uniform"):
            for count in (1, 24, 500, 1900):
                adapter = cls.fit(W, coarse, count, sides=sides, allocation=allocation)
                sizes = np.diff(adapter.coefficients.indptr)
                assert sizes.sum() == count
                assert sizes.max() <= 80
                if allocation == "uniform":
                    assert sizes.max() - sizes.min() <= 1
        energetic = cls.fit(W, coarse, 240, sides=sides)
        norms = np.linalg.norm(W - coarse, axis=1)
        if sides == "input":
            sizes = np.diff(energetic.coefficients.indptr)
            np.testing.assert_allclose(sizes, 240 * norms / norms.sum(), atol=1)
        assert np.linalg.matrix_rank(energetic.delta()) == 24

    def test_bytes(self, cls, sides):
        W, coarse = problem()
        adapter = cls.fit(W, coarse, 100, sides=sides)
        back = cls.from_bytes(adapter.to_bytes())
        assert np.array_equal(back.delta(), adapter.delta())
        assert adapter.nbytes == 100 * 8 + 25 * 4
        altered = bytearray(adapter.to_bytes())
        altered[-40] ^= 1
        with pytest.raises(ValueError, match="altered"):
            cls.from_bytes(bytes(altered))
        other = FourierAdapter if cls is WHTAdapter else WHTAdapter
        with pytest.raises(ValueError, match="the bytes are those of"):
            other.from_bytes(adapter.to_bytes())

    def test_bad_input(self, cls, sides):
        W, coarse = problem()
        with pytest.raises(ValueError, match="one shape"):
            cls.fit(W, coarse[:5], 10, sides=sides)
        with pytest.raises(ValueError, match="at most 1920"):
            cls.fit(W, coarse, 1921, sides=sides)
        with pytest.raises(ValueError, match="allocation"):
            cls.fit(W, coarse, 10, sides=sides, allocation="random")
        with pytest.raises(ValueError, match="NaN or infinity"):
            cls.fit(W * np.nan, coarse, 10, sides=sides)
        with pytest.raises(ValueError, match="X must have shape"):
            cls.fit(W, coarse, 10, sides=sides, X=np.ones((5, 79)))
        with pytest.raises(ValueError, match="X must have shape"):
            cls.fit(W, coarse, 10, sides=sides).apply(np.ones((2, 79)))


def test_sides():
    W, coarse = problem()
    with pytest.raises(ValueError, match="sides must be"):
        WHTAdapter.fit(W, coarse, 10, sides="output")
    with pytest.raises(ValueError, match="next supported length"):
        WHTAdapter.fit(W[:7], coarse[:7], 10)
    WHTAdapter.fit(W[:7], coarse[:7], 10, sides="input")
    FourierAdapter.fit(W[:7], coarse[:7], 10)


def test_of_codes():
    W = np.random.default_rng(0).standard_normal((32, 64))
    codes = TurboQuant(64, 2, "mse", rng=0).encode(W)
    adapter = WHTAdapter.fit(W, codes, 500)
    before = np.linalg.norm(W - codes.decode())
    assert np.linalg.norm(W - codes.decode() - adapter.delta()) < 0.8 * before


def test_calibration_of_low_rank():
    W, coarse = problem()
    X = np.random.default_rng(0).standard_normal((5, 80))
    adapter = WHTAdapter.fit(W, coarse, 400, X=X)
    assert np.isfinite(adapter.delta()).all()
    assert np.linalg.norm(X @ (W - coarse - adapter.delta()).T) < 1e-3
    none = WHTAdapter.fit(W, coarse, 400, X=np.zeros((3, 80)))
    assert np.isfinite(none.delta()).all()


def test_hartley_is_scipys():
    x = np.random.default_rng(0).standard_normal((3, 50))
    waves = scipy.fft.fft(x, norm="ortho")
    np.testing.assert_allclose(x @ basis(FourierAdapter, 50), waves.real - waves.imag, atol=1e-12)

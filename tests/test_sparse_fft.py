"""Sparse Fourier transforms against scipy.fft and sums of waves in exact integers."""

import warnings

import numpy as np
import pytest
import scipy.fft

from fasttx.sparse.fourier import sparse_fft

SMOOTH = 2**4 * 3**3 * 5**2 * 7  # 75600
LONG = 124 * 125 * 127
HUGE = [2**14 * 3**8 * 5**6, 1021 * 1024 * 1023 * 1025, 2**9 * 3**5 * 5**4 * 7**3 * 11**3]


def planted(n, k, seed, low=0.0):
    """Distinct frequencies, and amplitudes between 10**low and 1."""
    rng = np.random.default_rng(seed)
    keys = np.unique(rng.integers(0, n, 2 * k))
    keys = np.sort(rng.permutation(keys)[:k])
    return keys, 10 ** rng.uniform(low, 0, k) * np.exp(2j * np.pi * rng.random(k))


def signal(n, keys, amplitudes):
    spectrum = np.zeros(n, complex)
    spectrum[keys] = amplitudes
    return scipy.fft.ifft(spectrum, norm="forward")


def sampler(n, keys, amplitudes, counted=None):
    """The same from a function, its phases reduced in Python's integers."""

    def function(t):
        if counted is not None:
            counted.extend(t.tolist())
        phases = (t.astype(object)[:, None] * keys.astype(object) % n).astype(float) / n
        return np.exp(2j * np.pi * phases) @ amplitudes

    return function


def check(found, x, atol):
    expected = scipy.fft.fft(x)
    assert found.status == "converged"
    assert found.unresolved == 0
    np.testing.assert_allclose(found.to_dense(), expected, rtol=0, atol=atol * len(x))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("n", "k"),
    [(SMOOTH, 1), (SMOOTH, 2), (SMOOTH, 20), (30030, 8), (30 * 31 * 29 * 7, 30), (LONG, 100)],
)
def test_planted(n, k, seed):
    keys, amplitudes = planted(n, k, seed, low=-5)
    x = signal(n, keys, amplitudes)
    found = sparse_fft(x, k, rng=seed)
    np.testing.assert_array_equal(found.frequencies, keys)
    check(found, x, 1e-13)
    assert found.frequencies.dtype == np.int64
    assert found.n_samples < n / 10
    assert found.r2 == pytest.approx(1, abs=1e-12)
    assert found.noise_std < 1e-12
    t = np.array([[0, 5], [n - 1, 2 * n + 3]])
    np.testing.assert_allclose(found(t), x[t % n], rtol=0, atol=1e-11)


@pytest.mark.parametrize("seed", range(3))
def test_many(seed):
    keys, amplitudes = planted(LONG, 1000, seed, low=-5)
    found = sparse_fft(signal(LONG, keys, amplitudes), 1000, rng=seed)
    assert found.status == "converged"
    np.testing.assert_array_equal(found.frequencies, keys)
    np.testing.assert_allclose(found.coefficients / LONG, amplitudes, rtol=1e-9)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("n", HUGE)
def test_long_signals_from_a_function(n, seed):
    keys, amplitudes = planted(n, 40, seed, low=-5)
    times = []
    found = sparse_fft(sampler(n, keys, amplitudes, times), 40, n=n, rng=seed)
    assert found.status == "converged"
    np.testing.assert_array_equal(found.frequencies, keys)
    np.testing.assert_allclose(found.coefficients / n, amplitudes, rtol=1e-9)
    assert len(set(times)) == len(times) == found.n_samples
    assert min(times) >= 0
    assert max(times) < n
    with pytest.raises(ValueError, match="exceeds max_length"):
        found.to_dense()


@pytest.mark.parametrize("seed", range(3))
def test_cosines(seed):
    keys, amplitudes = planted(SMOOTH // 2, 10, seed)
    x = 2 * signal(SMOOTH, keys, amplitudes).real
    found = sparse_fft(x, 20, rng=seed)
    check(found, x, 1e-13)
    assert set(found.frequencies) == set(keys) | set(SMOOTH - keys)
    np.testing.assert_allclose(found(np.arange(50)), x[:50], rtol=0, atol=1e-12)


def test_constant_and_integers():
    found = sparse_fft(np.full(SMOOTH, 3), 1, rng=0)
    assert (found.status, found.frequencies.tolist()) == ("converged", [0])
    np.testing.assert_allclose(found.coefficients, [3 * SMOOTH])


@pytest.mark.parametrize("n", [1, 2, 64, SMOOTH])
def test_nothing(n):
    found = sparse_fft(np.zeros(n), 1, rng=0)
    assert (found.status, len(found.frequencies), found.r2) == ("converged", 0, 1.0)
    np.testing.assert_array_equal(found([0, 1]), [0, 0])


@pytest.mark.parametrize("dtype", [np.complex64, np.float32])
def test_single_precision(dtype):
    keys, amplitudes = planted(SMOOTH // 2, 10, 7, low=-1)
    x = signal(SMOOTH, keys, amplitudes)
    x = (2 * x.real if dtype is np.float32 else x).astype(dtype)
    found = sparse_fft(x, 20, rng=1)
    assert found.coefficients.dtype == np.complex128
    assert len(found.frequencies) == (20 if dtype is np.float32 else 10)
    check(found, x.astype(complex), 1e-6)


@pytest.mark.parametrize("given", [True, False])
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("db", "most"), [(30, None), (10, None), (0, SMOOTH // 4)])
def test_noise(db, most, seed, given):
    keys, amplitudes = planted(SMOOTH, 20, seed)
    amplitudes /= np.abs(amplitudes)
    rng = np.random.default_rng(100 + seed)
    std = np.sqrt(20) * 10 ** (-db / 20)
    noise = std / np.sqrt(2) * (rng.standard_normal(SMOOTH) + 1j * rng.standard_normal(SMOOTH))
    x = signal(SMOOTH, keys, amplitudes) + noise
    found = sparse_fft(x, 20, noise=std if given else "auto", max_samples=most, rng=seed)
    assert found.status == "converged"
    np.testing.assert_array_equal(found.frequencies, keys)
    assert found.noise_std == pytest.approx(std, rel=0.15)
    error = np.abs(found.coefficients - SMOOTH * amplitudes) / found.stderr
    assert np.mean(error**2) < 3
    assert np.mean(error**2) > 0.2
    assert found.r2 == pytest.approx(1 / (1 + 10 ** (-db / 10)), abs=0.25)
    assert found.n_samples <= (most or SMOOTH)


def test_noise_alone_is_not_a_result():
    x = np.random.default_rng(3).standard_normal(SMOOTH)
    for noise in (1.0, "auto"):
        found = sparse_fft(x, 10, noise=noise, rng=0)
        assert found.status != "converged"
        assert len(found.frequencies) <= 2
    assert sparse_fft(x, 10, noise=1.0, rng=0).status == "noise-limited"


@pytest.mark.parametrize(("n", "k"), [(SMOOTH, 20), (LONG, 100)])
@pytest.mark.parametrize("noise", [0, "auto"])
def test_overload(n, k, noise):
    first = sparse_fft(signal(n, *planted(n, k, 0)), k, rng=0).n_samples + 50
    for seed in range(3):
        x = signal(n, *planted(n, 8 * k, seed))
        found = sparse_fft(x, k, noise=noise, max_samples=first, rng=seed)
        assert found.status == "overloaded"
        assert found.n_samples <= first
        assert found.r2 < 0.5


def test_more_stages_for_more_coefficients():
    keys, amplitudes = planted(LONG, 200, 1)
    x = signal(LONG, keys, amplitudes)
    least = sparse_fft(x, 200, rng=0).n_samples
    found = sparse_fft(x, 100, rng=0)
    check(found, x, 1e-13)
    assert found.n_samples < 4 * least


@pytest.mark.parametrize(("n", "k"), [(1000, 100), (1024, 200), (997, 300), (12, 12)])
def test_all_samples_where_most_are_needed(n, k):
    x = signal(n, *planted(n, k // 2, 2, low=-3))
    found = sparse_fft(x, k, rng=0)
    check(found, x, 1e-12)
    assert found.n_samples == n
    again = sparse_fft(lambda t: x[t], k, n=n, rng=0)
    np.testing.assert_array_equal(again.coefficients, found.coefficients)


def test_seed():
    x = signal(SMOOTH, *planted(SMOOTH, 20, 3))
    x += 0.3 * np.random.default_rng(1).standard_normal(SMOOTH)
    one, two = (sparse_fft(x, 20, rng=5) for _ in range(2))
    np.testing.assert_array_equal(one.coefficients, two.coefficients)
    assert one.n_samples == two.n_samples
    other = sparse_fft(x, 20, rng=np.random.default_rng(6))
    np.testing.assert_array_equal(one.frequencies, other.frequencies)
    assert not np.array_equal(one.coefficients, other.coefficients)


def test_views():
    keys, amplitudes = planted(SMOOTH, 5, 3)
    x = signal(SMOOTH, keys, amplitudes)
    strided = np.zeros((SMOOTH, 2), complex)[::-1, 1]
    strided[:] = x
    strided.flags.writeable = False
    found = sparse_fft(strided, 5, rng=0)
    np.testing.assert_array_equal(found.coefficients, sparse_fft(x, 5, rng=0).coefficients)


def test_top():
    keys, amplitudes = planted(SMOOTH, 10, 4, low=-3)
    found = sparse_fft(signal(SMOOTH, keys, amplitudes), 10, rng=0)
    best = np.sort(np.argsort(-np.abs(amplitudes))[:3])
    np.testing.assert_array_equal(found.top(3).frequencies, keys[best])
    np.testing.assert_array_equal(found.top(3).coefficients, found.coefficients[best])
    assert len(found.top(99).frequencies) == 10
    with pytest.raises(ValueError, match="k must be at least 1"):
        found.top(0)
    with pytest.raises(TypeError, match="integers"):
        found([0.5])


@pytest.mark.parametrize("n", [2**20, 1000003, 3**13])
def test_unsuitable_lengths(n):
    with pytest.raises(ValueError, match=rf"n={n} has no .* divisors.*scipy\.fft\.fft") as caught:
        sparse_fft(np.zeros(n), 50)
    near = int(str(caught.value).split("; n=")[1].split()[0])
    assert n < near < 1.05 * n
    keys, amplitudes = planted(near, 50, 0)
    found = sparse_fft(signal(near, keys, amplitudes), 50, rng=0)
    np.testing.assert_array_equal(found.frequencies, keys)
    with pytest.raises(ValueError, match="no nearly coprime divisors"):
        sparse_fft(refuse, 50, n=2**40)


def refuse(t):
    raise AssertionError("sampled before the arguments were checked")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"k": 0}, "k must be at least 1; got 0"),
        ({"k": SMOOTH + 1}, f"k must be at most n={SMOOTH}"),
        ({"n": None}, "n is needed"),
        ({"n": 0}, "n must be at least 1"),
        ({"n": 2**60}, "n must be at most"),
        ({"noise": -1.0}, "noise must be"),
        ({"noise": "loud"}, "noise must be"),
        ({"confidence": 1.0}, "confidence must lie"),
        ({"max_samples": 0}, "max_samples must be at least 1"),
        ({"max_samples": 100}, r"max_samples=100 is too small: at least \d+ are needed"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        sparse_fft(refuse, **({"k": 20, "n": SMOOTH} | arguments))


def test_bad_samples():
    x = signal(SMOOTH, *planted(SMOOTH, 5, 0))
    with pytest.raises(ValueError, match=r"must not contain infs or NaNs; x\[\d+\] is nan"):
        sparse_fft(np.full(SMOOTH, np.nan), 5)
    with pytest.raises(ValueError, match="must return numbers of the shape"):
        sparse_fft(lambda t: x[t][:-1], 5, n=SMOOTH)
    with pytest.raises(ValueError, match=f"x has {SMOOTH} samples, which is not n=7"):
        sparse_fft(x, 5, n=7)
    with pytest.raises(ValueError, match="one-dimensional array of numbers"):
        sparse_fft(x[None], 5)
    with pytest.raises(TypeError, match="k must be an integer"):
        sparse_fft(x, 2.5)


def test_no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for k in (1, 30):
            sparse_fft(np.random.default_rng(0).standard_normal(SMOOTH), k, rng=0)

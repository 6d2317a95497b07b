"""Randomized Hadamard rotations, against their matrices and SciPy's Hadamard matrices."""

import math

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st

import fasttx
from fasttx.quantize import Codes, Identity, RandomizedHadamard, TurboQuant

LENGTHS = [1, 2, 3, 12, 20, 31, 64, 80, 96, 99, 100, 128, 300, 3584]


def rows(n, d, seed=0, dtype=np.float64):
    return np.random.default_rng(seed).standard_normal((n, d)).astype(dtype)


@pytest.mark.parametrize("block", [None, "overlap"])
@pytest.mark.parametrize("rounds", [1, 2, 3])
@pytest.mark.parametrize("d", LENGTHS)
def test_orthogonal_and_inverted(d, rounds, block):
    rotation = RandomizedHadamard(d, rounds, block, rng=d)
    x = rows(3, d)
    y = rotation(x)
    np.testing.assert_allclose(np.linalg.norm(y, axis=1), np.linalg.norm(x, axis=1), rtol=1e-13)
    np.testing.assert_allclose(rotation.inverse(y), x, atol=1e-13 * rounds)
    if d <= 128:
        matrix = rotation.matrix()
        np.testing.assert_allclose(matrix @ matrix.T, np.eye(d), atol=1e-13)
        np.testing.assert_allclose(y, x @ matrix.T, atol=1e-13)
        np.testing.assert_allclose(rotation.inverse(x), x @ matrix, atol=1e-13)


@pytest.mark.parametrize("d", [80, 96, 3584, 28672])
def test_round_trip_in_float32(d):
    rotation = RandomizedHadamard(d, rng=1)
    assert rotation.block == d
    x = rows(4, d, dtype=np.float32)
    y = rotation(x)
    assert y.dtype == np.float32
    np.testing.assert_allclose(rotation.inverse(y), x, atol=1e-5)


def test_products_of_signs_and_hadamard_matrices():
    for d in (32, 80, 12):
        hadamard = fasttx.hadamard(d).astype(float) / math.sqrt(d)
        one = RandomizedHadamard(d, 1, rng=5).matrix()
        signs = hadamard.T @ one
        np.testing.assert_allclose(np.abs(signs), np.eye(d), atol=1e-13)
        two = RandomizedHadamard(d, 2, rng=5).matrix()
        np.testing.assert_allclose(np.abs(hadamard.T @ two @ one.T), np.eye(d), atol=1e-13)


def test_blocks():
    for d, block in ((96, 32), (80, 16), (3584, 128), (24, 12), (10, 1)):
        matrix = RandomizedHadamard(d, 1, block, rng=0).matrix()
        inside = np.kron(np.eye(d // block), np.ones((block, block)))
        np.testing.assert_allclose(np.abs(matrix), inside / math.sqrt(block), atol=1e-13)
    # A length without a Hadamard matrix: blocks of its largest power of two.
    assert RandomizedHadamard(6).block == 2
    assert RandomizedHadamard(99).block == 1
    assert np.count_nonzero(np.abs(RandomizedHadamard(6, 2).matrix()) > 1e-9) <= 12


def test_overlapping_blocks_mix_everything():
    for d in (99, 77, 1000):
        matrix = RandomizedHadamard(d, 4, "overlap", rng=3).matrix()
        assert np.abs(matrix).max() < 8 / math.sqrt(d)


def test_signs_are_fair():
    d = 4096
    first = RandomizedHadamard(d, 1, 1, rng=0).matrix().diagonal()
    second = RandomizedHadamard(d, 1, 1, rng=1).matrix().diagonal()
    for signs in (first, second, first * second, first[1:] * first[:-1]):
        assert set(np.unique(signs)) == {-1.0, 1.0}
        assert abs(signs.sum()) < 4 * math.sqrt(d)
    two = RandomizedHadamard(d, 2, 1, rng=0).matrix().diagonal() * first
    assert abs(two.sum()) < 4 * math.sqrt(d)


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 200), st.integers(0, 5), st.integers(0, 2**32))
def test_arrays_of_any_kind(d, n, seed):
    rotation = RandomizedHadamard(d, 2, "overlap", rng=seed)
    x = rows(n, d, seed)
    y = rotation(x)
    assert np.array_equal(rotation(np.asfortranarray(x)), y)
    assert np.array_equal(rotation(np.repeat(x, 2, axis=0)[::2]), y)
    assert np.array_equal(rotation(x.reshape(n, 1, d)), y.reshape(n, 1, d))
    for i in range(n):
        assert np.array_equal(rotation(x[i]), y[i])
    single = rotation(x.astype(np.float32))
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, y, atol=1e-5)
    assert rotation(x.astype(np.float16)).dtype == np.float32
    assert rotation(np.ones((2, d), int)).dtype == np.float64


def test_in_place():
    rotation = RandomizedHadamard(64, rng=0)
    x = rows(10, 64)
    before, wanted = x.copy(), rotation(x)
    assert np.array_equal(x, before)
    assert np.shares_memory(rotation(x, overwrite_x=True), x)
    assert np.array_equal(x, wanted)
    back = rotation.inverse(x, overwrite_y=True)
    assert np.shares_memory(back, x)
    np.testing.assert_allclose(x, before, atol=1e-14)
    locked = before.copy()
    locked.flags.writeable = False
    assert np.array_equal(rotation(locked, overwrite_x=True), wanted)
    assert np.array_equal(locked, before)

    class Holder:  # as a tensor on the host: NumPy reads its memory
        held = before.copy()

        def __array__(self, dtype=None, copy=None):
            return self.held

    assert np.array_equal(rotation(Holder()), wanted)
    assert np.array_equal(Holder.held, before)
    strided = np.repeat(before, 2, axis=1)[:, ::2]
    assert np.array_equal(rotation(strided, overwrite_x=True), wanted)


def test_same_bits_for_any_workers():
    x = rows(700, 300, dtype=np.float32)
    rotation = RandomizedHadamard(300, rng=0)
    for apply in (rotation, rotation.inverse):
        one = apply(x, workers=1)
        assert np.array_equal(apply(x, workers=2), one)
        assert np.array_equal(apply(x, workers=3), one)


def test_threads_share_no_scratch():
    # Base matrices take tables of their own for each call: many calls at a time.
    x = rows(2000, 20, dtype=np.float32)
    rotation = RandomizedHadamard(20, rng=0)
    one = rotation(x, workers=1)
    for _ in range(400):
        assert np.array_equal(rotation(x, workers=4), one)


def test_folded_weights():
    rotation = RandomizedHadamard(48, rng=2)
    weights, x = rows(7, 48), rows(5, 48, 1)
    folded = rotation.fold_into(weights)
    np.testing.assert_allclose(rotation(x) @ folded.T, x @ weights.T, atol=1e-13)
    out = rotation.fold_into(weights.T, side="output")
    np.testing.assert_allclose(rows(5, 7, 3) @ out.T, rotation(rows(5, 7, 3) @ weights), atol=1e-12)
    with pytest.raises(ValueError, match="side must be"):
        rotation.fold_into(weights, side="left")
    with pytest.raises(ValueError, match="two dimensions"):
        rotation.fold_into(weights[0])


def test_nan_stays_in_its_row():
    x = rows(3, 16)
    x[1, 4] = np.nan
    y = RandomizedHadamard(16, rng=0)(x)
    assert np.isnan(y[1]).all()
    assert np.isfinite(y[[0, 2]]).all()


def test_rng():
    one, two = (RandomizedHadamard(32, rng=4).matrix() for _ in range(2))
    assert np.array_equal(one, two)
    assert not np.array_equal(one, RandomizedHadamard(32, rng=5).matrix())
    generator = np.random.default_rng(4)
    assert np.array_equal(one, RandomizedHadamard(32, rng=generator).matrix())
    assert not np.array_equal(one, RandomizedHadamard(32, rng=generator).matrix())
    assert not np.array_equal(RandomizedHadamard(32).matrix(), RandomizedHadamard(32).matrix())


def test_identity():
    x = rows(3, 5)
    identity = Identity(5)
    assert np.array_equal(identity(x), x)
    assert identity(x) is not x
    assert np.array_equal(identity.inverse(x), x)
    assert np.array_equal(identity.fold_into(x), x)


def test_kept_with_codes():
    for rotation in (Identity(24), RandomizedHadamard(24, 3, 12, rng=8)):
        codes = TurboQuant(24, 3, rotation=rotation).encode(rows(3, 24))
        back = Codes.from_bytes(codes.to_bytes()).codec.rotation
        assert type(back) is type(rotation)
        assert np.array_equal(back.matrix(), rotation.matrix())


def test_bad_input():
    with pytest.raises(ValueError, match="d must be at least 1; got 0"):
        RandomizedHadamard(0)
    with pytest.raises(TypeError, match="d must be an integer; got float"):
        RandomizedHadamard(8.0)
    with pytest.raises(ValueError, match="rounds"):
        RandomizedHadamard(8, 0)
    with pytest.raises(ValueError, match="block must divide d = 12; got 8"):
        RandomizedHadamard(12, block=8)
    with pytest.raises(ValueError, match="next supported length"):
        RandomizedHadamard(12, block=6)
    with pytest.raises(ValueError, match="overlap"):
        RandomizedHadamard(12, block="all")
    rotation = RandomizedHadamard(12)
    with pytest.raises(ValueError, match=r"rows of length 12; got shape \(2, 11\)"):
        rotation(rows(2, 11))
    with pytest.raises(ValueError, match="rows of length 12"):
        rotation(1.0)

    class OnDevice:
        is_cuda = True

    with pytest.raises(TypeError, match="X is on a device; accepted are arrays on the host"):
        Identity(12)(OnDevice())
    with pytest.raises(TypeError, match="complex128"):
        rotation(rows(2, 12) + 1j)
    with pytest.raises(ValueError, match="Y must have rows"):
        rotation.inverse(rows(2, 11))


def test_against_scipy():
    d = 256
    rotation = RandomizedHadamard(d, 1, rng=0)
    signs = np.sign(rotation.matrix()[0])
    x = rows(5, d)
    np.testing.assert_allclose(rotation(x), (x * signs) @ scipy.linalg.hadamard(d) / 16, atol=1e-12)

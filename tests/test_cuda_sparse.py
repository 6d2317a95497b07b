"""Sparse Walsh-Hadamard recovery from values on a device, against the host's."""

import numpy as np
import pytest

import fasttx
from fasttx.sparse import MoebiusPlan, SparsePlan, sparse_fwht
from tests.planted import Planted, largest_error


def recovered(device, back, f, sparsity, **options):
    """What a plan finds that is asked and told on a device, and what one on the host does."""
    plan, twin = (SparsePlan(f.n, sparsity, rng=1, **options) for _ in range(2))
    asked = plan.queries(like=device(np.zeros(1)))
    for (idx, bits), (same_idx, points) in zip(asked, twin.queries(), strict=True):
        np.testing.assert_array_equal(idx, same_idx)
        np.testing.assert_array_equal(back(bits), points)
        values = f(points)
        plan.tell(idx, device(values))
        twin.tell(idx, values)
    return plan.recover(), twin.recover()


def host(x):
    return x.host


def same(result, expected, rtol=1e-12):
    assert result.status == expected.status
    assert result.unresolved == expected.unresolved
    np.testing.assert_array_equal(result.keys, expected.keys)
    error = np.abs(result.coefficients - expected.coefficients)
    assert error.max(initial=0) <= rtol * np.abs(expected.coefficients).max(initial=0)


def test_noiseless_compiled(ptx_device):
    f = Planted(8, 3, 1, values="normal")
    result, expected = recovered(ptx_device, host, f, 3, noise=0)
    same(result, expected)
    assert largest_error(result, f) < 1e-14


def test_noise_compiled(ptx_device):
    """Keys by transforms over cosets, those that only all groups tell, and terms that are noise."""
    f = Planted(8, 3, 1, values="normal", noise=0.3)
    result, expected = recovered(ptx_device, host, f, 3, noise=0.3, method="near-linear")
    same(result, expected)
    np.testing.assert_allclose(result.noise_std, expected.noise_std, 1e-12)
    np.testing.assert_allclose(result.stderr, expected.stderr, 0.01)


@pytest.mark.slow
def test_long_keys_compiled(ptx_device):
    """Complex values of two outputs; keys of two words."""
    f, g = (Planted(70, 2, seed, values="normal") for seed in range(2))

    def both(bits):
        return np.stack([f(bits) + 1j * g(bits), g(bits)], 1)

    both.n = 70
    result, expected = recovered(ptx_device, host, both, 4, noise=0)
    same(result, expected)
    assert result.coefficients.shape == (len(expected), 2)


@pytest.mark.parametrize(("n", "sparsity"), [(5, 3), pytest.param(16, 60, marks=pytest.mark.slow)])
def test_a_table_on_the_device(ptx_device, n, sparsity):
    dense = np.zeros(1 << n)
    rng = np.random.default_rng(n)
    dense[rng.choice(1 << n, sparsity, replace=False)] = rng.standard_normal(sparsity)
    values = fasttx.fwht(dense)
    result = sparse_fwht(ptx_device(values), n, sparsity, noise=0, rng=0)
    expected = sparse_fwht(values, n, sparsity, noise=0, rng=0)
    same(result, expected)
    np.testing.assert_allclose(result.to_dense(), dense, atol=1e-12)


@pytest.mark.slow
def test_growth_and_values_that_are_kept(ptx_device, tmp_path):
    """Bins grow until a design of too few suffices; a file keeps what was told."""
    f = Planted(9, 12, 3)
    plan, like = SparsePlan(9, 3, noise=0, rng=3), ptx_device(np.zeros(1, "float32"))
    for idx, bits in plan.queries(like=like):
        plan.tell(idx, ptx_device(f(bits.host)))
    expected = sparse_fwht(f, 9, 3, noise=0, rng=3)
    same(plan.recover(), expected)
    plan.save(tmp_path / "plan.npz")
    same(SparsePlan.load(tmp_path / "plan.npz").recover(), expected)


def test_what_is_refused(ptx_device):
    like = ptx_device(np.zeros(1))
    plan = SparsePlan(10, 4, rng=0)
    with pytest.raises(NotImplementedError, match="noise= a number"):
        next(plan.queries(like=like))
    idx, bits = next(plan.queries())
    plan.tell(idx, np.ones(len(idx)))
    with pytest.raises(TypeError, match="told before are on the host"):
        plan.tell(idx, ptx_device(np.ones(len(idx))))
    plan = SparsePlan(40, 4, noise=1.0, rng=0)
    with pytest.raises(NotImplementedError, match="method='so' is on the host only; accepted"):
        next(plan.queries(like=like))
    plan = SparsePlan(10, 4, noise=0, rng=0)
    idx, bits = next(plan.queries(like=like))
    assert bits.host.dtype == np.uint8
    for values, error, message in (
        (np.ones(3), ValueError, "must have the shape"),
        (np.ones(len(idx), "float16"), TypeError, "float16; accepted on a device are float32"),
    ):
        with pytest.raises(error, match=message):
            plan.tell(idx, ptx_device(values))
    values = np.ones(len(idx))
    values[3] = np.nan
    plan.tell(idx, ptx_device(values))
    with pytest.raises(TypeError, match="told before are on a device"):
        plan.tell(idx, values)
    with pytest.raises(ValueError, match="not finite"):
        plan.recover()
    with pytest.raises(TypeError, match="accepted are those on the host"):
        MoebiusPlan(8, 4).tell([0], ptx_device(np.ones(1)))


@pytest.mark.parametrize("cc", [(8, 0), (9, 0)])
def test_bins_are_read_from_registers(nvvm, cc):
    """Keys of two words take no memory of a thread's own; there are no calls."""
    import numba
    from numba import cuda

    from fasttx._cuda import spright, spright_peeling

    numbers, keys, integer = numba.float64[::1], numba.uint64[::1], numba.int64
    index, state = numba.int64[::1], numba.int32[::1]
    read = (numbers, state, *[numbers] * 3, *[keys] * 3, index, index, *[integer] * 9)
    subtract = (numbers, state, numbers, keys, keys, *[index] * 3, *[integer] * 6)
    for kernel, types in (
        (spright.read(2, True), (*read, numba.float64)),
        (spright_peeling.subtract(2), subtract),
    ):
        code, _ = cuda.compile(
            kernel.py_func, types, cc=cc, device=False, abi="numba", output="ptx"
        )
        assert ".local" not in code
        assert "call" not in code
        assert "popc.b64" in code


@pytest.mark.cuda
@pytest.mark.parametrize(
    ("n", "sparsity", "noise", "method"),
    [
        (20, 32, 0, "auto"),
        (20, 16, 0.5, "near-linear"),
        (100, 200, 0, "auto"),
        (40, 20, 0.3, "nso"),
    ],
)
def test_on_a_device(library, n, sparsity, noise, method):
    f = Planted(n, sparsity, 2, values="normal", noise=noise)
    result, expected = recovered(library.to, library.back, f, sparsity, noise=noise, method=method)
    same(result, expected, 1e-9 if noise else 1e-12)


@pytest.mark.cuda
@pytest.mark.slow
def test_many_terms_on_a_device(library):
    rng = np.random.default_rng(0)
    support, values = rng.integers(0, 2, (100_000, 100)) > 0, rng.standard_normal(100_000)
    plan = SparsePlan(100, 100_000, noise=0, rng=1)
    plan.tell_spectrum(support, values)
    twin = SparsePlan(100, 100_000, noise=0, rng=1)
    index = np.arange(len(plan._told))
    twin.tell(index, library.to(plan._values[:, 0]))
    same(twin.recover(), plan.recover())

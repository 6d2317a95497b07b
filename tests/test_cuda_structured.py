"""Products of structured operators with device arrays."""

import numpy as np
import pytest

import fasttx.structured as structured
from tests.test_cuda_filtering import agree, sample


@pytest.fixture
def operators():
    c, r = sample(9, "float32", 1), sample(20, "float32", 2)
    return {
        "Toeplitz": structured.Toeplitz(c, r),
        "Hankel": structured.Hankel(c, r),
        "Circulant": structured.Circulant(sample(32, "float32", 3)),
        "of another order": structured.Circulant(sample(6, "complex64", 4)),
        "Kronecker": structured.Kronecker(
            structured.Toeplitz(sample(3, "float32")), structured.HadamardOperator(4)
        ),
    }


@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        ("Toeplitz", "float32"),
        ("Hankel", "complex64"),
        ("Circulant", "float32"),
        ("of another order", "float32"),
        ("Kronecker", "float64"),
    ],
)
def test_products(ptx_device, operators, name, dtype):
    operator = operators[name]
    m, n = operator.shape
    vector, matrix = sample(n, dtype), sample((n, 3), dtype)
    agree((operator @ ptx_device(vector)).host, operator @ vector)
    agree(operator.matmat(ptx_device(matrix)).host, operator @ matrix)
    other = sample(m, dtype)
    agree(operator.rmatvec(ptx_device(other)).host, operator.rmatvec(other))


def test_solutions(ptx_device, operators):
    circulant, b = operators["Circulant"], sample(32, "float32")
    x = circulant.solve(ptx_device(b)).host
    assert np.linalg.norm(circulant @ x - b) <= 1e-4 * np.linalg.norm(b)
    hadamard, b = structured.HadamardOperator(8), sample((8, 2), "float32")
    agree(hadamard.solve(ptx_device(b)).host, hadamard.solve(b))


def test_refusals(ptx_device, operators):
    toeplitz, x = operators["Toeplitz"], ptx_device(sample(19, "float32"))
    for product in (toeplitz.matvec, toeplitz.dot, toeplitz.rmatvec):
        with pytest.raises(ValueError, match="dimension mismatch"):
            product(x)
    with pytest.raises(ValueError, match="dimension mismatch"):
        toeplitz.matmat(ptx_device(sample(20, "float32")))
    with pytest.raises(TypeError, match="uint64; accepted on a device"):
        toeplitz @ ptx_device(np.ones(20, np.uint64))
    with pytest.raises(NotImplementedError, match="on the host only"):
        structured.Toeplitz(np.ones(4)).solve(ptx_device(np.ones(4)))
    with pytest.raises(NotImplementedError, match="on the host only"):
        structured.KroneckerSum(np.eye(2), np.eye(2)) @ ptx_device(np.ones(4))
    with pytest.raises(NotImplementedError, match="factor 1 is an array"):
        structured.Kronecker(toeplitz, np.eye(2)) @ ptx_device(np.ones(40))
    with pytest.raises(ValueError, match=r"b must have shape \(32,\)"):
        operators["Circulant"].solve(x)


@pytest.mark.cuda
@pytest.mark.parametrize("n", [7, 1000, 8192, 50000])
def test_products_on_a_device(library, n):
    for dtype in ("float32", "complex128"):
        toeplitz = structured.Toeplitz(sample(n, dtype, 1), sample(n + 3, dtype, 2))
        x = sample((n + 3, 5), dtype)
        agree(library.back(toeplitz @ library.to(x)), toeplitz @ x)
        agree(library.back(toeplitz @ library.to(x[:, 0].copy())), toeplitz @ x[:, 0])
        hankel = structured.Hankel(sample(n, dtype, 1), sample(n + 3, dtype, 2))
        agree(library.back(hankel @ library.to(x)), hankel @ x)

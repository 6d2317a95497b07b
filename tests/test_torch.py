"""Tensors of torch: against the same functions of arrays, finite differences, and compiled."""

import functools

import numpy as np
import pytest
from scipy.signal import lfilter

import fasttx

torch = pytest.importorskip("torch")

from torch.autograd import gradcheck, gradgradcheck  # noqa: E402
from torch.library import opcheck  # noqa: E402

from fasttx import torch as tx  # noqa: E402

FOURIER = ("fft_unordered", "ifft_unordered", "fftbr", "ifftbr")
EVERY = {"check_forward_ad": True, "check_batched_grad": True, "check_batched_forward_grad": True}


def sample(*shape, dtype="float64", gradient=True, seed=0):
    rng = np.random.default_rng([seed, *shape])
    x = rng.standard_normal(shape)
    if dtype.startswith("complex"):
        x = x + 1j * rng.standard_normal(shape)
    return torch.from_numpy(np.asarray(x)).to(getattr(torch, dtype)).requires_grad_(gradient)


def numbers(x):
    return x.detach().resolve_conj().resolve_neg().numpy()


def check_derivatives(function, *tensors):
    """Of first and second order, in both modes, against finite differences; and vectorised."""
    assert gradcheck(function, tensors, **EVERY)
    assert gradgradcheck(function, tensors, check_fwd_over_rev=True)


# The transforms are those of arrays


@pytest.mark.parametrize(
    "dtype",
    ["float16", "float32", "float64", "complex64", "complex128", "int32", "uint8", "bool"],
)
def test_values_and_dtypes(dtype):
    x = sample(3, 16, gradient=False).mul(3).to(getattr(torch, dtype))
    a = x.numpy()
    for name in ("fwht", "ifwht", *FOURIER):
        for norm in (None, "ortho", "forward"):
            y = getattr(tx, name)(x, norm=norm)
            expected = getattr(fasttx, name)(a, norm=norm)
            assert y.numpy().dtype == expected.dtype
            np.testing.assert_array_equal(y.numpy(), expected)
    np.testing.assert_array_equal(x.numpy(), a)


def test_bfloat16():
    pytest.importorskip("ml_dtypes")
    x = sample(3, 100, dtype="bfloat16")
    y = tx.fwht(x, 128, norm="ortho")
    assert y.dtype == torch.bfloat16
    exact = tx.fwht(x.double(), 128, norm="ortho")
    assert torch.equal(y, exact.bfloat16())
    assert tx.fft_unordered(x[:, :64]).dtype == torch.complex64
    (gradient,) = torch.autograd.grad(y.float().square().sum(), x)
    assert gradient.dtype == torch.bfloat16
    assert (gradient - 2 * x).abs().max() <= 2**-5 * x.abs().max()


@pytest.mark.parametrize(
    "view",
    [
        lambda x: x,
        lambda x: x.mT,
        lambda x: x[::2, ::2],
        lambda x: x[1:],
        lambda x: x.conj(),
        lambda x: x.conj().imag,
        lambda x: x[:1].expand(8, 8),
        lambda x: x[:0],
    ],
)
def test_views(view):
    base = sample(8, 8, dtype="complex128", gradient=False)
    before, x = base.clone(), view(base)
    for name in ("fwht", "fftbr"):
        y = getattr(tx, name)(x)
        np.testing.assert_array_equal(y.numpy(), getattr(fasttx, name)(numbers(x)))
        assert y.is_contiguous()
    assert torch.equal(base, before)


def test_results_never_share_memory_with_tensors():
    x = torch.ones(4, 4)
    for y in (tx.fwhtn(x, axes=()), tx.fwht(x[:, :1]), tx.ifwht(x)):
        y.zero_()
    assert x.sum() == 16


def test_several_axes():
    x = sample(3, 5, 6, gradient=False)
    for options in (
        {"s": (4, 8), "order": "dyadic"},
        {"axes": 2, "s": 4},
        {"s": 8, "norm": "ortho"},
    ):
        for name in ("fwhtn", "ifwhtn"):
            expected = getattr(fasttx, name)(x.numpy(), **options)
            np.testing.assert_array_equal(getattr(tx, name)(x, **options), expected)


def test_convolutions_of_integers_are_exact():
    a, b = torch.arange(24).reshape(3, 8), torch.tensor([0, 1, 1, 0, 0, 1, 0, 1], dtype=torch.bool)
    expected = fasttx.xor_convolve(a.numpy(), b.numpy())
    c = tx.xor_convolve(a, b)
    assert c.dtype == torch.int64
    np.testing.assert_array_equal(c, expected)
    np.testing.assert_array_equal(torch.vmap(tx.xor_convolve, (0, None))(a, b), expected)
    with pytest.raises(OverflowError, match="n times the convolution"):
        tx.xor_convolve(a + (1 << 61), b)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: tx.fwht(np.ones(4)), TypeError, r"x must be a torch.Tensor; got numpy.ndarray"),
        (lambda: tx.fwht(torch.eye(4).to_sparse()), TypeError, "layout torch.sparse_coo; accepted"),
        (lambda: tx.fwht(torch.ones(())), ValueError, "axis -1 is out of bounds"),
        (lambda: tx.fwht(torch.ones(4), axis=1), ValueError, "axis 1 is out of bounds"),
        (lambda: tx.fwht(torch.ones(6)), ValueError, "got 6, the next supported length is 8"),
        (lambda: tx.fwht(torch.ones(4), 0), ValueError, r"invalid number of data points \(0\)"),
        (lambda: tx.fwht(torch.ones(4), order="walsh"), ValueError, "'walsh' is not one of"),
        (lambda: tx.fwht(torch.ones(4), norm="l2"), ValueError, "Invalid norm value 'l2'"),
        (lambda: tx.fwht(torch.ones(4).to(torch.float8_e5m2)), TypeError, "Float8_e5m2"),
        (lambda: tx.fwht(torch.full((4,), 2**62)), OverflowError, "the transform of these"),
        (lambda: tx.fftbr(torch.ones(3)), ValueError, "power of two"),
        (lambda: tx.xor_convolve(torch.ones(4), torch.ones(2)), ValueError, "same length; got 4"),
        (lambda: tx.xor_convolve(torch.ones(6), torch.ones(6)), ValueError, "power of two; got 6"),
        (
            lambda: tx.fftconvolve_causal(torch.ones(4), torch.ones(2, 3)),
            ValueError,
            r"x must have shape \(\.\.\., 2, length\); got \(4,\)",
        ),
        (
            lambda: tx.fftconvolve_causal(torch.ones(4), torch.ones(1, 1, 1)),
            ValueError,
            r"h must have shape \(taps,\) or",
        ),
        (
            lambda: tx.fftconvolve_causal(torch.ones(4), torch.ones(3), torch.ones(4)),
            ValueError,
            r"state must have shape \(2,\); got \(4,\)",
        ),
    ],
)
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()


# Derivatives


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"n": 16, "order": "sequency", "norm": "forward"},
        {"n": 8, "order": "dyadic", "norm": "ortho"},
        {"n": 4, "axis": 0},
        {"n": 24},
    ],
)
def test_derivatives_of_walsh_transforms(options):
    x = sample(2, 12)
    for f in (tx.fwht, tx.ifwht):
        check_derivatives(functools.partial(f, **options), x)


def test_derivatives_along_several_axes():
    x = sample(2, 3, dtype="complex128")
    check_derivatives(lambda x: tx.fwhtn(x, (4, 2), norm="forward", order="sequency"), x)


@pytest.mark.parametrize("name", FOURIER)
@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_derivatives_of_fourier_transforms(name, dtype):
    x = sample(2, 4, dtype=dtype)
    check_derivatives(lambda x: getattr(tx, name)(x, axis=0, norm="forward"), x)


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_derivatives_of_dyadic_convolutions(dtype):
    a, b = sample(2, 1, 4, dtype=dtype), sample(3, 4)
    expected = fasttx.xor_convolve(numbers(a), numbers(b))
    np.testing.assert_allclose(numbers(tx.xor_convolve(a, b)), expected, atol=1e-12)
    check_derivatives(tx.xor_convolve, a, b)


@pytest.mark.parametrize(
    ("shape", "filters", "dtype"),
    [((2, 3, 5), (3, 2), "float64"), ((4,), (6,), "float64"), ((2, 1, 3), (3,), "complex128")],
)
def test_causal_convolutions_and_their_derivatives(shape, filters, dtype):
    x, h = sample(*shape, dtype=dtype), sample(*filters, dtype=dtype, seed=1)
    y = tx.fftconvolve_causal(x, h)
    if h.ndim == 1:
        np.testing.assert_allclose(numbers(y), lfilter(numbers(h), 1, numbers(x)), atol=1e-12)
    np.testing.assert_allclose(
        numbers(y), fasttx.fftconvolve_causal(numbers(x), numbers(h)), atol=1e-12
    )
    check_derivatives(tx.fftconvolve_causal, x, h)


def test_causal_convolution_block_by_block():
    x, h = sample(2, 3, 12), sample(3, 4, seed=1)
    whole = tx.fftconvolve_causal(x, h)
    first, state = tx.fftconvolve_causal(x[..., :2], h, return_state=True)
    second, state = tx.fftconvolve_causal(x[..., 2:7], h, state, return_state=True)
    third = tx.fftconvolve_causal(x[..., 7:], h, state)
    blocks = torch.cat([first, second, third], -1)
    torch.testing.assert_close(blocks, whole)
    one, other = (torch.autograd.grad(y.square().sum(), (x, h)) for y in (blocks, whole))
    torch.testing.assert_close(one, other)


def test_causal_convolution_maps_over_filters():
    x, h = sample(5, 3, 8, gradient=False), sample(5, 3, 2, gradient=False, seed=1)
    expected = torch.stack([tx.fftconvolve_causal(a, b) for a, b in zip(x, h, strict=True)])
    for dims in ((0, 0), (0, None), (None, 0)):
        given = [t if d == 0 else t[0] for t, d in zip((x, h), dims, strict=True)]
        mapped = torch.vmap(tx.fftconvolve_causal, dims)(*given)
        torch.testing.assert_close(mapped[0], expected[0])
    torch.testing.assert_close(torch.vmap(tx.fftconvolve_causal)(x, h), expected)


def test_function_transforms_nest():
    from torch.func import hessian, jacfwd, jacrev, jvp, vmap

    x = sample(8, gradient=False)
    matrix = torch.from_numpy(fasttx.hadamard(8)[fasttx.hadamard_permutation(8, "dyadic")])
    for jacobian in (jacfwd, jacrev):
        assert torch.equal(jacobian(lambda x: tx.fwht(x, order="dyadic"))(x), matrix.double())
    cubed = hessian(lambda x: tx.fwht(x).pow(3).sum())(x)
    H = torch.from_numpy(fasttx.hadamard(8)).double()
    torch.testing.assert_close(cubed, H.T @ (6 * tx.fwht(x)[:, None] * H))
    # The inner function is linear in one of its variables, the outer in both.
    second = jvp(lambda t: jvp(lambda s: tx.fwht(t * s), (x,), (x,))[1], (x,), (x,))[1]
    torch.testing.assert_close(second, tx.fwht(x * x))
    many = sample(3, 4, 8, gradient=False)
    twice = vmap(vmap(tx.fwht, in_dims=1), in_dims=1)(many.movedim(2, 0))
    torch.testing.assert_close(twice, tx.fwht(many))


def test_gradients_of_real_samples_are_real():
    x = sample(8, dtype="float32")
    (gradient,) = torch.autograd.grad(tx.fft_unordered(x).abs().square().sum(), x)
    assert gradient.dtype == torch.float32
    torch.testing.assert_close(gradient, 16 * x)  # Parseval


# Operators


def everything(x, h):
    y = tx.fwht(x, 64, order="sequency", norm="ortho")
    z = tx.ifft_unordered(tx.fft_unordered(x) * 2).real
    v = tx.xor_convolve(x, x.cos()) + tx.fftconvolve_causal(x, h)
    u = tx.fwhtn(x[:2], axes=(0, 1))
    return y.pow(3).sum() + z.square().sum() + v.square().sum() + u.square().sum()


def test_compiled():
    torch._dynamo.reset()
    compiled = torch.compile(everything, fullgraph=True, backend="aot_eager", dynamic=True)
    for rows, length in ((3, 8), (5, 8), (5, 32)):
        x, h = sample(rows, length), sample(3, seed=1)
        results = [f(x, h) for f in (everything, compiled)]
        torch.testing.assert_close(*results)
        torch.testing.assert_close(*(torch.autograd.grad(y, (x, h)) for y in results))


def test_compiled_code_loses_no_tangents():
    from torch.autograd.forward_ad import dual_level, make_dual, unpack_dual

    def compiled(function):
        return torch.compile(function, fullgraph=True, backend="aot_eager")

    torch._dynamo.reset()
    x = sample(3, 8, gradient=False)
    with dual_level():
        y = unpack_dual(compiled(tx.fwht)(make_dual(x, 2 * x)))
        torch.testing.assert_close(y.tangent, 2 * y.primal)
    try:
        tangent = compiled(lambda x: torch.func.jvp(tx.fwht, (x,), (x,))[1])(x)
    except torch._dynamo.exc.TorchDynamoException:
        return  # better than zero
    torch.testing.assert_close(tangent, tx.fwht(x))


@pytest.mark.parametrize("name", ["fft_unordered", "fwhtn", "ifwhtn"])
def test_operators(name):
    for dtype, norm in (("float16", "ortho"), ("complex64", "backward"), ("int32", "backward")):
        x = sample(2, 3, 8, gradient=False).to(getattr(torch, dtype))
        for view in (x, x.mT.contiguous().mT, x[:0]):
            view = view.requires_grad_(dtype != "int32")
            opcheck(torch.ops.fasttx.transform.default, (view, name, [8], [2], norm, "hadamard"))
    if name.endswith("n"):
        x = sample(2, 3, 8)
        opcheck(torch.ops.fasttx.transform.default, (x, name, [4, 16], [1, 2], "forward", "dyadic"))


def test_operators_of_two_tensors():
    for dtype in ("float32", "complex128"):
        opcheck(
            torch.ops.fasttx.causal.default,
            (sample(2, 3, 5, dtype=dtype), sample(3, 2, dtype=dtype)),
        )
    a, b = torch.ones(2, 3, 8, dtype=torch.int32), torch.ones(1, 3, 8, dtype=torch.bool)
    opcheck(torch.ops.fasttx.xor_convolve.default, (a, b, 2))


# On a GPU


@pytest.fixture
def gpu():
    if not torch.cuda.is_available():
        pytest.skip("this torch has no CUDA")
    from fasttx import _cuda

    try:
        _cuda.require()
    except (ImportError, RuntimeError) as error:
        pytest.skip(str(error))
    return "cuda"


@pytest.mark.cuda
@pytest.mark.parametrize("name", ["fwht", "ifwht", *FOURIER])
def test_gpu_agrees_with_the_cpu(gpu, name):
    f = getattr(tx, name)
    for dtype in ("float32", "float64", "complex64"):
        x = sample(5, 64, dtype=dtype)
        y = x.detach().to(gpu).requires_grad_()
        for view in (lambda x: x, lambda x: x.mT[:32], lambda x: x.conj()[:, ::2]):
            one, other = f(view(x), norm="ortho"), f(view(y), norm="ortho")
            assert other.is_cuda
            torch.testing.assert_close(other.cpu(), one)
            of_one, of_other = (
                torch.autograd.grad(z.abs().square().sum(), t)[0] for z, t in ((one, x), (other, y))
            )
            torch.testing.assert_close(of_other.cpu(), of_one)


@pytest.mark.cuda
def test_gpu_derivatives(gpu):
    x = sample(2, 12).detach().to(gpu).requires_grad_()
    for options in ({}, {"n": 16, "order": "sequency"}, {"n": 8}):
        check_derivatives(lambda x, o=options: tx.fwht(x, **o), x)
    z = sample(2, 4, dtype="complex128").detach().to(gpu).requires_grad_()
    check_derivatives(tx.fft_unordered, z)
    check_derivatives(tx.xor_convolve, z, z.detach().clone().requires_grad_())


@pytest.mark.cuda
def test_gpu_leaves_tensors_alone(gpu):
    x = torch.ones(4, 4, device=gpu)
    for y in (tx.fwhtn(x, axes=()), tx.fwht(x), tx.fwht(x.mT)):
        y.zero_()
    assert x.sum() == 16


@pytest.mark.cuda
def test_gpu_compiled(gpu):
    torch._dynamo.reset()

    def loss(x):
        return tx.fwht(x, 64, norm="ortho").pow(3).sum() + tx.fftbr(x).abs().square().sum()

    compiled = torch.compile(loss, fullgraph=True)
    for rows in (3, 5):
        x = sample(rows, 32).detach().to(gpu).requires_grad_()
        results = [f(x) for f in (loss, compiled)]
        torch.testing.assert_close(*results)
        torch.testing.assert_close(*(torch.autograd.grad(y, x) for y in results))

"""Comparisons of transforms, structured matrices and sparse recovery."""

from __future__ import annotations

from collections.abc import Iterator

from .cases import NEGATIVE, START, Comparison, Floor

TORCH_FWHT = """
import torch
def torch_fwht(x):  # as model code has it: a stage of butterflies is one expression
    n, h = x.shape[-1], 1
    while h < n:
        x = x.view(-1, n // (2 * h), 2, h)
        x = torch.stack((x[:, :, 0] + x[:, :, 1], x[:, :, 0] - x[:, :, 1]), 2)
        h *= 2
    return x.reshape(-1, n)
t = torch.from_numpy(x)[None]
"""
NO_FFT = "not the same transform: a yardstick that everybody has"


def transforms(quick: bool) -> Iterator[Comparison | Floor]:
    """Cases of Walsh-Hadamard transforms."""
    family, chart = "Walsh-Hadamard transform", "Walsh-Hadamard transform of 2^k float64"
    for k in range(4, 25, 4 if quick else 2):
        setup = START + f"x = rng.standard_normal(2**{k})\n"
        curve, job, ours = (chart, 2**k), f"fwht of 2^{k} float64", "fasttx.fwht(x)"
        yield Floor(curve, NEGATIVE, setup)
        theirs = "scipy.fft.rfft(x)"
        yield Comparison(
            family, job, ours, theirs, "scipy", "scipy.fft.rfft", setup, note=NO_FFT, curve=curve
        )
        if k <= 12:
            matrix, theirs = setup + f"H = scipy.linalg.hadamard(2**{k}, dtype=float)", "H @ x"
            check, peer = "np.allclose(a, b)", "scipy.linalg.hadamard"
            yield Comparison(
                family, job, ours, theirs, "scipy", peer, matrix, check, "made before", curve
            )
        torch, check = setup + TORCH_FWHT, "np.allclose(a, b[0])"
        yield Comparison(
            family, job, ours, "torch_fwht(t)", "torch", "a loop in torch", torch, check, "", curve
        )
        pyfwht = setup + "import pyfwht\nCPU = pyfwht.Backend.CPU\n"
        theirs = "pyfwht.transform(b := x.copy(), backend=CPU) or b"
        check = "np.allclose(a, b)"
        note = "works in place: on a copy, as ours makes a new array"
        yield Comparison(family, job, ours, theirs, "pyfwht", "pyfwht", pyfwht, check, note, curve)
    rows = START + "x = rng.standard_normal((4096, 1024), dtype='float32')\n"
    yield Comparison(
        family,
        "fwht of 4096 rows of 2^10 float32",
        "fasttx.fwht(x)",
        "torch_fwht(t)",
        "torch",
        "a loop in torch",
        rows + TORCH_FWHT.replace("[None]", ""),
        "np.allclose(a, b, atol=1e-3)",
    )
    yield Comparison(
        "Boolean functions",
        "nonlinearity of an S-box of 8 bits",
        "fasttx.boolean.sbox_nonlinearity(box)",
        "pyfwht.analyze_sbox(box)",
        "pyfwht",
        "pyfwht",
        START + "import pyfwht\nbox = rng.permutation(256).astype('uint32')",
        note="pyfwht's answer has more figures than the one asked for",
    )
    yield Comparison(
        "Boolean functions",
        "linear approximation table of 8 bits",
        "fasttx.boolean.linear_approximation_table(box)",
        "H @ indicator @ H",
        "numpy",
        "NumPy, dense",
        START
        + "box = rng.permutation(256)\nH = scipy.linalg.hadamard(256, dtype=float)\n"
        + "indicator = np.zeros((256, 256))\nindicator[np.arange(256), box] = 1\n",
        "np.array_equal(2 * a, b)",
    )


def fourier(quick: bool) -> Iterator[Comparison | Floor]:
    """Cases of Fourier transforms and convolutions."""
    family, chart = "Fourier transform and convolution", "Convolution of 2^k complex64 by FFTs"
    for k in range(4, 23, 6 if quick else 2):
        setup = START + (
            f"x = rng.standard_normal(2**{k}, dtype='float32').astype('complex64')\n"
            "H = fasttx.fft_unordered(h := x[::-1].copy())\nG = scipy.fft.fft(h)\n"
        )
        yield Floor((chart, 2**k), NEGATIVE, setup)
        yield Comparison(
            family,
            f"circular convolution, 2^{k} complex64",
            "fasttx.ifft_unordered(fasttx.fft_unordered(x) * H)",
            "scipy.fft.ifft(scipy.fft.fft(x) * G)",
            "scipy",
            "scipy.fft",
            setup,
            "np.allclose(a, b, atol=1e-4 * abs(b).max())",
            "the filter's transform is made before",
            curve=(chart, 2**k),
        )
    setup = START + "x, h = rng.standard_normal((2, 64, 4096), dtype='float32')\n"
    for name in ("oaconvolve", "fftconvolve"):
        yield Comparison(
            family,
            "64 causal convolutions of 4096 float32",
            "fasttx.fftconvolve_causal(x, h)",
            f"scipy.signal.{name}(x, h, axes=-1)[:, :4096]",
            "scipy",
            f"scipy.signal.{name}",
            setup + "import scipy.signal",
            "np.allclose(a, b, atol=1e-3)",
        )
    yield Comparison(
        family,
        "ordered transform of 2^16 complex64",
        "fasttx.bit_reverse(fasttx.fft_unordered(x))",
        "scipy.fft.fft(x)",
        "scipy",
        "scipy.fft.fft",
        START + "x = rng.standard_normal(2**16, dtype='float32').astype('complex64')",
        "np.allclose(a, b, atol=1e-2)",
        "what the order costs when it is needed after all",
    )


KRONECKER = """
import torch
from fasttx.structured import Kronecker, KroneckerPlusDiagonal
A = rng.standard_normal((3, 64, 64))
factors = [a @ a.T / 64 + np.eye(64) for a in A]
x = rng.standard_normal(64**3)
K, t = Kronecker(*factors), torch.from_numpy(x)[:, None]
from linear_operator import operators as lo
L = lo.KroneckerProductLinearOperator(*[lo.DenseLinearOperator(torch.tensor(f)) for f in factors])
noise = lo.ConstantDiagLinearOperator(torch.tensor([0.5], dtype=torch.float64), 64**3)
def noisy():
    M = lo.KroneckerProductAddedDiagLinearOperator(L, noise)
    return torch.cat((M.solve(t)[:, 0], M.logdet()[None]))
"""


def structured(quick: bool) -> Iterator[Comparison | Floor]:
    """Cases of Toeplitz and Kronecker matrices."""
    family = "Structured matrices"
    product, solution = "Product with a Toeplitz matrix, n", "Toeplitz system, n equations"
    toeplitz = START + (
        "import scipy.linalg\nfrom fasttx.structured import Toeplitz\nc = 0.9 ** np.arange({})\n"
        "x = rng.standard_normal(len(c))\nT = Toeplitz(c)\n"
    )
    for k in range(6, 19, 6 if quick else 2):
        setup, job, curve = toeplitz.format(f"2**{k}"), f"Toeplitz product, 2^{k}", (product, 2**k)
        yield Floor(curve, NEGATIVE, setup)
        yield Comparison(
            family,
            job,
            "T @ x",
            "scipy.linalg.matmul_toeplitz(c, x)",
            "scipy",
            "matmul_toeplitz",
            setup,
            "np.allclose(a, b)",
            curve=curve,
        )
        torch = setup + (
            "import torch\nfrom linear_operator.operators import ToeplitzLinearOperator\n"
            "L, t = ToeplitzLinearOperator(torch.from_numpy(c)), torch.from_numpy(x)[:, None]\n"
        )
        check = "np.allclose(a, b[:, 0])"
        yield Comparison(
            family, job, "T @ x", "L @ t", "linear_operator", "linear_operator", torch, check,
            curve=curve,
        )  # fmt: skip
    for k in range(5, 14, 4 if quick else 2):
        yield Comparison(
            family,
            f"Toeplitz system, {2**k}",
            "Toeplitz(c).solve(x)",
            "scipy.linalg.solve_toeplitz(c, x)",
            "scipy",
            "solve_toeplitz",
            toeplitz.format(f"2**{k}"),
            "np.allclose(a, b)",
            curve=(solution, 2**k),
        )
    kronecker = START + KRONECKER
    yield Comparison(
        family, "Kronecker product, 64^3", "K @ x", "P @ x", "pykronecker", "pykronecker",
        kronecker + "import contextlib, io\nwith contextlib.redirect_stdout(io.StringIO()):\n"
        "    from pykronecker import KroneckerProduct\nP = KroneckerProduct(factors)\n",
        "np.allclose(a, b)",
    )  # fmt: skip
    peer = "linear_operator"
    check = "np.allclose(a, b[:, 0])"
    yield Comparison(
        family, "Kronecker product, 64^3", "K @ x", "L @ t", peer, peer, kronecker, check
    )
    yield Comparison(
        family,
        "grid of 64^3 with noise: solution, determinant",
        "[*(Q := KroneckerPlusDiagonal(factors, 0.5)).solve(x), Q.logdet()]",
        "noisy()",
        peer,
        peer,
        kronecker,
        "np.allclose(a, b)",
    )


PLANTED = """
import math
from fasttx.sparse import SparsePlan
n, K, degree = {}
keys = np.zeros((0, n), np.uint8)
while len(keys) < K:  # different ones, of at most so many bits where a degree is given
    order = rng.random((K, n)).argsort(axis=1)
    size = rng.integers(0, degree + 1, (K, 1)) if degree else rng.integers(0, n + 1, (K, 1))
    keys = np.unique(np.concatenate([keys, (order < size).astype(np.uint8)]), axis=0)
keys = rng.permutation(keys)[:K].astype(np.float32)
values = rng.choice([-1, 1], K) * (0.1 + np.abs(rng.standard_normal(K)))
def f(bits):
    blocks = np.array_split(bits, len(bits) // 4096 + 1)
    return np.concatenate([(1 - 2 * (b.astype('f') @ keys.T % 2).astype(float)) @ values
                           for b in blocks])

answers = []  # recorded and played back, so that the function's time counts on neither side
plan = SparsePlan(n, K, degree=degree, rng=0)
for index, bits in plan.queries():
    answers.append(f(bits))
    plan.tell(index, answers[-1])
def ours():
    plan, ready = SparsePlan(n, K, degree=degree, rng=0), iter(answers)
    for index, _ in plan.queries():
        plan.tell(index, next(ready))
    return plan.recover()

from sparse_transform.qsft.qsft import transform
from sparse_transform.qsft.signals.input_signal_subsampled import SubsampledSignal
from sparse_transform.qsft.utils.query import get_bch_decoder
width = math.ceil(math.log2(K))
query = dict(query_method="complex", subsampling_method="qsft", num_subsample=3, num_repeat=1,
             b=width, delays_method_source="joint-coded" if degree else "identity",
             delays_method_channel="identity") | (dict(t=degree) if degree else {{}})
made, ready = [], None
class Signal(SubsampledSignal):
    def subsample(self, rows):
        if ready is not None:
            return next(ready)
        made.append(f(np.asarray(rows)).astype(complex))
        return made[-1]
def signal():
    np.random.seed(0)
    return Signal(n=n, q=2, query_args=dict(query), noise_sd=0)
signal()
def theirs():
    global ready
    ready = iter(made)
    return transform(signal(), reconstruct_method_source="coded" if degree else "identity",
                     reconstruct_method_channel="identity", b=width, num_subsample=3, num_repeat=1,
                     source_decoder=get_bch_decoder(n, degree, dectype="hard") if degree else None)
def largest(found):
    true = dict(zip(map(tuple, keys.astype(int)), values))
    return max(abs(found.get(k, 0) - true.get(k, 0)) for k in found.keys() | true.keys())
"""
EXACT = (
    "largest(dict(zip(map(tuple, a.support.astype(int)), a.coefficients))) < 1e-6 and "
    "largest(b) < 1e-3"
)


def sparse(quick: bool) -> Iterator[Comparison | Floor]:
    """Cases of sparse recovery."""
    jobs: list[tuple[int, int, int | None]] = [(n, 32, None) for n in (20, 40, 80)]
    if not quick:
        jobs.append((100, 100, 5))
    for n, sparsity, degree in jobs:
        low = "" if degree is None else f", of degree {degree}"
        peer, job = "sparse-transform", f"{sparsity} of 2^{n} Walsh coefficients{low}"
        setup = START + PLANTED.format((n, sparsity, degree))
        curve = ("32 of 2^n Walsh coefficients", n) if sparsity == 32 else None
        yield Comparison(
            "Sparse recovery", job, "ours()", "theirs()", peer, peer, setup, EXACT,
            "setting up and decoding; the function's own time counts on neither side", curve,
        )  # fmt: skip


def cases(quick: bool = False) -> Iterator[Comparison | Floor]:
    """All of them; some, if `quick`."""
    yield from transforms(quick)
    yield from fourier(quick)
    yield from structured(quick)
    yield from sparse(quick)

"""Comparisons of points, Gaussian processes, sketches and quantizers."""

from __future__ import annotations

from collections.abc import Iterator

from .cases import NEGATIVE, START, Comparison, Floor

KEISTER = """
from scipy.special import ndtri
import qmcpy
def keister(x):
    return np.pi * np.cos(np.linalg.norm(ndtri(x), axis=1) / np.sqrt(2))
def theirs(method):
    measure = qmcpy.Uniform(qmcpy.DigitalNetB2(2, seed=7))
    return float(np.squeeze(method(qmcpy.CustomFun(measure, keister), abs_tol=1e-4).integrate()[0]))
"""


def points(quick: bool) -> Iterator[Comparison | Floor]:
    """Cases of low-discrepancy points, their kernels, and cubature."""
    family, chart = "Points and cubature", "Scrambled Sobol' points, n x 8"
    for k in range(4, 21, 8 if quick else 4):
        size = f"2**{k}"
        setup = START + "from fasttx.qmc import DigitalNet\nnet = DigitalNet(8, rng=7)\n"
        curve, job = (chart, 2**k), f"Sobol' points, 2^{k} x 8"
        ours, check = f"net.reset().random({size})", f"a.shape == b.shape == ({size}, 8)"
        yield Floor(curve, "x.fill(1.0)", f"import numpy as np\nx = np.ones(({size}, 8))")
        scipy = setup + "from scipy.stats import qmc\npeer = qmc.Sobol(8, rng=7)\n"
        theirs, name = f"peer.reset().random({size})", "scipy.stats.qmc"
        yield Comparison(family, job, ours, theirs, "scipy", name, scipy, check, curve=curve)
        qmcpy = setup + "import qmcpy\npeer = qmcpy.DigitalNetB2(8, seed=7)\n"
        theirs = f"peer({size})"
        yield Comparison(family, job, ours, theirs, "qmcpy", "QMCPy", qmcpy, check, curve=curve)
    size, check = "2**16", "a.shape == b.shape"
    for kind, name, peer, made in (
        ("shifted lattice", "Lattice", "QMCPy", "import qmcpy\npeer = qmcpy.Lattice(8, seed=7)"),
        ("scrambled Halton", "Halton", "scipy.stats.qmc",
         "from scipy.stats import qmc\npeer = qmc.Halton(8, rng=7)"),
    ):  # fmt: skip
        setup = START + f"from fasttx.qmc import {name}\nengine = {name}(8, rng=7)\n{made}\n"
        package = "qmcpy" if peer == "QMCPy" else "scipy"
        theirs = f"peer({size})" if package == "qmcpy" else f"peer.reset().random({size})"
        ours, job = f"engine.reset().random({size})", f"{kind} points, 2^16 x 8"
        yield Comparison(family, job, ours, theirs, package, peer, setup, check)
    yield Comparison(
        family,
        "column of a net's kernel of order 4, 2^16 x 8",
        "kernel.column(x)",
        "peer(x, x[0])",
        "qmcpy",
        "QMCPy",
        START + "import qmcpy\nfrom fasttx.kernels import DSIKernel\n"
        "x = rng.integers(0, 1 << 53, (2**16, 8), dtype=np.uint64)\n"
        "kernel, peer = DSIKernel(8, 4), qmcpy.KernelDigShiftInvar(8, alpha=4, t=53)\n",
        "np.allclose(kernel.column(x, x[0]), b)",
    )
    for name, ours, method in (
        ("Bayesian", "bayesian_cubature", "CubBayesNetG"),
        ("by decay", "qmc_cubature", "CubQMCNetG"),
    ):
        yield Comparison(
            family,
            f"Keister's integral to 1e-4, {name}",
            f"{ours}(keister, 2, abs_tol=1e-4, rng=7).integral",
            f"theirs(qmcpy.{method})",
            "qmcpy",
            "QMCPy",
            START + KEISTER + f"from fasttx.gp import {ours}\n",
            "abs(a - 1.808186429263620) < 2e-4 and abs(b - 1.808186429263620) < 2e-4",
        )


PROCESS = """
from fasttx.gp import FastGPRegressor
from fasttx.kernels import DSIKernel
gp = FastGPRegressor(DSIKernel(4), optimizer=None, noise=1e-6, rng=7)
n = {n}
X, new = gp.points(n), rng.random((100, 4))
def f(x):
    return np.sin(3 * x[:, 0]) * x[:, 1] + x[:, 2] * x[:, 3]
y = f(X)
"""
FASTGPS = """
import torch, fastgps, qmcpy
torch.set_default_dtype(torch.float64)
def theirs():
    gp = fastgps.FastGPDigitalNetB2(qmcpy.KernelDigShiftInvar(4, torchify=True),
                                    qmcpy.DigitalNetB2(dimension=4, seed=7))
    gp.add_y_next(torch.from_numpy(f(gp.get_x_next(n).numpy())))
    return gp.post_mean(torch.from_numpy(new)).numpy()
"""
SKLEARN = """
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF
peer = GaussianProcessRegressor(RBF(0.5), alpha=1e-6, optimizer=None)
"""
GPYTORCH = """
import torch, gpytorch
tensors = [torch.from_numpy(a) for a in (X, y, new)]
class Model(gpytorch.models.ExactGP):
    def __init__(self, likelihood):
        super().__init__(*tensors[:2], likelihood)
        self.mean, self.kernel = gpytorch.means.ZeroMean(), gpytorch.kernels.RBFKernel()
    def forward(self, x):
        return gpytorch.distributions.MultivariateNormal(self.mean(x), self.kernel(x))
def theirs():
    model = Model(gpytorch.likelihoods.GaussianLikelihood()).double()
    model.kernel.lengthscale = 0.5
    model.likelihood.noise = 1e-4
    with torch.no_grad(), gpytorch.settings.max_cholesky_size(n):
        return model.eval()(tensors[2]).mean.numpy()
"""


def processes(quick: bool) -> Iterator[Comparison | Floor]:
    """Cases of Gaussian processes."""
    family, chart = "Gaussian processes", "Gaussian process: fit to n x 4 and predict at 100"
    for k in range(6, 15, 4 if quick else 2):
        n = 2**k
        setup, curve, ours = START + PROCESS.format(n=n), (chart, n), "gp.fit(X, y).predict(new)"
        job, check = (
            f"GP: fit to 2^{k} points, predict at 100",
            "max(np.abs(m - f(new)).max() for m in (a, b)) < 0.5",
        )
        more = [("fastgps", "fastgps", FASTGPS, "theirs()", "the same kernel")]
        if k <= 12:
            other = "a Gaussian kernel, dense: a smoother model, for any points"
            more.append(("scikit-learn", "scikit-learn", SKLEARN,
                         "peer.fit(X, y).predict(new)", other))  # fmt: skip
            dense = f"{other}; above 800 points it would take conjugate gradients, slower here"
            more.append(("gpytorch", "GPyTorch", GPYTORCH, "theirs()", dense))
        for package, peer, text, theirs, note in more:
            yield Comparison(
                family, job, ours, theirs, package, peer, setup + text, check, note, curve
            )


def sketches(quick: bool) -> Iterator[Comparison | Floor]:
    """Cases of sketches, features, least squares, singular values, thinning."""
    family, chart = "Sketches and features", "Sketch of 4096 x 4096 float32 to k columns"
    setup = START + (
        "from fasttx.sketch import sketch\nx = rng.standard_normal((4096, 4096), dtype='float32')\n"
    )
    for k in range(3, 12, 4 if quick else 2):
        size = 2**k
        gauss = setup + f"G = rng.standard_normal((4096, {size}), dtype='float32')\n"
        curve, check = (
            (chart, size),
            "abs(np.linalg.norm(a) / np.linalg.norm(x) - 1) < 0.1 and a.shape == b.shape",
        )
        yield Floor(curve, NEGATIVE, setup)
        job = f"sketch of 4096 x 4096 float32 to {size} columns"
        ours, theirs = f"sketch(x, {size}, 1, rng=0)", "x @ G"
        yield Comparison(
            family, job, ours, theirs, "numpy", "the BLAS", gauss, check,
            "a Gaussian matrix made before", curve,
        )  # fmt: skip
        peer = setup + (
            "from sklearn.random_projection import SparseRandomProjection\n"
            f"peer = SparseRandomProjection({size}, random_state=0).fit(x)\n"
        )
        yield Comparison(
            family, job, ours, "peer.transform(x)", "scikit-learn", "SparseRandomProjection", peer,
            check, curve=curve,
        )  # fmt: skip
    features = START + (
        "from fasttx.sketch import OrthogonalFourierFeatures\n"
        "from sklearn.kernel_approximation import RBFSampler\n"
        "X = rng.standard_normal((5000, 1024), dtype='float32')\n"
        "features = OrthogonalFourierFeatures(gamma=1e-3, n_components=4096, rng=0).fit(X)\n"
        "peer = RBFSampler(gamma=1e-3, n_components=4096, random_state=0).fit(X)\n"
    )
    ours, theirs = "features.transform(X)", "peer.transform(X)"
    job, check = (
        "4096 random features of 5000 x 1024",
        "np.abs(a[:9] @ a.T - b[:9] @ b.T).max() < 0.2",
    )
    yield Comparison(family, job, ours, theirs, "scikit-learn", "RBFSampler", features, check)
    for rows, columns in ((2000, 100), (200_000, 100)):
        lstsq = START + (
            "from fasttx.sketch import sketched_lstsq\n"
            f"A = rng.standard_normal(({rows}, {columns}))\nb = A.sum(1) + rng.random(len(A))\n"
        )
        ours, theirs = "sketched_lstsq(A, b, rng=0).x", "np.linalg.lstsq(A, b)[0]"
        job, check = f"least squares, {rows} x {columns}", "np.allclose(a, b)"
        yield Comparison(family, job, ours, theirs, "numpy", "numpy.linalg", lstsq, check)
    svd = START + (
        "from fasttx.sketch import sketched_svd\nfrom sklearn.utils.extmath import randomized_svd\n"
        "A = rng.standard_normal((5000, 100)) * 0.9 ** np.arange(100)\n"
        "A = A @ rng.standard_normal((100, 2000)) + 1e-3 * rng.standard_normal((5000, 2000))\n"
    )
    ours, theirs = "sketched_svd(A, 20, rng=0)", "randomized_svd(A, 20, random_state=0)"
    job, check = "20 singular values of 5000 x 2000", "np.allclose(a.S, b[1], rtol=1e-2)"
    yield Comparison(family, job, ours, theirs, "scikit-learn", "randomized_svd", svd, check)
    n = 12 if quick else 14
    thinning = START + (
        "from fasttx.sketch import compress\nfrom goodpoints.compress import compresspp_kt\n"
        f"X = rng.standard_normal((2**{n}, 10))\n"
    )
    ours = "compress(X, bandwidth=10**0.5, g=4, rng=1).indices"
    theirs = "compresspp_kt(X, b'gaussian', k_params=np.array([20.0]), g=4, seed=1)"
    job, check = f"Compress++, 2^{n} x 10", "len(a) == len(b)"
    yield Comparison(family, job, ours, theirs, "goodpoints", "goodpoints", thinning, check)


QUANTIZER = """
import faiss
from fasttx.quantize import TurboQuant
rows = rng.standard_normal((100_000, 128), dtype='float32')
rows /= np.linalg.norm(rows, axis=1, keepdims=True)  # as the code book of 4bit_tqmse wants
q = rng.standard_normal((20, 128), dtype='float32')
codec = TurboQuant(128, 4, rng=0)
codes = codec.encode(rows)
best = (q @ rows.T).argmax(axis=1)
"""
INDEX = (
    "kind, inner = faiss.ScalarQuantizer.{}, faiss.METRIC_INNER_PRODUCT\n"
    "index = faiss.IndexScalarQuantizer(128, kind, inner)\n"
    "index.train(rows)\nindex.add(rows)\n"
)
FASTSCAN = "index = faiss.IndexPQFastScan(128, 128, 4, faiss.METRIC_INNER_PRODUCT)\n" + (
    "index.pq.cp.niter = 5\nindex.train(rows[:4000])\nindex.add(rows)\n"
)
ATTENTION = """
import torch
from fasttx.quantize import KVCache
K, V = rng.standard_normal((2, 8, {tokens}, 128), dtype='float32')
query = K[:, 0].copy()
cache = KVCache(128, 8, 3, 3, rng=0)
cache.append(K, V)
Q, K, V = (torch.from_numpy(a)[None] for a in (query[:, None], K, V))
"""


def quantizers(quick: bool) -> Iterator[Comparison | Floor]:
    """Cases of vector codes and caches."""
    family, job = "Quantizers", "encode 10^5 x 128 in 4 bits"
    setup = START + QUANTIZER
    codes = setup + INDEX
    for mode, note in (("QT_4bit_tqmse", "the same code book"), ("QT_4bit", "trained ranges")):
        ours, theirs, kind = "codec.encode(rows)", "index.sa_encode(rows)", codes.format(mode)
        peer = f"faiss {mode.removeprefix('QT_')}"
        check = "max(np.linalg.norm(r - rows) for r in (a.decode(), index.sa_decode(b))) < "
        check += "0.2 * np.linalg.norm(rows)"
        yield Comparison(family, job, ours, theirs, "faiss-cpu", peer, kind, check, note)
    job, ours = "10 best of 10^5 x 128 for 20 queries", "codec.search(q, codes, 10)"
    check = "min((rows == best[:, None]).any(axis=1).mean() for rows in (a[1], b[1])) > 0.8"
    for peer, text, note in (
        ("faiss 4bit_tqmse", INDEX.format("QT_4bit_tqmse"), "the same code book"),
        ("faiss 4bit", INDEX.format("QT_4bit"), "trained ranges"),
        ("faiss PQ fast scan", FASTSCAN, "as many bits, trained, distances of 8 bits"),
    ):
        theirs = "index.search(q, 10)"
        kind = setup + text
        yield Comparison(family, job, ours, theirs, "faiss-cpu", peer, kind, check, note)
    for tokens in (64, 8192):
        yield Comparison(
            family,
            f"attention of 8 heads of 128 to {tokens} tokens of 3 bits",
            "cache.attend(query)",
            "torch.nn.functional.scaled_dot_product_attention(Q, K, V)",
            "torch",
            "torch, float32",
            START + ATTENTION.format(tokens=tokens),
            "np.linalg.norm(a - b.numpy()[0, :, 0]) < 0.5 * np.linalg.norm(a)",
            "torch's keys and values are exact and ten times as large",
        )


def cases(quick: bool = False) -> Iterator[Comparison | Floor]:
    """All of them; some, if `quick`."""
    yield from points(quick)
    yield from processes(quick)
    yield from sketches(quick)
    yield from quantizers(quick)

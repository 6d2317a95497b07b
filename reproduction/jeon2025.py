"""QWHA: sparse Walsh coefficients take away more of a quantization error than low ranks do.

H. Jeon, S. Lee, B. Kang, Y. Kim and J.-J. Kim, "QWHA: Quantization-aware Walsh-Hadamard adaptation
for parameter-efficient fine-tuning on large language models", 2025, section 3, figures 2 and 3.
arXiv:2509.17428. With as many parameters, a low-rank adapter has less than 6.3 percent of the full
rank, and one of the Walsh transform nearly all; coefficients allocated to channels by their errors
and refined for the layer's inputs leave the least error of the outputs.
"""

import numpy as np
from _report import Reproduction, report

from fasttx.quantize import INT4, FourierAdapter, WHTAdapter, quantize

OUT, IN, SAMPLES, RANK = 256, 256, 1024, 16
COUNT = RANK * (OUT + IN)


def layer(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Weights with outliers, in channels of unequal size, and correlated inputs."""
    W = rng.standard_normal((OUT, IN)) * rng.lognormal(sigma=0.5, size=(OUT, 1))
    W *= np.where(rng.random((OUT, IN)) < 0.002, 8.0, 1.0)
    mixing = rng.standard_normal((IN, IN)) * np.linspace(1, 0.05, IN)[:, None]
    return W, rng.standard_normal((SAMPLES, IN)) @ mixing / np.sqrt(IN)


def low_rank(E: np.ndarray, X: np.ndarray | None = None) -> np.ndarray:
    """The best matrix of the rank that as many parameters give, for E or for X @ E.T."""
    root = np.eye(IN) if X is None else np.linalg.cholesky(X.T @ X / len(X))
    U, s, Vt = np.linalg.svd(E @ root, full_matrices=False)
    return np.linalg.solve(root.T, ((U[:, :RANK] * s[:RANK]) @ Vt[:RANK]).T).T


def run() -> Reproduction:
    """Correct a layer of 4-bit integers by as many numbers as ranks of a sixteenth have."""
    rng = np.random.default_rng(0)
    W, X = layer(rng)
    coarse = quantize(W, INT4(mode="mse")).decode().astype(float)
    E = W - coarse
    corrections = {"LoRA, SVD": low_rank(E), "LoRA, SVD for the inputs": low_rank(E, X)}
    for name, kind in (("Hartley", FourierAdapter), ("Walsh", WHTAdapter)):
        for allocation in ("global", "uniform", "energy"):
            adapter = kind.fit(W, coarse, COUNT, sides="input", allocation=allocation)
            corrections[f"{name}, {allocation}"] = adapter.delta()
    refined = {}
    for allocation in ("global", "uniform", "energy"):
        adapter = WHTAdapter.fit(W, coarse, COUNT, X=X, sides="input", allocation=allocation)
        refined[f"Walsh, {allocation}, refined"] = adapter.delta()
        assert np.allclose(adapter.apply(X[:4]), X[:4] @ adapter.delta().T, atol=1e-5)
    corrections |= refined
    before = np.linalg.norm(X @ E.T)
    rows = []
    for name, delta in corrections.items():
        rank = np.linalg.matrix_rank(delta) / min(OUT, IN)
        paper = "< 6.3" if name.startswith("LoRA") else "nearly 100"
        error = np.linalg.norm(E - delta) / np.linalg.norm(E)
        output = np.linalg.norm(X @ (E - delta).T) / before
        rows.append((name, paper, float(100 * rank), float(error), float(output)))
    outputs = {row[0]: row[4] for row in rows}
    ranks = {row[0]: row[2] for row in rows}
    assert ranks["LoRA, SVD"] < 6.3
    assert ranks["Walsh, energy, refined"] > 99
    assert outputs["Walsh, energy, refined"] < outputs["Walsh, energy"]
    assert outputs["Walsh, energy, refined"] < outputs["LoRA, SVD for the inputs"]
    return Reproduction(
        "jeon2025",
        "Rank in percent of the full one, and error of weights and of outputs over that without a "
        "correction, for adapters of as many parameters.",
        ("adapter", "rank, paper", "rank, fasttx", "weight error", "output error"),
        rows,
        "A layer of normal weights with outliers made here, in the place of those of LLaMA-3.2-3B, "
        'for which the paper plots output errors; "energy" is its AdaAlloc. The largest '
        'coefficients wherever they are ("global") leave a little less error, but not the full '
        "rank, which is the paper's reason for AdaAlloc. That the Walsh transform beats Hartley's "
        "needs the structure of errors of trained weights: on these they are equal. No model was "
        "fine-tuned.",
    )


if __name__ == "__main__":
    report(run)

"""FourierFT: as few trained numbers as the paper counts, and what they can express.

Z. Gao, Q. Wang, A. Chen, Z. Liu, B. Wu, L. Chen and J. Li, "Parameter-efficient fine-tuning with
discrete Fourier transform", ICML 2024. arXiv:2405.03003. A change of a weight matrix is given by n
coefficients of its Fourier transform, at random places: 0.064 million numbers where LoRA trains
33.5 million in LLaMA2-7B. The paper's example of expressive power trains a hidden layer of 64 x 64
to tell eight classes of points in the plane apart, with 128 numbers.
"""

import numpy as np
import scipy.sparse
from _report import Reproduction, report

from fasttx.quantize import FourierAdapter

# Matrices adapted in LLaMA2-7B (queries and values of 32 layers), width, n, and LoRA's rank.
MATRICES, WIDTH, COEFFICIENTS, RANK = 64, 4096, 1000, 64
HIDDEN, CLASSES, COUNT, STEPS, SEEDS = 64, 8, 128, 1000, 3


def points(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Eight normal clusters on a circle."""
    labels = np.repeat(np.arange(CLASSES), 60)
    angles = 2 * np.pi * labels / CLASSES
    centres = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return 3 * centres + 0.3 * rng.standard_normal((len(labels), 2)), labels


def span(kind: str, rng: np.random.Generator) -> np.ndarray:
    """What 128 coefficients at random places multiply: matrices of shape 64 x 64."""
    places = rng.choice(HIDDEN**2, COUNT, replace=False)
    made = []
    for i, j in zip(*np.divmod(places, HIDDEN), strict=True):
        C = scipy.sparse.csr_array(([1.0], ([i], [j])), shape=(HIDDEN, HIDDEN))
        made.append(FourierAdapter(C, "both").delta())
    return np.stack(made)


def train(kind: str, seed: int) -> float:
    """Accuracy after training the hidden layer alone, the others being random."""
    rng = np.random.default_rng(seed)
    X, labels = points(rng)
    first, last = rng.standard_normal((2, HIDDEN)), rng.standard_normal((HIDDEN, CLASSES))
    H = np.maximum(X @ first, 0) / np.sqrt(HIDDEN)
    fourier = kind == "FourierFT"
    basis = span(kind, rng) if fourier else np.empty(0)
    values = [rng.standard_normal(n) for n in ((COUNT,) if fourier else (COUNT // 2, COUNT // 2))]
    moments = [(np.zeros_like(v), np.zeros_like(v)) for v in values]
    for step in range(1, STEPS + 1):
        W = np.tensordot(values[0], basis, 1) if fourier else np.outer(*values)
        middle = H @ W.T
        scores = np.maximum(middle, 0) @ last
        share = np.exp(scores - scores.max(axis=1, keepdims=True))
        share /= share.sum(axis=1, keepdims=True)
        accuracy = float(np.mean(share.argmax(axis=1) == labels))
        share[np.arange(len(labels)), labels] -= 1
        G = ((share @ last.T) * (middle > 0)).T @ H / len(labels)
        slopes = [np.tensordot(basis, G, 2)] if fourier else [G @ values[1], values[0] @ G]
        for v, (m, s), g in zip(values, moments, slopes, strict=True):  # Adam
            m += 0.1 * (g - m)
            s += 0.001 * (g * g - s)
            v -= 0.02 * m / (1 - 0.9**step) / (np.sqrt(s / (1 - 0.999**step)) + 1e-8)
    return accuracy


def run() -> Reproduction:
    """Count what is trained in LLaMA2-7B, and train the example."""
    fourier, lora = MATRICES * COEFFICIENTS, MATRICES * 2 * RANK * WIDTH
    assert fourier == 64_000
    assert lora // 100_000 == 335
    rows = [("LLaMA2-7B: million numbers", 0.064, fourier / 1e6, 33.5, lora / 1e6)]
    accuracy = {
        kind: [train(kind, seed) for seed in range(SEEDS)] for kind in ("FourierFT", "LoRA")
    }
    assert min(accuracy["FourierFT"]) == 1.0 > max(accuracy["LoRA"])
    found = [float(np.mean(accuracy[kind])) for kind in ("FourierFT", "LoRA")]
    rows.append(("eight classes: accuracy", 1.0, found[0], "< 1", found[1]))
    return Reproduction(
        "gao2024b",
        "Numbers trained with n = 1000 coefficients and with ranks of 64, and accuracy of the "
        "example of expressive power with 128 numbers for both.",
        ("quantity", "FourierFT, paper", "FourierFT, fasttx", "LoRA, paper", "LoRA, here"),
        rows,
        f"Means of {SEEDS} seeds. Clusters on a circle are made here, and the other layers are "
        "random and not trained. Coefficients are of the Hartley transform, which spans all real "
        "matrices; the paper takes the real part of a Fourier transform. Language and vision "
        "models were not fine-tuned.",
    )


if __name__ == "__main__":
    report(run)

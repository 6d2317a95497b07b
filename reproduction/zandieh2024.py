"""QJL: signs of random projections give unbiased inner products.

A. Zandieh, M. Daliri and I. Han, "QJL: 1-bit quantized JL transform for KV cache quantization with
zero overhead", 2024, lemmas 3.2 and 3.5. arXiv:2406.03482. A key is kept as the signs of m Gaussian
projections and its norm, the query is not quantized; the estimate is unbiased, and its error falls
as 1/sqrt(m) as if nothing were quantized, for any dimension d.
"""

import numpy as np
from _report import Reproduction, report
from scipy.stats import norm

from fasttx.quantize import QJL

D, COSINE, KEYS, EPSILON, TRIALS = 128, 0.6, 64, 0.2, 60


def run() -> Reproduction:
    """Estimate a known inner product by many independent projections."""
    rng = np.random.default_rng(0)
    k = rng.standard_normal((KEYS, D))
    k /= np.linalg.norm(k, axis=1, keepdims=True)
    rows, off = [], ~np.eye(KEYS, dtype=bool)
    for m in (32, 128, 512):
        for structure in ("gaussian", "hadamard"):
            errors = np.empty((TRIALS, KEYS, KEYS))
            for trial in range(TRIALS):
                # Query i has a cosine of 0.6 with key i, and small ones with the others.
                q = rng.standard_normal((KEYS, D))
                q -= np.sum(q * k, axis=1, keepdims=True) * k
                q *= np.sqrt(1 - COSINE**2) / np.linalg.norm(q, axis=1, keepdims=True)
                q += COSINE * k
                codec = QJL(D, m, structure, rng=trial)
                errors[trial] = codec.inner(q, codec.encode(k)) - q @ k.T
            near = np.diagonal(errors, axis1=1, axis2=2)
            # A term is sqrt(pi/2) <s, q> sign <s, k>: of second moment pi/2, and unbiased.
            law = (np.pi / 2 - COSINE**2) / m
            bias, variance = near.mean(), near.var()
            spread = np.mean(errors[:, off] ** 2)
            # Keys share their projections: the number of trials is a safe count of samples.
            assert abs(bias) < 4 * np.sqrt(law / TRIALS)
            assert spread < np.pi / 2 / m * (1 + 4 * np.sqrt(2 / TRIALS))
            if structure == "gaussian":
                assert abs(variance / law - 1) < 4 * np.sqrt(2 / TRIALS)
            beyond = float(np.mean(np.abs(errors[:, off]) > EPSILON))
            promised = min(1.0, 2 * np.exp(-0.75 * m * EPSILON**2 / (1 + EPSILON)))
            normal = 2 * norm.sf(EPSILON * np.sqrt(2 * m / np.pi))
            rows.append((structure, m, bias, m * variance, m * law, m * spread, np.pi / 2))
            rows[-1] += (beyond, normal, promised)
    return Reproduction(
        "zandieh2024",
        "Bias and m times the variance of estimates for unit vectors with inner product 0.6, and "
        "for all others, where pi/2 is the bound; the share of these with an error beyond 0.2, and "
        "the probability that lemma 3.5 has for this m.",
        (
            "projections",
            "m",
            "bias (paper: 0)",
            "m var at 0.6",
            "theory",
            "m var, others",
            "bound",
            "share > 0.2",
            "normal law",
            "lemma 3.5",
        ),
        rows,
        f"d = {D} and random keys in the place of caches of Llama and Mistral, by "
        f"{TRIALS} projections or rotations each. Bias, variance and the bound are asserted for "
        "Gaussian projections; rows of Hadamard rotations, the default here, have less variance, "
        "since they are orthogonal. The constant of lemma 3.5, m >= 4/3 (1 + e) / e^2 log(2/d), "
        "is too small: estimates of orthogonal unit vectors are normal numbers of variance "
        "pi / (2 m), for which pi / e^2 log(2/d) is the least such m to leading order, and for "
        "m = 512 the share is that of the normal law, far above the lemma's. Memory at 3 bits and "
        "answers of language models were not tried.",
    )


if __name__ == "__main__":
    report(run)

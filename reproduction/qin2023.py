"""Qin and Zhong 2023: a Toeplitz operator as a recurrence, exactly.

Z. Qin and Y. Zhong, "Accelerating Toeplitz neural network with constant-time inference complexity",
EMNLP 2023, 12206-12215: a causal Toeplitz operator of length n is a diagonal state-space model
whose poles are on a circle, found by one Fourier transform; a sample then costs the same at any
time.
"""

import numpy as np
from _report import Reproduction, report
from scipy.linalg import toeplitz

from fasttx.structured import toeplitz_to_ssm


def run():
    rng, rows = np.random.default_rng(0), []
    for n in (64, 512, 2048):
        t = rng.standard_normal(n) * 0.99 ** np.arange(n)
        x = rng.standard_normal(n)
        exact = toeplitz(t, np.zeros(n)) @ x
        for decay in (1.0, 0.999):
            model = toeplitz_to_ssm(t, decay=decay)
            steps = np.array([model.step(v) for v in x])
            model.reset()
            gaps = [
                float(np.abs(y - exact).max() / np.abs(exact).max()) for y in (steps, model.run(x))
            ]
            assert max(gaps) < 1e-10
            rows.append([n, decay, *gaps, f"{n // 2 + 1} states", n])
    return Reproduction(
        "qin2023",
        "Outputs of the recurrence, one sample at a time and as a sequence: largest deviation from "
        "the Toeplitz product. A step costs as much as there are states, whatever came before.",
        ["n", "decay", "step", "run", "state of a step", "products of a sum"],
        rows,
        "Deviations are rounding. For real filters half of the conjugate states are kept. The "
        "paper's language models are not repeated.",
    )


if __name__ == "__main__":
    report(run)

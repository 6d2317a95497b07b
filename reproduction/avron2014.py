"""Quasi-Monte Carlo feature maps: errors that fall faster than those of random features.

H. Avron, V. Sindhwani, J. Yang and M. W. Mahoney, "Quasi-Monte Carlo feature maps for
shift-invariant kernels", JMLR 17, 2016 (2014). arXiv:1412.8293. Frequencies at points of a
low-discrepancy sequence in the place of random ones: the error of a kernel of d dimensions by s of
them is of the order of log(s)^d / s in the place of s^-1/2.
"""

import numpy as np
from _report import Reproduction, report

from fasttx.sketch import QuasiRandomFeatures, RandomFourierFeatures

ROWS, DRAWS = 80, 8
SIZES = (64, 256, 1024, 4096)


def run() -> Reproduction:
    """Approximate Gaussian kernels in 2 to 16 dimensions."""
    rng = np.random.default_rng(0)
    pairs = np.triu_indices(ROWS, 1)
    rows = []
    for d in (2, 4, 16):
        X = rng.standard_normal((ROWS, d)) / np.sqrt(d)
        K = np.exp(-0.5 * np.sum((X[:, None] - X) ** 2, axis=2))
        errors = {}
        for name in ("random", "net", "lattice", "halton"):
            errors[name] = []
            for size in SIZES:
                off = []
                for seed in range(DRAWS):
                    options = {"gamma": 0.5, "n_components": 2 * size, "random_state": seed}
                    if name == "random":
                        made = RandomFourierFeatures(**options)
                    else:
                        made = QuasiRandomFeatures(sequence=name, **options)
                    Z = made.fit_transform(X)
                    off.append((Z @ Z.T - K)[pairs])
                errors[name].append(float(np.sqrt(np.mean(np.square(off)))))
            slope = float(np.polyfit(np.log(SIZES), np.log(errors[name]), 1)[0])
            paper = "-1/2" if name == "random" else "-1, logarithms"
            rows.append((d, name, *errors[name], paper, slope))
            if name == "random":
                assert abs(slope + 0.5) < 0.1
            else:
                assert errors[name][-1] < errors["random"][-1]
                assert slope < -0.8 or d > 4
    return Reproduction(
        "avron2014",
        "Root mean square error of a Gaussian kernel by the number s of frequencies.",
        ("d", "frequencies", *(f"s = {s}" for s in SIZES), "exponent, paper", "exponent"),
        rows,
        "Normal points in the place of the paper's data sets. In 16 dimensions logarithms hide the "
        "rate for a few thousand frequencies; the error is smaller all the same. The paper's "
        "adaptive sequences are not in the library.",
    )


if __name__ == "__main__":
    report(run)

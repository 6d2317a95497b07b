"""EDEN: the error of a mean of vectors that were sent with few bits each.

S. Vargaftik, R. Ben Basat, A. Portnoy, G. Mendelson, Y. Ben-Itzhak and M. Mitzenmacher, "EDEN:
Communication-efficient and robust distributed mean estimation for federated learning", ICML 2022.
arXiv:2108.08842. Whatever the vector, the squared error over the squared norm (vNMSE) tends to
1/(1 - D_b) - 1 for large d, D_b being the distortion of the optimal quantizer of b bits for normal
numbers: pi/2 - 1 for one bit. It is unbiased, so that the error of a mean of n falls as 1/n.
"""

import numpy as np
from _report import Reproduction, report

from fasttx.quantize import EDEN, lloyd_max

D, TRIALS, SENDERS = 4096, 40, 10


def run() -> Reproduction:
    """Send lognormal and one-hot vectors, one at a time and by ten senders."""
    rng = np.random.default_rng(0)
    lognormal = rng.lognormal(size=D)  # the law of the paper's synthetic experiments
    one_hot = np.zeros(D)
    one_hot[7] = 1.0
    rows = []
    for bits in (1, 2, 3, 4):
        distortion = lloyd_max(bits).mse
        law = 1 / (1 - distortion) - 1
        if bits == 1:
            assert abs(law - (np.pi / 2 - 1)) < 1e-9
        found = []
        for x in (lognormal, one_hot):
            codecs = [EDEN(D, bits, rng=i) for i in range(TRIALS * SENDERS)]
            sent = np.concatenate([c.encode(x[None]).decode() for c in codecs]) - x
            one = np.mean(np.sum(sent**2, axis=1)) / (x @ x)
            means = sent.reshape(TRIALS, SENDERS, D).mean(axis=1)
            many = np.mean(np.sum(means**2, axis=1)) / (x @ x)
            assert abs(one / law - 1) < 0.05
            assert abs(SENDERS * many / law - 1) < 0.05
            found += [one, SENDERS * many]
        rows.append((bits, law, *found))
    return Reproduction(
        "vargaftik2022",
        "Squared error over squared norm for one sender, and ten times that of the mean of ten.",
        (
            "bits",
            "paper, d to infinity",
            "lognormal, one",
            "lognormal, 10 x mean of 10",
            "one-hot, one",
            "one-hot, 10 x mean of 10",
        ),
        rows,
        f"d = {D}, {TRIALS} trials, with randomized Hadamard rotations as in the paper's code. "
        "The law is asserted to five percent. No networks were trained.",
    )


if __name__ == "__main__":
    report(run)

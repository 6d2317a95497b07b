"""Sigma-Delta quantization of random features: errors that fall with the length of a block.

J. Zhang, A. Cloninger and R. Saab, "Sigma-Delta and distributed noise-shaping quantization methods
for random Fourier features", 2021. arXiv:2106.02614. Cosines of one or two bits, summed
in blocks with the right weights, lose to quantization an error that falls with the block's length
as a power that grows with the order of a Sigma-Delta scheme, and exponentially with distributed
noise shaping, as a function of the bits too, since sums of blocks need few.
"""

import numpy as np
from _report import Reproduction, report

from fasttx.sketch import SigmaDeltaFeatures

GAMMA, COMPONENTS, ROWS = 0.5, 2000, 60
BLOCKS = (3, 7, 15, 31)
SCHEMES = ((1, 1), (1, 2), (2, 2), ("beta", 1), ("beta", 2))


def run() -> Reproduction:
    """Quantize features of points of the plane with five schemes and four lengths of blocks."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((ROWS, 2))
    K = np.exp(-GAMMA * np.sum((X[:, None] - X) ** 2, axis=2))
    pairs = np.triu_indices(ROWS, 1)
    rows = []
    for order, bits in SCHEMES:
        lost, kernel, sizes = [], [], []
        blocks = BLOCKS if order != "beta" else BLOCKS[:3]
        for block in blocks:
            made = SigmaDeltaFeatures(
                gamma=GAMMA,
                n_components=COMPONENTS,
                order=order,
                block=block,
                bits=bits,
                random_state=0,
            ).fit(X)
            Z, exact = made.transform(X), made.condensed(X)
            assert np.array_equal(Z, made.decode(made.encode(X)))
            lost.append(float(np.sqrt(np.mean((Z - exact) ** 2) / np.mean(exact**2))))
            kernel.append(float(np.sqrt(np.mean((Z @ Z.T - K)[pairs] ** 2))))
            sizes.append(made.bits_per_feature_)
        if order == "beta":
            # beta^-block, beta = levels block / (block + 1)
            slope = float(np.polyfit(blocks, np.log2(lost), 1)[0])
            law, kind = f"2^({-bits} block)", f"2^({slope:.2f} block)"
            assert abs(slope / -bits - 1) < 0.25
        else:
            slope = float(np.polyfit(np.log(blocks), np.log(lost), 1)[0])
            law, kind = f"block^-{order - 0.5}", f"block^{slope:.2f}"
            assert abs(slope + order - 0.5) < 0.25
        for block, *found in zip(blocks, sizes, lost, kernel, strict=True):
            rows.append((str(order), bits, block, *found, law, kind))
    floor = float(np.sqrt(np.mean((1 + K[pairs] ** 2) / COMPONENTS)))
    rows.append(("no quantization", "", "", "", 0.0, floor, "", ""))
    return Reproduction(
        "zhang2021",
        "What quantization adds to features, over their size, its law and the fitted one, and the "
        f"root mean square error of kernel values from {COMPONENTS} features.",
        ("order", "bits", "block", "bits a feature", "lost", "kernel error", "law", "fit"),
        rows,
        "Points of the plane in the place of data sets. Laws follow from the paper's proofs: what "
        "is left of a block's errors is bounded, while its weights grow like block^(r - 1/2) for "
        "order r; fits are asserted to 0.25. What remains of the error of kernel values is that of "
        "features, not of bits: sums of cosines with random phases act like normal numbers.",
    )


if __name__ == "__main__":
    report(run)

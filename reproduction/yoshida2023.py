"""AF4: the 4-bit code for normal numbers over the largest of their block.

D. Yoshida, "NF4 isn't information theoretically optimal (and that's good)", 2023. arXiv:2306.06965.
What normal numbers are, once they are divided by the largest magnitude of a block, depends on the
size of the block; NF4 does not use its 16 values equally often, and equal use would not make the
least error. AF4 is the table made for blocks of a size.
"""

import numpy as np
from _report import Reproduction, report

from fasttx.quantize import AF4, NF4

# Between -1, 0 and 1: the published table for blocks of 64.
PUBLISHED = (
    (-0.69441008, -0.51243739, -0.3736951, -0.25607552, -0.14982478, -0.04934812),
    (0.04273164, 0.12934483, 0.21961274, 0.31675666, 0.42563882, 0.55496234, 0.72424863),
)


def run() -> Reproduction:
    """Compare the tables, and errors and use of codes on normal numbers."""
    table = np.array(AF4(group=64).element.values, float)
    off = float(np.abs(table - np.r_[-1, PUBLISHED[0], 0, PUBLISHED[1], 1]).max())
    assert off < 2e-6
    rows = [("largest deviation from the published table", 64, 0, off, "")]
    x = np.random.default_rng(0).standard_normal(1 << 21)
    for group in (32, 64, 256, 1024):
        y = x.reshape(-1, group)
        y = np.ravel(y / np.abs(y).max(axis=1, keepdims=True))
        use, errors = [], []
        for made in (NF4(group=group), AF4(group=group)):
            values = np.array(made.element.values, float)
            codes = np.searchsorted((values[1:] + values[:-1]) / 2, y)
            use.append(np.bincount(codes, minlength=16) / y.size)
            errors.append(float(np.abs(values[codes] - y).mean()))
        assert use[0].max() / use[0].min() > 2  # not equally often
        name = "largest share of a value over the smallest"
        rows.append((name, group, "> 1", *(float(u.max() / u.min()) for u in use)))
        rows.append(("mean |error|, of the largest", group, "", *errors))
    return Reproduction(
        "yoshida2023",
        "The table for blocks of 64, how unequally codes are used, and errors of NF4 and AF4.",
        ("quantity", "block", "paper", "NF4, or AF4 where alone", "AF4"),
        rows,
        "The published table has the digits of its own integration. Rounded to the nearest value, "
        "0 among them, AF4 is not better than NF4 for small blocks: its values are medians for "
        "codes without 0. Perplexities of language models were not tried.",
    )


if __name__ == "__main__":
    report(run)

"""QLoRA: the values of NF4, what double quantization saves, and the order of 4-bit formats.

T. Dettmers, A. Pagnoni, A. Holtzman and L. Zettlemoyer, "QLoRA: Efficient finetuning of quantized
LLMs", NeurIPS 2023, section 3, table 2, appendix E. arXiv:2305.14314.
"""

import numpy as np
from _report import Reproduction, report
from scipy.stats import norm

from fasttx.quantize import NF4, fake_quantize

# Mean perplexities of 125M to 13B models on Pile Common Crawl, table 2.
PERPLEXITY = {"INT4": 34.34, "FP4, E2M1": 31.07, "FP4, E3M0": 29.48, "NF4": 27.41}
OFFSET = 0.9677083  # of the outermost quantile in the reference implementation


def quantiles() -> np.ndarray:
    """The table from its definition: eight positive quantiles, seven negative ones, and zero."""
    upper = norm.ppf(np.linspace(OFFSET, 0.5, 9)[:-1])
    lower = -norm.ppf(np.linspace(OFFSET, 0.5, 8)[:-1])
    values = np.sort(np.concatenate([upper, lower, [0.0]]))
    return values / values.max()


def absmax(x: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Nearest numbers of a table, in blocks of 64 that are scaled by their largest magnitude."""
    blocks = x.reshape(-1, 64)
    scale = np.abs(blocks).max(axis=1, keepdims=True)
    middles = (table[1:] + table[:-1]) / 2
    return (table[np.searchsorted(middles, blocks / scale)] * scale).reshape(x.shape)


def symmetric(magnitudes: list[float]) -> np.ndarray:
    """A table with both signs, its largest magnitude one."""
    m = np.array(magnitudes) / max(magnitudes)
    return np.unique(np.concatenate([-m, m]))


def run() -> Reproduction:
    """Compare the table with its definition, and formats on normal weights."""
    table = np.array(NF4().element.values, np.float64)
    off = np.abs(table - quantiles()).max()
    assert len(table) == 16
    assert off < 1e-6
    x = np.random.default_rng(0).standard_normal((2048, 1024))
    errors = {
        "INT4": absmax(x, np.arange(-7, 8) / 7.0) - x,
        "FP4, E2M1": absmax(x, symmetric([0, 0.5, 1, 1.5, 2, 3, 4, 6])) - x,
        "FP4, E3M0": absmax(x, symmetric([0, 0.25, 0.5, 1, 2, 4, 8, 16])) - x,
        "NF4": fake_quantize(x, NF4()) - x,
    }
    rows = [(name, PERPLEXITY[name], np.abs(e).mean(), np.mean(e**2)) for name, e in errors.items()]
    absolute = {name: np.abs(e).mean() for name, e in errors.items()}
    assert min(absolute, key=absolute.get) == "NF4"
    # A float32 scale for 64 values; then eight bits for 64, and a float32 for 256 of these.
    plain, double = 32 / 64, 8 / 64 + 32 / (64 * 256)
    assert round(plain - double, 3) == 0.373
    rows.append(("bits saved by double quantization", 0.373, plain - double, ""))
    rows.append(("largest deviation of the 16 values", 0, off, ""))
    return Reproduction(
        "dettmers2023",
        "NF4 has the least error of 4-bit formats on normal numbers, in blocks of 64.",
        ("format", "paper, perplexity or figure", "mean |error| or figure", "mean error^2"),
        rows,
        "Perplexities are of language models, which are not here; errors on two million normal "
        "numbers take their place. The order of INT4, E2M1 and NF4 is the paper's. E3M0, powers of "
        "two, is between the last two by perplexity but has the largest error on normal numbers.",
    )


if __name__ == "__main__":
    report(run)

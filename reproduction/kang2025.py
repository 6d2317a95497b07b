"""Kang et al. 2025 (SPEX): spectral explanations are more faithful than marginal ones.

J. S. Kang, L. Butler, A. Agarwal, Y. E. Erginbas, R. Pedarsani, B. Yu and K. Ramchandran, "SPEX:
scaling feature interaction explanations for LLMs", ICML 2025, arXiv:2502.13870. A model is a
function of masks of its inputs; its sparse Walsh spectrum explains masked outputs better than
attributions to single inputs, by up to 20 per cent of R² at long inputs.
"""

import warnings

import numpy as np
from _report import Reproduction, report
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LassoCV

from fasttx.sparse import sparse_fwht

DEGREE = 5


def boosting():
    """Log-odds of a boosted classifier of tumours, inputs masked by their mean; 30 inputs."""
    x, y = load_breast_cancer(return_X_y=True)
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    model = HistGradientBoostingClassifier(max_iter=60, max_depth=4, random_state=0).fit(x, y)
    return 30, lambda masks: model.decision_function(np.where(masks == 1, x[0], 0.0))


def rules(n, rng):
    """Forty rules of at most five inputs, each true where all or any of its inputs are there."""
    chosen = [rng.choice(n, rng.integers(1, DEGREE + 1), replace=False) for _ in range(40)]
    kinds, weights = rng.integers(0, 2, 40), rng.standard_normal(40)

    def model(masks):
        inputs = (masks[:, rule] == 1 for rule in chosen)
        held = [v.all(axis=1) if k else v.any(axis=1) for v, k in zip(inputs, kinds, strict=True)]
        return weights @ np.array(held)

    return n, model


def run():
    rng = np.random.default_rng(0)
    games = {"boosted trees, 30 inputs": (boosting(), (1000, 4000))}
    for n in (64, 256, 1000):
        games[f"rules, {n} inputs"] = (rules(n, rng), (8000, 16000))
    rows = []
    for name, ((n, model), budgets) in games.items():
        fresh = rng.integers(0, 2, (2000, n), dtype=np.uint8)
        expected = model(fresh)
        for budget in budgets:
            result = sparse_fwht(model, n, max_queries=budget, degree=DEGREE, rng=0)
            spectral = float(1 - np.mean((expected - result(fresh)) ** 2) / expected.var())
            masks = rng.integers(0, 2, (result.n_queries, n), dtype=np.uint8)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                marginal = LassoCV(cv=3, alphas=10).fit(masks, model(masks))
            linear = float(marginal.score(fresh, expected))
            rows.append([name, result.n_queries, len(result), spectral, linear, spectral - linear])
    assert max(row[-1] for row in rows) > 0.05
    return Reproduction(
        "kang2025",
        "R² on new masks of the sparse spectrum and of a linear model by Lasso (marginal "
        "attributions), from the same number of calls of the model. The paper: up to 20 per cent "
        "more for long inputs.",
        ["model", "calls", "terms", "R², spectrum", "R², Lasso", "difference"],
        rows,
        "No language model: boosted trees, and sums of rules of up to five inputs, which are "
        "sparse. The figure of the paper is for language models and not to be had here.",
    )


if __name__ == "__main__":
    report(run)

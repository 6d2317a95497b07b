"""
How many queries does a sparse spectrum take?
=============================================

A function of n bits whose Walsh-Hadamard spectrum has K terms can be recovered from about K n of
its :math:`2^n` values (X. Li, J. K. Bradley, S. Pawar and K. Ramchandran, 2015,
:arxiv:`1508.06336`). This page measures how many bins and queries and how much time that takes,
without noise and with it, on random spectra that are known beforehand.
"""

import time

import matplotlib.pyplot as plt
import numpy as np

from fasttx.sparse import SparsePlan, density_evolution, peeling_threshold, sparse_fwht

rng = np.random.default_rng(3)
blue, orange, green, grey = "#0072B2", "#D55E00", "#009E73", "#777777"


def as_set(support):
    return {key.tobytes() for key in np.asarray(support, np.uint8)}


def random_spectrum(n, size, degree=None):
    """Different random keys, of `degree` ones if that is given, and coefficients 1 or -1."""
    support = np.zeros((0, n), np.uint8)
    while len(as_set(support)) < size:
        if degree is None:
            support = rng.integers(0, 2, (size, n), dtype=np.uint8)
        else:
            order = rng.random((size, n)).argsort(axis=1)
            support = (order < degree).astype(np.uint8)
    return support, rng.choice([-1.0, 1.0], size)


# %%
# Bins
# ----
# A subspace of :math:`B = 2^b` points, transformed, sorts the terms into B bins. A bin with one
# term gives it away. The term is then taken out of its bins in the other C - 1 groups, and leaves
# some of those with one term: this is peeling. The plan here has 512 bins in each group and does
# not grow. Density evolution says which share of the terms it finds, and how many bins find all.

bins = 512
loads = np.array([0.26, 0.28, 0.3, 0.31, 0.34, 0.36, 0.38, 0.4, 0.42, 0.45, 0.5, 0.6, 0.7, 0.8])
shares = {}
for groups in (3, 4):
    shares[groups] = np.zeros(len(loads))
    for i, load in enumerate(loads):
        for _ in range(2):
            support, coefficients = random_spectrum(40, round(bins / load))
            plan = SparsePlan(40, bins, groups=groups, noise=0, method="noiseless", rng=rng)
            plan.tell_spectrum(support, coefficients)
            found = as_set(plan.recover().support) & as_set(support)
            shares[groups][i] += len(found) / len(support) / 2
    assert np.all(shares[groups][loads > 1.1 * peeling_threshold(groups)] > 0.99)

# %%
# Noise
# -----
# With noise the design has more points in each bin, and asks for more where these do not suffice.
# Here the signal-to-noise ratio is that of a single sample: at -6 dB the noise has four times the
# power of the function. A trial succeeds if exactly the 32 true keys are found. All that
# fail say that they are "noise-limited". Twice the queries gain about four decibels.

ratios = np.arange(-8, 7, 2)
budgets = {4000: blue, 8000: orange, 16000: green}


def succeeds(ratio, budget):
    support, coefficients = random_spectrum(20, 32)
    noise = np.sqrt(32 / 10 ** (ratio / 10))

    def noisy(bits):
        return (1.0 - 2.0 * (bits @ support.T % 2)) @ coefficients + rng.normal(0, noise, len(bits))

    result = sparse_fwht(noisy, 20, 32, noise=noise, max_queries=budget, rng=rng)
    exact = as_set(result.support) == as_set(support)
    assert exact or result.status == "noise-limited"
    return exact


success = {}
for budget in budgets:
    success[budget] = [np.mean([succeeds(r, budget) for _ in range(4)]) for r in ratios]
assert success[16000][-1] == 1

fig, (left, right) = plt.subplots(1, 2, figsize=(9, 4), layout="constrained", sharey=True)
fine = np.linspace(0.25, 0.8, 400)
for (groups, share), colour in zip(shares.items(), (blue, orange), strict=True):
    edges = density_evolution(fine, groups)
    left.plot(fine, 1 - edges ** (groups / (groups - 1)), color=colour, lw=1.5)
    left.plot(loads, share, "o", color=colour, ms=5, label=f"C = {groups} groups")
    threshold = peeling_threshold(groups)
    left.axvline(threshold, color=colour, lw=1, ls=":")
    left.text(threshold, 1.03, f"{threshold:.4f}", color=colour, ha="center", va="bottom")
left.set(xlabel="bins per key, B / K", ylabel="share of the keys found", ylim=(-0.03, 1.12))
left.set_title("Peeling: trials and density evolution")
left.legend(loc="center right")
for (budget, share), marker in zip(success.items(), "os^", strict=True):
    right.plot(ratios, share, marker + "-", color=budgets[budget], ms=5, label=f"{budget}")
right.set(xlabel="signal-to-noise ratio of a sample, dB", ylabel="share of trials that succeed")
right.set(xticks=range(-8, 7, 4), title="Noise: n = 20, K = 32")
right.legend(title="queries, at most", loc="lower right")
plt.show()

# %%
# Queries and time
# ----------------
# Without noise, any 32 keys on n bits take a number of queries in proportion to n. If keys have at
# most five ones and the plan knows, the number grows as slowly as log n. Time, in milliseconds at
# the end of the lines, is that of decoding: ``tell_spectrum`` hands in what the function would
# answer. Up to 256 terms it includes exact standard errors. Two keys that share their bins in all
# groups are not told apart, once in some fifty plans: such a plan says that it is "overloaded", and
# would ask for more. These are left out.


def decode(n, size, degree=None):
    """Queries, and the shortest time of three plans that suffice."""
    times = []
    while len(times) < 3:
        support, coefficients = random_spectrum(n, size, degree)
        plan = SparsePlan(n, size, degree=degree, noise=0, rng=rng)
        plan.tell_spectrum(support, coefficients)
        start = time.perf_counter()
        result = plan.recover()
        if result.status == "converged":
            times.append(time.perf_counter() - start)
            assert as_set(result.support) == as_set(support)
    return result.n_queries, min(times)


lengths = [12, 16, 24, 32, 64, 128, 256, 1000]
counts = [100, 200, 500, 1000, 2000, 5000]
kinds = (("any keys", None, blue, "o"), ("keys of five ones", 5, orange, "s"))

fig, (left, right) = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
left.loglog(np.arange(12, 25), 2.0 ** np.arange(12, 25), "--", color=grey)
left.text(18, 4e5, "$2^n$", color=grey, ha="right")
for name, degree, colour, marker in kinds:
    queries, seconds = np.transpose([decode(n, 32, degree) for n in lengths])
    left.loglog(lengths, queries, marker + "-", color=colour, ms=5, label=name)
    left.text(1150, 0.9 * queries[-1], f"{1e3 * seconds[-1]:.0f} ms", color=colour)
left.set(xlabel="number of bits n", ylabel="queries", title="K = 32", ylim=(500, 1e6))
left.set_xlim(10, 2500)
left.legend()
right.loglog(counts, [decode(64, size)[1] for size in counts], "o-", color=blue, ms=5)
right.set(xlabel="number of terms K", ylabel="seconds of decoding", title="n = 64, any keys")
right.set(ylim=(1e-3, 10))
plt.show()

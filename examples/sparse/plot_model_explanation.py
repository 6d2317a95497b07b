"""
Explaining a model by its interactions
======================================

Which features made a model say what it says about one patient, and which of them act together? Let
a mask choose the features that keep the patient's value; the others take the mean of the training
set. The model is then a function of 30 bits, and for models made of trees its spectrum is sparse.
"Spectral explainer" (SPEX; Kang, Butler, Agarwal, Erginbas, Pedarsani, Yu and Ramchandran, ICML
2025, :arxiv:`2502.13870`) explains language models like this.
"""

# sphinx_gallery_thumbnail_number = 2

import math

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.model_selection import train_test_split
from sklearn.tree import DecisionTreeClassifier

from fasttx import fwht
from fasttx.sparse import sparse_fwht

# %%
# Three models and a patient
# --------------------------
# The data are measurements of cell nuclei; the models tell malignant tumours from benign ones. Of
# the patients that they were not trained on we take the one about whom boosting doubts most.

data = load_breast_cancer()
names, n = data.feature_names, data.data.shape[1]
train, test, y_train, y_test = train_test_split(data.data, 1 - data.target, random_state=0)
tree = DecisionTreeClassifier(max_depth=5, random_state=0).fit(train, y_train)
forest = RandomForestClassifier(100, random_state=0).fit(train, y_train)
boosting = GradientBoostingClassifier(random_state=0).fit(train, y_train)
baseline = train.mean(axis=0)
patient = test[np.argmin(np.abs(boosting.decision_function(test)))]


def masked(output):
    """A model's output as a function of masks (m, 30)."""
    return lambda bits: output(np.where(bits == 1, patient, baseline))


games = {
    "tree, probability": masked(lambda x: tree.predict_proba(x)[:, 1]),
    "forest, probability": masked(lambda x: forest.predict_proba(x)[:, 1]),
    "boosting, log-odds": masked(boosting.decision_function),
    "boosting, probability": masked(lambda x: boosting.predict_proba(x)[:, 1]),
}

# %%
# Their spectra
# -------------
# Each takes some thousand calls of the model, of a billion masks. A tree of depth five has terms of
# at most five bits; sums of trees, as forests and log-odds are, keep that. The probability of
# boosting bends its log-odds, so that no term is exactly zero: the largest ones are found, and the
# status says that there are more. R\ :sup:`2` is measured on masks that were not asked before.

results = {
    name: sparse_fwht(game, n, 64, degree=5, max_queries=7000, rng=1)
    for name, game in games.items()
}
fresh = np.random.default_rng(2).integers(0, 2, (4000, n))
styles = zip(("#0072B2", "#009E73", "#D55E00", "#CC79A7"), ("-", "--", "-.", ":"), strict=True)
fig, ax = plt.subplots(figsize=(7, 4), layout="constrained")
for (name, result), (colour, line) in zip(results.items(), styles, strict=True):
    expected = games[name](fresh)
    terms = range(1, len(result) + 1)
    missed = [np.mean((expected - result.top(k)(fresh)) ** 2) / expected.var() for k in terms]
    ax.loglog(terms, missed, line, color=colour, lw=2, label=name)
    print(f"{name:22}", result)
ax.set(xlabel="terms kept", ylabel="unexplained variance, $1 - R^2$", ylim=(1e-6, 2))
ax.set_title("A few terms explain most of a model")
ax.legend()
plt.show()

# %%
# Is it right?
# ------------
# The tree asks for few features: all masks of these, with one transform, give its whole spectrum.

used = np.unique(tree.tree_.feature[tree.tree_.feature >= 0])


def table(game, features):
    """All values of a game on some features; the others keep the mean."""
    masks = np.zeros((2 ** len(features), n), np.uint8)
    masks[:, features] = np.arange(len(masks))[:, None] >> np.arange(len(features)) & 1
    return game(masks)


exact = fwht(table(games["tree, probability"], used), norm="forward")
result = results["tree, probability"]
index = result.support[:, used] @ (1 << np.arange(len(used)))
recovered = np.zeros(len(exact))
recovered[index] = result.coefficients
assert np.allclose(recovered, exact)
assert set(np.flatnonzero(result.support.any(axis=0))) <= set(used)

# %%
# The Shapley value of a feature is the mean of what it adds to sets of others, over all orders in
# which features may come. Boosting depends, at this patient, on few enough features to enumerate
# all of their sets. The values from the spectrum are the same.

result = results["boosting, log-odds"]
players = np.flatnonzero(result.support.any(axis=0))
d = len(players)
worth = table(games["boosting, log-odds"], players)
sets = np.arange(2**d)
weight = np.array([1 / (d * math.comb(d - 1, s)) for s in range(d)])
shapley = result.interactions("Shapley")
for bit, player in enumerate(players):
    without = sets[sets >> bit & 1 == 0]
    gain = worth[without | 1 << bit] - worth[without]
    assert np.isclose(weight[np.bitwise_count(without)] @ gain, shapley.get((player,), 0))
assert np.isclose(sum(shapley.values()), worth[-1] - worth[0])
print(f"{d} features matter: Shapley values agree with those of {2**d} sets")

# %%
# What the model sees in this patient
# -----------------------------------
# Each Shapley value sums up a feature's part in moving the log-odds from that of the mean to that
# of the patient. The interaction of a pair says what both together add to what each adds alone.

order = sorted(players, key=lambda i: -abs(shapley.get((i,), 0)))[:10]
pairs = result.interactions("SII")
square = np.array(
    [[pairs.get((min(i, j), max(i, j)), 0) if i != j else 0 for j in order] for i in order]
)
values = np.array([shapley[i,] for i in order])
limit = np.abs(square).max()
fig, (left, right) = plt.subplots(1, 2, figsize=(9.5, 4.2), layout="constrained", sharey=True)
left.barh(range(len(order)), values, color=np.where(values > 0, "#B2182B", "#2166AC"))
left.axvline(0, color="black", lw=0.8)
left.set_yticks(range(len(order)), [f"{names[i]}  {k}" for k, i in enumerate(order, 1)])
left.set(xlabel="log-odds of a malignant tumour", title="Shapley values")
left.invert_yaxis()
drawn = right.imshow(square, cmap="RdBu_r", vmin=-limit, vmax=limit, aspect="auto")
right.set_xticks(range(len(order)), range(1, len(order) + 1))
right.set_xlabel("feature, numbered as on the left")
right.set_title("Interactions of pairs (SII)")
fig.colorbar(drawn, ax=right, label="log-odds")
plt.show()

"""
A graph from its cuts
=====================

Somebody splits the vertices of an unknown graph in two and is told the weight of all edges between
the parts. How many such cuts tell the graph? The value of a cut is a function of one bit for each
vertex. An edge of weight w between i and j adds w/2 to the constant term of its spectrum, and -w/2
at the key of the bits i and j. There is nothing else: the spectrum is the graph, and
`fasttx.sparse.sparse_fwht` recovers it (the method is that of X. Li, J. K. Bradley, S. Pawar and K.
Ramchandran, 2015, :arxiv:`1508.06336`; learning graphs from cuts by sparse spectra, of A.
Amrollahi, A. Zandieh, M. Kapralov and A. Krause, NeurIPS 2019).
"""

# sphinx_gallery_thumbnail_number = 2

import matplotlib.pyplot as plt
import networkx as nx
import numpy as np
from matplotlib.patheffects import withStroke

from fasttx.sparse import sparse_fwht

blue, orange, grey = "#0072B2", "#D55E00", "#999999"


def edges_of(graph):
    """Edges (E, 2) as numbers of vertices, sorted, and their weights (E,)."""
    matrix = np.triu(nx.to_numpy_array(graph))
    ends = np.argwhere(matrix)
    return ends, matrix[tuple(ends.T)]


def cut_function(graph):
    """Weight of the edges between the vertices with the bit 0 and those with the bit 1."""
    ends, weights = edges_of(graph)
    return lambda bits: (bits[:, ends[:, 0]] != bits[:, ends[:, 1]]) @ weights


def graph_of(result):
    """Edges, their weights and the standard errors of these, from a spectrum."""
    pairs = result.degrees == 2
    ends = np.nonzero(result.support[pairs])[1].reshape(-1, 2)
    order = np.lexsort((ends[:, 1], ends[:, 0]))
    return ends[order], -2 * result.coefficients[pairs][order], 2 * result.stderr[pairs][order]


# %%
# Two graphs
# ----------
# Zachary's karate club, whose edges count the contexts in which two members met, and the characters
# of Les Misérables, whose edges count the chapters that two share. The recovery is told how many
# terms there are, the edges and the constant, and that keys have at most two ones.

club, novel = nx.karate_club_graph(), nx.les_miserables_graph()
for name, graph in (("karate club", club), ("Les Misérables", novel)):
    n, size = graph.number_of_nodes(), graph.number_of_edges()
    result = sparse_fwht(cut_function(graph), n, size + 1, degree=2, rng=0)
    ends, weights, _ = graph_of(result)
    assert result.status == "converged"
    assert np.array_equal(ends, edges_of(graph)[0])
    assert np.allclose(weights, edges_of(graph)[1])
    print(f"{name}: {size} edges from {result.n_queries} cuts of 2^{n},", end=" ")
    print(f"{n * (n - 1) // 2 + n + 1} terms of at most two bits")

# %%
# How many cuts
# -------------
# These are few of all cuts, but more than there are pairs of vertices. The cuts of all single
# vertices and of all pairs give each weight as w = (cut(i) + cut(j) - cut(i, j)) / 2: for a small
# graph, without noise, that is the better way. But it takes about :math:`n^2 / 2` cuts, however few
# edges there are. The queries of the sparse transform grow with the number of edges, and with the
# logarithm of n.

sizes = 2 ** np.arange(5, 12)
asked = []
for n in sizes:
    graph = nx.gnm_random_graph(int(n), 64, seed=1)
    result = sparse_fwht(cut_function(graph), int(n), 65, degree=2, rng=0)
    assert np.array_equal(graph_of(result)[0], edges_of(graph)[0])
    asked.append(result.n_queries)


def draw(ax, ends, weights, n, colours, **layout):
    """A recovered graph; larger vertices have heavier edges. Returns its places."""
    found = nx.Graph()
    found.add_nodes_from(range(n))
    found.add_weighted_edges_from([(i, j, w) for (i, j), w in zip(ends, weights, strict=True)])
    place = nx.spring_layout(found, weight=None, iterations=300, seed=4, **layout)
    weight = np.array([total for _, total in found.degree(weight="weight")])
    widths = [0.4 + 0.3 * w for *_, w in found.edges(data="weight")]
    nx.draw_networkx_edges(found, place, ax=ax, width=widths, edge_color=grey, alpha=0.7)
    nx.draw_networkx_nodes(
        found,
        place,
        ax=ax,
        node_size=25 + 350 * weight / weight.max(),
        node_color=colours,
        edgecolors="white",
    )
    ax.set_axis_off()
    return place


fig, (left, right) = plt.subplots(
    1, 2, figsize=(9.5, 4.8), layout="constrained", width_ratios=(2, 3)
)
left.loglog(sizes, sizes * (sizes - 1) / 2 + sizes, "--", color=grey, base=2)
left.text(500, 2e5, "single vertices\nand pairs", color="#666666", ha="right")
left.loglog(sizes, asked, "o-", color=blue, base=2)
left.text(2048, 1e4, "sparse transform", color=blue, ha="right")
left.set_yscale("log", base=10)
left.set(xlabel="vertices n", ylabel="cuts", title="Random graphs with 64 edges")
place = draw(right, ends, weights, len(novel), blue, k=0.2)
for name in ("Valjean", "Marius", "Enjolras", "Thenardier", "Fantine", "Myriel"):
    at = place[list(novel).index(name)]
    text = right.annotate(name, at, (8, 5), textcoords="offset points")
    text.set_path_effects([withStroke(linewidth=2.5, foreground="white")])
right.set_title("Les Misérables, recovered")
plt.show()

# %%
# With noise
# ----------
# Now each value has an error of standard deviation 2, twice the smallest weight. Every query
# measures all of the edges, so that their errors are small. With as many queries, each pair asked
# by itself five times, errors would be ten times larger. The colours show how the club split later.

noise = np.random.default_rng(1)
cut = cut_function(club)
result = sparse_fwht(
    lambda bits: cut(bits) + noise.normal(0, 2, len(bits)), 34, 79, degree=2, rng=0
)
ends, weights, errors = graph_of(result)
truth = edges_of(club)[1]
assert np.array_equal(ends, edges_of(club)[0])
assert np.array_equal(weights.round(), truth)
print(result)
print(f"{np.mean(np.abs(weights - truth) < 2 * errors):.0%} within two standard errors")

fig, (left, right) = plt.subplots(1, 2, figsize=(9.5, 4.8), layout="constrained")
clubs = [blue if member == "Mr. Hi" else orange for _, member in club.nodes(data="club")]
draw(left, ends, weights, len(club), clubs)
left.set_title("The karate club, recovered")
order = np.lexsort((weights, truth))
edges = np.arange(len(order))
right.step(edges, truth[order], where="mid", color="black", lw=1, label="truth")
right.vlines(edges, 0, weights[order], color=blue, lw=1, alpha=0.3)
right.errorbar(
    edges, weights[order], 2 * errors[order], fmt="o", ms=3, lw=1.2, color=blue, label="recovered"
)
right.set(xlabel="edge", ylabel="weight, with two standard errors", ylim=(0, None))
right.set_title("Weights from noisy cuts")
right.legend(loc="upper left")
plt.show()

"""
How much one vector holds
=========================

A vector symbolic architecture stores a record as a single vector: each value is bound with its
key, and the pairs are added up. Unbinding with a key gives the value back with noise, and a memory
of all values cleans it up. How many pairs fit in so many dimensions is known from theory: the
curves are that (E. P. Frady, D. Kleyko and F. T. Sommer, 2018, :arxiv:`1803.00412`), the dots are
experiments.
"""

import matplotlib.pyplot as plt
import numpy as np

from fasttx.sketch import vsa

# %%
# A record of three fields
# ------------------------

space = vsa.Hadamard(1024)
fields, values = space.random(3, rng=0), space.random(50, rng=1)
record = space.bundle(space.bind(fields, values[[7, 21, 42]]))
memory = vsa.CleanupMemory(space, values)
index, similarity = memory.query(space.unbind(record, fields))
print("found", index, "with similarities", similarity.round(2))

# %%
# Values recovered out of a codebook of 1000
# ------------------------------------------
# Bundles of integers (MAP-I), of bits by majority (MAP-B), and of real vectors bound by XOR and by
# circular convolution, in 512 and in 2048 dimensions.

styles = {
    vsa.MAPI: ("#0072B2", "o", "MAP-I"),
    vsa.Hadamard: ("#009E73", "s", "Hadamard"),
    vsa.Circular: ("#E69F00", "^", "circular convolution"),
    vsa.MAPB: ("#D55E00", "v", "MAP-B"),
}
codebook = 1000
figure, panels = plt.subplots(1, 2, figsize=(10, 4.2), sharey=True, layout="constrained")
for panel, d, most in zip(panels, (512, 2048), (60, 240), strict=True):
    fine = np.unique(np.geomspace(1, most, 60).astype(int))
    coarse = np.linspace(4, most, 9).astype(int)
    for architecture, (color, marker, label) in styles.items():
        if architecture in (vsa.MAPI, vsa.MAPB):  # the others have the curve of MAP-I
            theory = [1 - vsa.error_probability(architecture, d, int(m), codebook) for m in fine]
            panel.plot(fine, theory, color=color, lw=1.5)
        found = [
            1 - vsa.simulate(architecture, d, int(m), codebook, trials=200, rng=0) for m in coarse
        ]
        panel.plot(coarse, found, marker, color=color, ms=5, mfc="none", label=label)
    panel.set(title=f"{d} dimensions", xlabel="pairs in a vector", ylim=(0, 1.03))
    panel.grid(alpha=0.3, lw=0.4)
panels[0].set_ylabel("share of values recovered")
panels[1].legend(frameon=False)
plt.show()

# %%
# The dimension that a task needs follows: for 50 pairs, a codebook of 10000 and an error of one
# percent,

for architecture, (_, _, label) in styles.items():
    print(f"{label:22s}{vsa.dimension_needed(architecture, 50, 10_000):6d}")

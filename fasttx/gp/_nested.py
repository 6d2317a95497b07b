"""Factorization of symmetric block matrices whose blocks live on nested groups.

Unknowns come in parts, part t having ``n_t`` of them, powers of two that do not increase. Block
(s, t), s <= t, has entries c_st(g(i) - g(j)) for i < n_s, j < n_t, with a function c_st on the
group of n_s points, given by its transform ``e_st``. Such are the Gram matrices of several tasks or
derivatives, and of numbers of points that are not powers of two, whose binary digits are the parts.

Eliminating part s leaves blocks of the same kind: the product of convolutions with c_st, c_ss^-1
and c_su, restricted to the subgroup of part t. So K = L D L^H costs as much as transforms do, and
is exact: a diagonal elimination per frequency, followed by a mean over the frequencies that
coincide on the subgroup.
"""

import numpy as np
from numpy.typing import NDArray

from ._group import Array, extend, restrict

Blocks = dict[tuple[int, int], Array]


def product(blocks: Blocks, parts: list[Array]) -> list[Array]:
    """Transforms of K x from those of the parts of x, each of shape (…, n_t)."""
    out = [blocks[t, t] * x for t, x in enumerate(parts)]
    for (s, t), block in blocks.items():
        if s != t:
            out[s] = out[s] + block * extend(parts[t], out[s].shape[-1])
            out[t] = out[t] + restrict(np.conj(block) * parts[s], out[t].shape[-1])
    return out


class NestedFactor:
    """K = L D L^H, from the transforms of the blocks (s, t), s <= t."""

    def __init__(self, blocks: Blocks):
        self.sizes = [block.size for (s, t), block in sorted(blocks.items()) if s == t]
        self.blocks = dict(blocks)
        self.ratios: Blocks = {}
        count = len(self.sizes)
        for s in range(count):
            pivot = self.blocks[s, s]
            if not pivot.min() > 0:
                raise np.linalg.LinAlgError("the Gram matrix is not positive definite")
            for t in range(s + 1, count):
                ratio = self.ratios[s, t] = np.conj(self.blocks[s, t]) / pivot
                for u in range(t, count):
                    change = ratio * self.blocks[s, u]
                    change = restrict(change.real if t == u else change, self.sizes[t])
                    self.blocks[t, u] = self.blocks[t, u] - change

    @property
    def pivots(self) -> list[NDArray[np.float64]]:
        """The transform of D."""
        return [self.blocks[t, t] for t in range(len(self.sizes))]

    def logdet(self) -> float:
        """Logarithm of the determinant of K."""
        return sum(float(np.log(pivot).sum()) for pivot in self.pivots)

    def forward(self, parts: list[Array]) -> list[Array]:
        """Transforms of L^-1 x."""
        out = list(parts)
        for (s, t), ratio in self.ratios.items():
            out[t] = out[t] - restrict(ratio * out[s], self.sizes[t])
        return out

    def backward(self, parts: list[Array]) -> list[Array]:
        """Transforms of L^-H x."""
        out = list(parts)
        for (s, t), ratio in reversed(self.ratios.items()):
            out[s] = out[s] - np.conj(ratio) * extend(out[t], self.sizes[s])
        return out

    def solve(self, parts: list[Array]) -> list[Array]:
        """Transforms of K^-1 x."""
        scaled = [x / pivot for x, pivot in zip(self.forward(parts), self.pivots, strict=True)]
        return self.backward(scaled)

    def whiten(self, parts: list[Array]) -> list[Array]:
        """Transforms of D^-1/2 L^-1 x, whose squares sum to x K^-1 x."""
        return [
            x / np.sqrt(pivot) for x, pivot in zip(self.forward(parts), self.pivots, strict=True)
        ]

    def colour(self, parts: list[Array]) -> list[Array]:
        """Transforms of L D^1/2 x, which has the covariance K if x is white."""
        out = [x * np.sqrt(pivot) for x, pivot in zip(parts, self.pivots, strict=True)]
        for (s, t), ratio in reversed(self.ratios.items()):
            out[t] = out[t] + restrict(ratio * out[s], self.sizes[t])
        return out

    def logdet_gradient(self) -> Blocks:
        """Derivatives of `logdet`: the change for changes de_st is Re sum conj(gradient) de_st."""
        gradient = {key: np.zeros_like(block) for key, block in self.blocks.items()}
        for t, pivot in enumerate(self.pivots):
            gradient[t, t] = 1 / pivot
        count = len(self.sizes)
        for s in reversed(range(count)):
            n, pivot = self.sizes[s], self.blocks[s, s]
            for t in range(s + 1, count):
                for u in range(t, count):
                    # Of blocks[t, u] -= restrict(conj(a) b / pivot).
                    weight = -extend(gradient[t, u], n) * (self.sizes[t] / n)
                    ratio_t, ratio_u = self.ratios[s, t], self.ratios[s, u]
                    gradient[s, t] += np.conj(weight * ratio_u)
                    gradient[s, u] += weight * np.conj(ratio_t)
                    gradient[s, s] -= (np.conj(weight) * ratio_t * np.conj(ratio_u)).real
        return gradient

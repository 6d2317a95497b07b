"""Functions of known sparse Walsh spectrum, evaluated by their definition."""

import numpy as np


class Planted:
    """A random sparse spectrum as an oracle that remembers what it was asked."""

    def __init__(self, n, sparsity, seed, *, degree=None, values="signs", noise=0.0):
        self.rng = np.random.default_rng(seed)
        self.n, self.noise = n, noise
        keys = np.zeros((0, n), np.uint8)
        while len(keys) < sparsity:
            if degree is None:
                more = self.rng.integers(0, 2, (sparsity, n), dtype=np.uint8)
            else:
                order = self.rng.random((sparsity, n)).argsort(axis=1)
                more = (order < self.rng.integers(0, degree + 1, (sparsity, 1))).astype(np.uint8)
            keys = np.unique(np.concatenate([keys, more]), axis=0)
        self.support = self.rng.permutation(keys)[:sparsity].astype(bool)
        signs = self.rng.choice([-1.0, 1.0], sparsity)
        size = {
            "signs": np.ones(sparsity),
            "normal": 0.1 + np.abs(self.rng.standard_normal(sparsity)),
            "decades": np.logspace(0, -5, sparsity),
        }[values]
        self.coefficients = signs * size
        self.rows = []

    def __call__(self, bits):
        self.rows.append(bits)
        values = self.exact(bits)
        return values + self.noise * self.rng.standard_normal(len(bits))

    def exact(self, bits):
        odd = (bits.astype(np.float32) @ self.support.T.astype(np.float32)) % 2
        return (1 - 2 * odd.astype(float)) @ self.coefficients

    @property
    def asked(self):
        return np.concatenate(self.rows)

    def terms(self):
        return as_terms(self.support, self.coefficients)


def as_terms(support, coefficients):
    """A spectrum as a dict from packed keys to values."""
    names = np.packbits(support, axis=1, bitorder="little")
    return {name.tobytes(): value for name, value in zip(names, coefficients, strict=True)}


def same_support(result, planted):
    return set(as_terms(result.support, result.coefficients)) == set(planted.terms())


def largest_error(result, planted):
    """Of the coefficients, over both supports."""
    found, true = as_terms(result.support, result.coefficients), planted.terms()
    return max(abs(found.get(k, 0) - true.get(k, 0)) for k in found.keys() | true.keys())

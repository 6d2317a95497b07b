"""Genz' six families of integrands over the unit cube, with integrals in closed form.

A. Genz, "Testing multidimensional integration routines", in Tools, Methods and Languages for
Scientific and Engineering Computation, 81-94, 1984. Parameters a say how difficult an integrand is,
u where it is so.
"""

from fractions import Fraction
from math import factorial, prod

import numpy as np
from scipy.special import erf


class Genz:
    """An integrand of a family, with its integral."""

    def __init__(self, family, a, u=None):
        self.a = np.asarray(a, float)
        self.d = self.a.size
        self.u = np.full(self.d, 0.3) if u is None else np.asarray(u, float)
        self._value, self._integral = FAMILIES[family]

    def __call__(self, x):
        return self._value(x, self.a, self.u)

    @property
    def integral(self):
        return float(self._integral(self.a, self.u))


def oscillatory(x, a, u):
    return np.cos(2 * np.pi * u[0] + x @ a)


def oscillatory_integral(a, u):
    return (np.exp(2j * np.pi * u[0]) * np.prod(np.expm1(1j * a) / (1j * a))).real


def product_peak(x, a, u):
    return np.prod(1 / (a**-2.0 + (x - u) ** 2), axis=1)


def product_peak_integral(a, u):
    return np.prod(a * (np.arctan(a * (1 - u)) + np.arctan(a * u)))


def corner_peak(x, a, u):
    return (1 + x @ a) ** -(a.size + 1.0)


def corner_peak_integral(a, u):
    """1 / (d! prod a) times the sum of (-1)**|S| / (1 + sum_S a) over all subsets S.

    Terms cancel, so they are rationals; subsets of equal sum are taken together.
    """
    exact = [Fraction(float(v)) for v in a]
    signs = {Fraction(0): 1}
    for v in exact:
        longer = dict(signs)
        for total, sign in signs.items():
            longer[total + v] = longer.get(total + v, 0) - sign
        signs = longer
    return sum(sign / (1 + total) for total, sign in signs.items()) / (
        factorial(a.size) * prod(exact)
    )


def gaussian(x, a, u):
    return np.exp(-(((x - u) * a) ** 2).sum(axis=1))


def gaussian_integral(a, u):
    return np.prod(np.sqrt(np.pi) / (2 * a) * (erf(a * (1 - u)) + erf(a * u)))


def continuous(x, a, u):
    return np.exp(-np.abs(x - u) @ a)


def continuous_integral(a, u):
    return np.prod((2 - np.exp(-a * u) - np.exp(-a * (1 - u))) / a)


def discontinuous(x, a, u):
    return np.where((x[:, :2] <= u[:2]).all(axis=1), np.exp(x @ a), 0.0)


def discontinuous_integral(a, u):
    ends = np.append(u[:2], np.ones(a.size))[: a.size]
    return np.prod(np.expm1(a * ends) / a)


FAMILIES = {
    "oscillatory": (oscillatory, oscillatory_integral),
    "product peak": (product_peak, product_peak_integral),
    "corner peak": (corner_peak, corner_peak_integral),
    "Gaussian": (gaussian, gaussian_integral),
    "continuous": (continuous, continuous_integral),
    "discontinuous": (discontinuous, discontinuous_integral),
}

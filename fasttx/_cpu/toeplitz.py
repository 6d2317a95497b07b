"""Loops of the direct Toeplitz solvers: the Levinson-Schur recursion and Cauchy-like elimination.

The recursion carries each prediction polynomial together with its product with the matrix, so that
a step needs no inner products: every loop is a sum of two scaled vectors and becomes vector
instructions without reassociation. What falls far below the precision is set to zero, since
arithmetic on subnormal numbers is tens of times slower.
"""

import functools

import numpy as np

from .._jit import compiled, compiled_as, entry

# For entries of about one. A product of two kept numbers is far from the subnormals.
SMALLEST_ENTRY = 1e-200
SMALLEST_COEFFICIENT = 1e-40


@compiled
def kept_real(x):
    return x if abs(x) > SMALLEST_ENTRY else 0.0


@compiled
def kept_complex(z):
    return complex(kept_real(z.real), kept_real(z.imag))


@functools.cache
def recursion(dtype):
    """``f(u, v, before_u, before_v, first, columns, errors, limit) -> steps done``.

    After step m, b and f are the last and the first column of the inverse of the leading minor of
    order m + 1, scaled so that b[m] = f[0] = 1. Row i of the matrix [T; -I] applied to b is in
    ``u[i - m]`` and to f in ``v[i]``, m <= i <= n + m; rows i < 0 of the matrix continued upwards
    are in ``before_u[m - i]`` and ``before_v[-i]``. These two are empty for a Hermitian matrix.

    Steps `first`, `first` + 1, ... are taken, one for each row of `columns`, where row s receives u
    at the offset s. Where `columns` has no entries only ``errors`` is wanted, the quotients of
    successive minors, and the rows of -I are left out. A step whose quotient is not above `limit`
    in magnitude is the last and does not count.
    """
    kept = kept_complex if np.dtype(dtype).kind == "c" else kept_real

    @compiled_as(f"toeplitz_exchange_{dtype}")
    def exchange(u, v, to_u, to_v):
        for i in range(u.size):
            a, b = u[i], v[i]
            u[i] = kept(a - to_u * b)
            v[i] = kept(b - to_v * a)

    @entry(f"toeplitz_recursion_{dtype}")
    def run(u, v, before_u, before_v, first, columns, errors, limit):
        n = errors.size
        solving = columns.shape[1] > 0
        hermitian = before_u.size == 0
        done = 0
        for s in range(columns.shape[0]):
            m = first + s
            width = n + 1 if solving else n - m
            if m > 0:
                if solving:
                    u[n - m] = 0  # leaves the rows of T, enters those of -I
                to_v = v[m] / u[0]
                to_u = np.conj(to_v) if hermitian else before_u[m] / u[0]
                if max(abs(to_u), abs(to_v)) > SMALLEST_COEFFICIENT:
                    exchange(u[:width], v[m : m + width], to_u, to_v)
                    if not hermitian:
                        exchange(before_u[m:], before_v[: n - m], to_u, to_v)
                if hermitian:
                    u[0] = u[0].real
            errors[m] = u[0]
            if not abs(u[0]) > limit:
                break
            if solving:
                row = columns[s, s : s + width]
                for i in range(width):
                    row[i] = u[i]
            done += 1
        return done

    return run


@entry("toeplitz_cauchy_elimination")
def cauchy_elimination(g, h, phases, weights, order, sides, upper, pivots):
    """Gaussian elimination with partial pivoting on a Cauchy-like matrix of order n.

    Entry (i, j) is ``weights[n - 1 + j - i] * (g[:, i] @ h[:, j]) * p[i] * q[j]``, where the parts
    of g and h are the rows Re g0, Im g0, Re g1, Im g1 and those of the phases Re p, Im p, Re q,
    Im q. `order` starts as 0, ..., n - 1 and receives the permutation of the rows. The elimination
    is applied to the rows of `sides`, real and imaginary parts in turn, where there are any, and
    row k of the upper triangle is kept in `upper`, unless that is empty. Returns the number of
    pivots before the first that is zero.
    """
    n = g.shape[1]
    keep = upper.shape[0] > 0
    lr, li, size = np.empty(n), np.empty(n), np.empty(n)
    g0r, g0i, g1r, g1i = g[0], g[1], g[2], g[3]
    h0r, h0i, h1r, h1i = h[0], h[1], h[2], h[3]
    pr, pi, qr, qi = phases[0], phases[1], phases[2], phases[3]
    for k in range(n):
        # Column k, without the factor q[k] until the pivot is known.
        a, b, c, d = h0r[k], h0i[k], h1r[k], h1i[k]
        for i in range(k, n):
            w = weights[n - 1 + k - order[i]]
            x = g0r[i] * a - g0i[i] * b + (g1r[i] * c - g1i[i] * d)
            y = g0r[i] * b + g0i[i] * a + (g1r[i] * d + g1i[i] * c)
            x, y = w * x, w * y
            lr[i] = x * pr[i] - y * pi[i]
            li[i] = x * pi[i] + y * pr[i]
            size[i] = lr[i] * lr[i] + li[i] * li[i]
        best = k
        for i in range(k + 1, n):
            if size[i] > size[best]:
                best = i
        if not size[best] > 0:
            return k
        if best != k:
            for part in range(4):
                g[part, k], g[part, best] = g[part, best], g[part, k]
            for part in range(2):
                phases[part, k], phases[part, best] = phases[part, best], phases[part, k]
            order[k], order[best] = order[best], order[k]
            lr[k], lr[best] = lr[best], lr[k]
            li[k], li[best] = li[best], li[k]
            for row in range(sides.shape[0]):
                sides[row, k], sides[row, best] = sides[row, best], sides[row, k]
        pivot = complex(lr[k], li[k])
        pivots[k] = pivot * complex(qr[k], qi[k])

        inverse = 1 / pivot
        vr, vi = inverse.real, inverse.imag
        a, b, c, d = g0r[k], g0i[k], g1r[k], g1i[k]
        for i in range(k + 1, n):
            x = lr[i] * vr - li[i] * vi
            y = lr[i] * vi + li[i] * vr
            lr[i], li[i] = x, y
            g0r[i] -= x * a - y * b
            g0i[i] -= x * b + y * a
            g1r[i] -= x * c - y * d
            g1i[i] -= x * d + y * c
        for row in range(0, sides.shape[0], 2):
            re, im = sides[row], sides[row + 1]
            e, f = re[k], im[k]
            for i in range(k + 1, n):
                re[i] -= lr[i] * e - li[i] * f
                im[i] -= lr[i] * f + li[i] * e

        # Row k of the upper triangle; then the row generators with that row over the pivot.
        inverse = 1 / pivots[k]
        vr, vi = inverse.real, inverse.imag
        er, ei = pr[k], pi[k]
        e, f, o, s = h0r[k], h0i[k], h1r[k], h1i[k]
        start = n - 1 - order[k]
        for j in range(k + 1, n):
            w = weights[start + j]
            x = a * h0r[j] - b * h0i[j] + (c * h1r[j] - d * h1i[j])
            y = a * h0i[j] + b * h0r[j] + (c * h1i[j] + d * h1r[j])
            z = w * (qr[j] * er - qi[j] * ei)
            t = w * (qr[j] * ei + qi[j] * er)
            x, y = x * z - y * t, x * t + y * z
            lr[j], li[j] = x, y
            x, y = x * vr - y * vi, x * vi + y * vr
            h0r[j] -= x * e - y * f
            h0i[j] -= x * f + y * e
            h1r[j] -= x * o - y * s
            h1i[j] -= x * s + y * o
        if keep:
            upper[k, k] = pivots[k]
            for j in range(k + 1, n):
                upper[k, j] = complex(lr[j], li[j])
    return n

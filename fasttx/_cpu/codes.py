"""Decoders of codes over GF(2): BCH codes from syndromes, convolutional codes from soft values.

A field GF(2^m) is two tables: ``exp`` holds the powers of a primitive element alpha twice over and
then zeros, ``log`` its inverse with log 0 = 2 (2^m - 1). So ``exp[log[a] + log[b]]`` is the product
for all a and b, without a branch on zero. All indices are signed: an unsigned one would make Numba
compute in floating point where the two kinds meet.
"""

import numpy as np

from .._jit import compiled, entry


@entry("codes_field")
def field(m, exp, log):
    """Fill `exp` (4N + 1) and `log` (N + 1), N = 2^m - 1; the primitive polynomial is returned.

    It is the least of degree m whose root has order N: for any other the powers return too early.
    """
    order = (1 << m) - 1
    for polynomial in range((1 << m) + 1, 2 << m, 2):
        x = 1
        for i in range(order):
            exp[i] = x
            log[x] = i
            x <<= 1
            if x >> m:
                x ^= polynomial
            if x == 1 and i < order - 1:
                break
        else:
            log[0] = 2 * order
            for i in range(order):
                exp[order + i] = exp[i]
            exp[2 * order :] = 0
            return polynomial
    return 0


@entry("codes_bch_rows")
def bch_rows(exp, leads, n, m, rows, rank, spread):
    """Independent rows of a parity-check matrix, packed into the first `rank` of `rows` (zeros).

    Bit b of the power sum with exponent ``leads[i]`` is one candidate. ``spread[k, i]`` (zeros)
    becomes what bit k of a syndrome adds to power sum i, so that the rows that were dropped are
    remembered as sums of those that were kept. The number kept is returned.
    """
    order = (1 << m) - 1
    for i in range(leads.size):
        power = 0
        for position in range(n):
            value = exp[power]
            bit = np.uint64(1) << np.uint64(position & 63)
            for b in range(m):
                if value >> b & 1:
                    rows[i * m + b, position >> 6] |= bit
            power = (power + leads[i]) % order
    words = rows.shape[1]
    terms = (rank + 63) >> 6
    # A row of `reduced` is zero at the pivots of the rows before it and is a sum of kept rows.
    reduced = np.empty((rank, words + terms), np.uint64)
    pivots = np.empty(rank, np.int64)
    row = np.empty(words + terms, np.uint64)
    found = 0
    for candidate in range(leads.size * m):
        row[:words] = rows[candidate]
        row[words:] = 0
        for k in range(found):
            pivot = pivots[k]
            if row[pivot >> 6] >> np.uint64(pivot & 63) & np.uint64(1):
                for w in range(row.size):
                    row[w] ^= reduced[k, w]
        pivot = -1
        for w in range(words):
            if row[w]:
                b = 0
                while not row[w] >> np.uint64(b) & np.uint64(1):
                    b += 1
                pivot = 64 * w + b
                break
        i, bit = candidate // m, 1 << candidate % m
        if pivot >= 0:
            rows[found] = rows[candidate]  # found <= candidate: nothing unread is lost
            spread[found, i] |= bit
            row[words + (found >> 6)] |= np.uint64(1) << np.uint64(found & 63)
            reduced[found] = row
            pivots[found] = pivot
            found += 1
        else:
            for k in range(found):
                if row[words + (k >> 6)] >> np.uint64(k & 63) & np.uint64(1):
                    spread[k, i] |= bit
    return found


@compiled
def locator(sums, exp, log, t, sigma, last, kept):
    """Berlekamp-Massey: `sigma` becomes the error locator; its degree, or -1 if there is none.

    ``sums[j]`` is the power sum S_j, j = 1..2t. Over GF(2) S_2j = S_j^2 makes every second
    discrepancy vanish, so the steps go in twos.
    """
    order = log.size - 1
    sigma[:] = 0
    last[:] = 0
    sigma[0] = last[0] = 1
    length, last_length, log_last, shift = 0, 0, 0, 1
    for r in range(0, 2 * t, 2):
        gap = sums[r + 1]
        for j in range(1, length + 1):
            gap ^= exp[log[sigma[j]] + log[sums[r + 1 - j]]]
        if gap:
            longer = 2 * length <= r
            if longer:
                if r + 1 - length > t:
                    return -1
                kept[: length + 1] = sigma[: length + 1]
            quotient = log[gap] - log_last
            if quotient < 0:
                quotient += order
            for j in range(last_length + 1):
                sigma[j + shift] ^= exp[quotient + log[last[j]]]
            if longer:
                last[: length + 1] = kept[: length + 1]
                last_length, length = length, r + 1 - length
                log_last, shift = log[gap], 0
        shift += 2
    return length if sigma[length] else -1


@compiled
def roots(p, degree, exp, log, n, found, powers, steps):
    """Positions l < n, ascending, with p(alpha^l) = 0 for a monic `p` (overwritten); their number.

    A Chien search that divides each root out. The last one is read off, the rest are scanned for.
    """
    order = log.size - 1
    position = count = 0
    while degree > 1:
        terms = 0
        for k in range(degree + 1):
            if p[k]:
                powers[terms] = (log[p[k]] + k * position) % order
                steps[terms] = k
                terms += 1
        while position < n:
            value = 0
            for j in range(terms):
                power = powers[j]
                value ^= exp[power]
                power += steps[j]
                powers[j] = power - order if power >= order else power
            if value == 0:
                break
            position += 1
        if position == n:
            return count
        found[count] = position
        count += 1
        carry = 1
        for k in range(degree - 1, -1, -1):
            above = carry
            carry = p[k] ^ exp[log[above] + position]
            p[k] = above
        degree -= 1
        position += 1
    if degree == 1 and position <= log[p[0]] < n:  # a repeated root would lie below
        found[count] = log[p[0]]
        count += 1
    return count


@entry("codes_bch_decode")
def bch_decode(syndromes, spread, leads, source, power, exp, log, t, n, keys, weights):
    """Key of weight <= t for each packed syndrome, into `keys` (zeros), with its weight or -1.

    ``leads[source[j]] * power[j]`` is j modulo the order, j = 1..2t: what power sum S_j is a
    power of.
    """
    order = log.size - 1
    base = np.empty(leads.size, np.int64)
    sums = np.empty(2 * t + 1, np.int64)
    sigma, last, kept, p, found, powers, steps = np.empty((7, t + 2), np.int64)
    for a in range(syndromes.shape[0]):
        base[:] = 0
        for k in range(spread.shape[0]):
            if syndromes[a, k >> 6] >> np.uint64(k & 63) & np.uint64(1):
                for i in range(leads.size):
                    base[i] ^= spread[k, i]
        zero = True
        for i in range(leads.size):
            zero &= base[i] == 0
        if zero:
            weights[a] = 0
            continue
        weights[a] = -1
        for j in range(1, 2 * t + 1):
            s = base[source[j]]
            sums[j] = exp[log[s] * power[j] % order] if s else 0
        degree = locator(sums, exp, log, t, sigma, last, kept)
        if degree < 1:
            continue
        for k in range(degree + 1):
            p[k] = sigma[degree - k]
        if roots(p, degree, exp, log, n, found, powers, steps) < degree:
            continue
        # Implied by as many roots as the degree, but a proof costs less than the search did: no
        # key leaves with another syndrome.
        right = True
        for i in range(leads.size):
            s = base[i]
            for k in range(degree):
                s ^= exp[found[k] * leads[i] % order]
            right &= s == 0
        if right:
            weights[a] = degree
            for k in range(degree):
                keys[a, found[k] >> 6] |= np.uint64(1) << np.uint64(found[k] & 63)


@compiled
def best_path(u, signs, sign, steps, length, metric, following, branch, decisions):
    """Viterbi's recursion towards the largest ``sign * sum(u * (-1)^code word)``, which it returns.

    State s holds the last six message bits, the newest in bit 0. Both end taps of every polynomial
    are set: states h and h + 32 therefore meet in 2h and 2h + 1 with the four branch values
    +-branch[h].
    """
    metric[:] = -np.inf
    metric[0] = 0.0
    for tau in range(steps):
        branch[:] = 0.0
        for p in range(signs.shape[0]):
            value = sign * u[p * steps + tau]
            for h in range(32):
                branch[h] += value * signs[p, h]
        decision = np.uint64(0)
        for h in range(32):
            low, high, gain = metric[h], metric[h + 32], branch[h]
            even, odd = low + gain, low - gain
            other_even, other_odd = high - gain, high + gain
            # Selects, not branches: which path wins is a coin toss for the processor.
            decision |= np.uint64(other_even > even) << np.uint64(2 * h)
            decision |= np.uint64(other_odd > odd) << np.uint64(2 * h + 1)
            following[2 * h] = other_even if other_even > even else even
            following[2 * h + 1] = other_odd if other_odd > odd else odd
        if tau >= length:  # only zeros enter now
            following[1::2] = -np.inf
        decisions[tau] = decision
        metric, following = following, metric
    return metric[0]


@entry("codes_viterbi")
def viterbi(u, signs, length, messages, metrics):
    """Most likely message of each row of `u` for either sign, into `messages` (zeros).

    ``signs[p, h]`` is (-1)^b for the bit b that polynomial p puts out when the taps at delays 1..5
    see the bits of h and the end taps see zeros.
    """
    steps = u.shape[1] // signs.shape[0]
    metric, following = np.empty((2, 64))
    branch = np.empty(32)
    decisions = np.empty((2, steps), np.uint64)
    for a in range(u.shape[0]):
        plus = best_path(u[a], signs, 1.0, steps, length, metric, following, branch, decisions[0])
        minus = best_path(u[a], signs, -1.0, steps, length, metric, following, branch, decisions[1])
        chosen = 1 if minus > plus else 0
        metrics[a] = max(plus, minus)
        state = 0
        for tau in range(steps - 1, -1, -1):
            if state & 1 and tau < length:
                messages[a, tau >> 6] |= np.uint64(1) << np.uint64(tau & 63)
            oldest = decisions[chosen, tau] >> np.uint64(state) & np.uint64(1)
            state = state >> 1 | (32 if oldest else 0)

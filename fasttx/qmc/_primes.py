"""Prime numbers."""

import numpy as np
from numpy.typing import NDArray


def primes(below: int) -> NDArray[np.int64]:
    """All primes less than `below`, by the sieve of Eratosthenes."""
    prime = np.ones(below, bool)
    prime[:2] = False
    for p in range(2, int(below**0.5) + 1):
        if prime[p]:
            prime[p * p :: p] = False
    return np.flatnonzero(prime)


def prime_factors(n: int) -> list[int]:
    """The primes that divide n, by trial division."""
    factors, p = [], 2
    while p * p <= n:
        if n % p == 0:
            factors.append(p)
            while n % p == 0:
                n //= p
        p += 1
    return factors + [n] * (n > 1)


def primitive_root(p: int) -> int:
    """The least primitive root modulo an odd prime."""
    factors = prime_factors(p - 1)
    return next(g for g in range(2, p) if all(pow(g, (p - 1) // q, p) != 1 for q in factors))

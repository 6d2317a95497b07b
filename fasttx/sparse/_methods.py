"""Which offsets each method asks for, and what that costs: the planning of a design."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from ._codes import bch_rows
from .density import peeling_threshold

METHODS = ("auto", "noiseless", "near-linear", "nso", "nso-hard", "so", "bch", "bch-hard")
COSET_BITS = 24  # most unknown bits that the search over a coset takes
QUICK_BITS = 18  # those that it takes without being asked
_SMALL = 6  # bits of functions that are read whole
_MEMORY = 6  # bits that end a convolutional code word
_HELD_OUT = (16, 1024)


@dataclasses.dataclass(frozen=True)
class Design:
    """The first offsets of every group."""

    method: str
    bits: int
    rank: int  # coordinates of a key
    shifts: int  # offsets that are followed by a step in every unknown coordinate
    others: int  # random offsets
    rates: int  # generator polynomials of the convolutional code
    groups: int
    n: int

    @classmethod
    def of_all(cls, n: int) -> Design:
        """All points, in one group."""
        return cls("whole", n, n, 1, 0, 0, 1, n)

    @property
    def whole(self) -> bool:
        """Whether the one group has all 2**n points."""
        return self.bits == self.n

    @property
    def offsets(self) -> int:
        """Offsets of a group."""
        unknown = self.rank - self.bits
        coded = self.rates * (unknown + _MEMORY) if unknown else 0
        return self.shifts * (1 + unknown) + self.others + coded

    @property
    def held_out(self) -> int:
        """Random points that no key is read from."""
        if self.whole:
            return 0
        queries = self.groups * self.offsets << self.bits
        least, most = _HELD_OUT
        free = (1 << self.n) - queries if self.n < 62 else most
        return max(0, min(max(least, queries // 64), most, free // 2))

    @property
    def queries(self) -> int:
        """Rows of the design, those included that repeat others."""
        return (self.groups * self.offsets << self.bits) + self.held_out


def checks(unknown: int, bins: int) -> int:
    """Random offsets against bins of three equal terms.

    Such a bin looks like one key at an offset with probability 3/4, and like the same key with 3/8
    where the key is known already. About a bin in 16 has three terms at the usual load; together
    they shall deceive less than one time in twenty; then the design grows.
    """
    deceived = bins / 16 * 0.75**unknown
    return max(2, math.ceil(math.log(20 * deceived) / math.log(8 / 3))) if deceived > 0 else 2


def design(method: str, n: int, bits: int, groups: int, degree: int | None, noisy: bool) -> Design:
    """The first design of a method (not "auto") with 2**bits bins a group."""
    coded = method in ("bch", "bch-hard")
    rank = bch_rows(n, degree) if coded and degree is not None else n
    bits = min(bits, rank)
    if bits == rank == n:
        return Design.of_all(n)
    unknown = rank - bits
    extra = checks(unknown, groups << bits)
    shifts, others, rates = 0, 0, 0
    if method == "near-linear":
        others = unknown + 16
    elif method == "so":
        rates, others = 2, 8
    else:
        shifts = 2 if noisy and method != "noiseless" else 1
        others = extra
    return Design(method, bits, rank, shifts, others, rates, groups, n)


def candidates(
    method: str, n: int, bits: int, groups: int, degree: int | None, noisy: bool
) -> list[Design]:
    """Designs that may serve, the one with the fewest queries first."""
    if method != "auto":
        names = [method]
    elif noisy:
        names = ["near-linear"] if n - bits <= QUICK_BITS else ["so"]
        names += [] if degree is None else ["bch"]
    else:
        names = ["noiseless"] if degree is None else ["noiseless", "bch"]
    found = [design(name, n, bits, groups, degree, noisy) for name in names]
    found.sort(key=lambda d: d.queries)
    # A design as large as the function, or too small to tell noise, gives way to the whole table.
    if method == "auto" and n < 62 and (n <= _SMALL or found[0].queries >= 1 << n):
        found.insert(0, Design.of_all(n))
    return found


def check_noise(noise: str | float) -> str | float:
    if isinstance(noise, str):
        if noise != "auto":
            raise ValueError(f'noise must be "auto" or a standard deviation; got {noise!r}')
        return noise
    sigma = float(noise)
    if not (sigma >= 0 and math.isfinite(sigma)):
        raise ValueError(f"noise must be a finite standard deviation, at least 0; got {noise}")
    return sigma


def first_design(config: dict[str, Any]) -> Design:
    """The first design, after checks of the arguments together."""
    n, sparsity, most = config["n"], config["sparsity"], config["max_queries"]
    method, degree, groups = config["method"], config["degree"], config["groups"]
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}; got {method!r}")
    if not 0 < config["confidence"] < 1:
        raise ValueError(f"confidence must be between 0 and 1; got {config['confidence']}")
    if degree is not None and degree > n:
        raise ValueError(f"degree must be at most n = {n}; got {degree}")
    if method.startswith("bch") and degree is None:
        raise ValueError(f"method={method!r} needs the degree of the keys")
    if sparsity is None and most is None:
        raise ValueError("give the sparsity, max_queries or both")
    if sparsity is not None and n < 62 and sparsity > 1 << n:
        raise ValueError(f"sparsity must be at most 2**n = {1 << n}; got {sparsity}")
    if degree is not None and degree >= n:
        degree = None if not method.startswith("bch") else n
    noisy = config["noise"] != "auto" and config["noise"] > 0

    def options(bits: int) -> list[Design]:
        found = candidates(method, n, bits, groups, degree, noisy)
        if method == "near-linear" and found[0].rank - found[0].bits > COSET_BITS:
            raise ValueError(
                f'method="near-linear" searches 2**(n - b) keys for each bin; n - b is {n - bits}, '
                f"at most {COSET_BITS}: use "
                + ", ".join(repr(m) for m in METHODS if m not in ("near-linear", "auto"))
            )
        return found

    if sparsity is None:
        fitting = [d for b in range(1, min(n, 40) + 1) for d in options(b) if d.queries <= most]
        if not fitting:
            least = min(d.queries for d in options(1))
            raise ValueError(f"max_queries is {most}; the smallest design needs {least}")
        return max(fitting, key=lambda d: (d.bits, -d.queries))
    bits = min(n, max(1, math.ceil(math.log2(sparsity))))
    first = options(bits)[0]
    if most is None or first.queries <= most:
        return first
    # One hash bit less still leaves more bins than peeling needs, unless K is just above 2**b.
    if bits > 1 and (1 << (bits - 1)) / sparsity > 1.1 * peeling_threshold(groups):
        small = options(bits - 1)[0]
        first = min(first, small, key=lambda d: d.queries)
    if first.queries > most:
        raise ValueError(
            f"max_queries is {most}; recovering {sparsity} terms on {n} bits needs {first.queries}"
        )
    return first

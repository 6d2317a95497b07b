"""Sparse Walsh-Hadamard transform of a function or a table, in one call."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .._array import check_count, is_device_array
from ._oracle import ask, table
from .plan import SparsePlan
from .result import SparseResult

_CHUNK = 1 << 18  # queries that a function on a device gets at a time


def sparse_fwht(
    f: Callable[[np.ndarray], ArrayLike] | ArrayLike,
    n: int,
    sparsity: int | None = None,
    *,
    degree: int | None = None,
    noise: str | float = "auto",
    method: str = "auto",
    groups: int = 3,
    max_queries: int | None = None,
    confidence: float = 0.999,
    rng: Any = None,
    workers: Any = None,
    progress: bool = False,
    like: Any = None,
) -> SparseResult:
    """Walsh-Hadamard spectrum of a function on n bits that has few non-zero terms.

    ``f(m) = sum_k X[k] * (-1)**<k, m>`` is found from ``O(K n)`` values of f and less, noisy ones
    too. All 2**n values are asked for only where these are no more.

    Parameters
    ----------
    f : callable or array_like
        A function that takes uint8 zeros and ones, shape (m, n), column i being bit i, and returns
        (m,) or (m, p) numbers, real or complex; or its table, shape (2**n,) or (2**n, p). The table
        may be a device array, and the function may return one.
    n : int
        Number of bits.
    sparsity : int, optional
        Number K of terms to prepare for; may be left out if `max_queries` is given.
    degree : int, optional
        Most ones of a key, if that is known: fewer queries for large n. A term with more is not
        found, and keeps the status from being "converged".
    noise : "auto" or float, optional
        Standard deviation of the noise of one value. With "auto" it is estimated from the bins with
        the least energy.
    method : str, optional
        How bins are turned into keys, see Notes. "auto" takes the one with the fewest queries, and
        goes over to one for noise when there is some.
    groups : int, optional
        Number C of hashings, at least 2.
    max_queries : int, optional
        Most rows that f is ever given. By default 16 times the first design.
    confidence : float, optional
        Probability that no bin of noise is taken for more.
    rng : seed or numpy.random.Generator, optional
        Random state; the same seed gives the same queries.
    workers : int, concurrent.futures.Executor or dask.distributed.Client, optional
        Who evaluates f: so many threads, or what has a method ``submit``. By default this thread.
    progress : bool, optional
        Show a bar (needs tqdm).
    like : device array, optional
        Give f its arguments as arrays of that library and device; for a table on a device, that is
        so anyway.

    Returns
    -------
    SparseResult
        Terms, standard errors, and whether they explain the function; on the host.

    Raises
    ------
    ValueError
        If an argument is out of range, `max_queries` is too small, or f returns a wrong number of
        values or one that is not finite.
    Exception
        What f raises, with a note that says in which chunk; its attribute ``plan`` is the
        `SparsePlan` with all that was told.

    See Also
    --------
    SparsePlan : the same in steps, to be saved and resumed.
    fasttx.fwht : the whole spectrum of a table.

    Notes
    -----
    SPRIGHT [1]_: f on an affine subspace ``{M l + d}`` of 2**b points, transformed, adds up the
    terms whose keys agree in ``M^T k``: 2**b bins, and the offset d gives each term the sign
    ``(-1)**<d, k>``. A bin with one term is recognised, its key is read off the signs, and the term
    is taken out of its bins in the other groups, where new single terms appear. ``C = 3`` groups
    with ``B >= 0.4073 K`` bins suffice (`peeling_threshold`). The methods differ in the offsets:

    - "noiseless": 0 and a basis of what the hash leaves open, n - b + 1 offsets, and a few checks;
    - "near-linear": O(n) random offsets, the most likely key of all 2**(n - b) of the bin by one
      transform (n - b up to 24);
    - "nso", "nso-hard": random offsets, each with a basis added; soft votes, or of signs;
    - "so": the rows of a convolutional code; its decoder (Viterbi's) corrects signs, so that
      ``O(K log N)`` queries suffice under noise;
    - "bch", "bch-hard": keys of at most `degree` ones from the syndromes of a BCH code, of which
      the hash is a part; soft (Chase's) or hard decoding.

    What a bin must have to count is judged by chi-square quantiles at the noise's level. A design
    that does not suffice grows, and keeps every value: more offsets against noise, a small group
    for a small rest, twice the bins where there are too many terms. Time is ``O(K n)`` word
    operations beside the queries.

    Values on a device are decoded there, see `SparsePlan`.

    References
    ----------
    .. [1] X. Li, J. K. Bradley, S. Pawar, K. Ramchandran, "SPRIGHT: A fast and robust framework
       for sparse Walsh-Hadamard transform", 2015. :arxiv:`1508.06336`
    .. [2] A. Amrollahi, A. Zandieh, M. Kapralov, A. Krause, "Efficiently learning Fourier sparse
       set functions", NeurIPS 2019.

    Examples
    --------
    >>> from fasttx.sparse import sparse_fwht
    >>> def f(bits):
    ...     return bits[:, 3] * bits[:, 70] + 0.5 * bits[:, 99]
    >>> result = sparse_fwht(f, 100, 8, degree=2, rng=1)
    >>> result.status, len(result), result.n_queries < 2**11
    ('converged', 5, True)
    >>> result.interactions("Shapley")
    {(3,): 0.5, (70,): 0.5, (99,): 0.5}
    """
    if not callable(f) and is_device_array(f):
        from . import _device as device

        f, like = device.table(f, check_count(n, "n")), f
    elif not callable(f):
        values = np.asarray(f)
        if values.ndim not in (1, 2) or values.shape[:1] != (1 << check_count(n, "n"),):
            raise ValueError(
                f"f must be callable or have 2**n = {1 << n} rows; got the shape {values.shape}"
            )
        f = table(values)
    plan = SparsePlan(
        n,
        sparsity,
        max_queries=max_queries,
        degree=degree,
        noise=noise,
        method=method,
        groups=groups,
        confidence=confidence,
        rng=rng,
    )
    if like is None:
        ask(plan, f, workers, progress)
    else:
        ask(plan, f, workers, progress, functools.partial(plan.queries, like=like), _CHUNK)
    return plan.recover()

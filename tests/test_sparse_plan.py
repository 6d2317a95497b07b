"""Plans: what is asked, told, kept, refused, and in which order."""

import json
import threading
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fasttx._cpu import gf2
from fasttx.sparse import SparsePlan, sparse_fwht
from fasttx.sparse._bits import group_equal, pack, unpack
from fasttx.sparse._design import Blocks, Coded, Group, Identity
from tests.planted import Planted, largest_error

# Linear algebra over GF(2), against integers modulo 2.


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 150), st.integers(1, 9), st.integers(0, 2**32))
def test_packing(n, m, seed):
    bits = np.random.default_rng(seed).integers(0, 2, (m, n), dtype=np.uint8)
    packed = pack(bits)
    assert packed.shape == (m, -(-n // 64))
    np.testing.assert_array_equal(unpack(packed, n), bits)
    value = sum(int(b) << i for i, b in enumerate(bits[0]))
    assert sum(int(w) << 64 * i for i, w in enumerate(packed[0])) == value
    rows, number = group_equal(packed)
    np.testing.assert_array_equal(packed[rows][number], packed)
    assert len(rows) == len(np.unique(bits, axis=0))


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 140), st.integers(0, 2**32))
def test_bases_of_a_group_are_regular(r, seed):
    rng = np.random.default_rng(seed)
    bits = int(rng.integers(1, r + 1)) if r < 12 else 3
    group = Group(Identity(r), bits, Blocks(r), rng)
    matrix, back = unpack(group.directions, r).astype(int), unpack(group.back, r).astype(int)
    # v = T s, s = sum of v_i back_i.
    np.testing.assert_array_equal(matrix @ back.T % 2, np.eye(r))
    keys = rng.integers(0, 2, (5, r), dtype=np.uint8)
    v = keys.astype(int) @ matrix.T % 2
    found = np.empty((5, pack(keys).shape[1]), np.uint64)
    gf2.combine()(group.back, pack(v.astype(np.uint8)), found)
    np.testing.assert_array_equal(unpack(found, r), keys)
    np.testing.assert_array_equal(
        group.coordinates(pack(keys)), v[:, :bits] @ (1 << np.arange(bits))
    )


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 90), st.integers(1, 90), st.integers(0, 2**32))
def test_elimination(n, count, seed):
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, 2, (count, n), dtype=np.uint8)
    rows[count // 2] = rows[: count // 2].sum(axis=0) % 2
    basis = pack(rows)
    marks, pivots = pack(np.eye(count, dtype=np.uint8)), np.zeros(count, np.int64)
    rank = gf2.eliminate()(basis, marks, pivots)
    made = unpack(marks, count).astype(int) @ rows % 2
    np.testing.assert_array_equal(made, unpack(basis, n))
    assert not basis[rank:].any()
    np.testing.assert_array_equal(unpack(basis[:rank], n)[:, pivots[:rank]], np.eye(rank))


# Queries.


def all_points(plan):
    return plan._points(np.arange(len(plan._told)))


@settings(max_examples=25, deadline=None)
@given(st.integers(4, 40), st.integers(1, 12), st.sampled_from(["noiseless", "so", "nso"]),
       st.integers(0, 2**32))  # fmt: skip
def test_repeated_queries_are_found_exactly(n, sparsity, method, seed):
    plan = SparsePlan(n, min(sparsity, 1 << n - 2), method=method, rng=seed)
    for growth in (None, ["bits"], ["shifts", 2], ["others", 3], ["group", 2]):
        if growth and (plan._layout.groups[0].bits < n - 2):
            plan._apply(growth)
        points = all_points(plan)
        fresh = points[plan._fresh]
        assert len(np.unique(fresh, axis=0)) == len(fresh) == len(np.unique(points, axis=0))
        for repeats, first in plan._copies:
            np.testing.assert_array_equal(points[repeats], points[first])
            assert not plan._fresh[repeats].any()
            assert plan._fresh[first].all()


def test_samples_of_a_group_are_its_bins():
    f = Planted(18, 5, 0, values="normal")
    for check in (Identity(18), Coded(18, 2)):
        rng = np.random.default_rng(0)
        blocks = Blocks(18)
        group = Group(check, 3, blocks, rng)
        group.shifts, group.others, group.rates = group.draw(2), group.draw(3), 2
        for _ in range(2):
            group.lay()
            values = f.exact(unpack(blocks.points(np.arange(blocks.size)), 18))[:, None]
            seen = group.gather(values)[0]
            keys = pack(f.support.astype(np.uint8))
            place = group.coordinates(keys)
            for t, offset in enumerate(unpack(group.offsets, 18).astype(int)):
                signs = 1 - 2 * (f.support.astype(int) @ offset % 2)
                expected = np.bincount(place, signs * f.coefficients, minlength=group.length)
                found = seen[t] @ _hadamard(group.bits) / group.length
                np.testing.assert_allclose(found, expected, atol=1e-12)
            for index, told in group.answer(keys, f.coefficients):
                np.testing.assert_allclose(told, values[index, 0], atol=1e-12)
            group.widen()


def _hadamard(bits):
    k = np.arange(1 << bits)
    return 1.0 - 2 * (np.bitwise_count(k[:, None] & k) & 1)


def test_method_with_the_fewest_queries():
    def chosen(n, sparsity, **arguments):
        return SparsePlan(n, sparsity, rng=0, **arguments)._layout.first.method

    assert chosen(20, 32) == chosen(20, 32, degree=5) == "noiseless"
    assert chosen(100, 100) == "noiseless"
    assert chosen(100, 100, degree=5) == chosen(1000, 64, degree=5) == "bch"
    assert chosen(20, 32, noise=1.0) == "near-linear"
    assert chosen(200, 32, noise=1.0) == "so"
    assert chosen(200, 32, noise=1.0, degree=2) == "bch"
    assert chosen(10, 64) == chosen(4, 2) == "whole"


def test_same_seed_same_plan():
    one, two, other = (SparsePlan(50, 9, degree=3, rng=seed) for seed in (7, 7, 8))
    np.testing.assert_array_equal(all_points(one), all_points(two))
    assert one.hash == two.hash != other.hash
    assert (all_points(one)[:100] != all_points(other)[:100]).any()
    generator = SparsePlan(50, 9, degree=3, rng=np.random.default_rng(7))
    assert generator.hash == one.hash
    assert SparsePlan(50, 9, degree=4, rng=7).hash != one.hash


def test_no_row_is_asked_twice():
    for f, n in ((Planted(12, 6, 0), 12), (Planted(30, 90, 1), 30)):
        result = sparse_fwht(f, n, 32, noise=0, rng=0)
        assert len(np.unique(f.asked, axis=0)) == len(f.asked) == result.n_queries


def test_rows_that_are_held_out_or_asked_again_are_counted():
    f = Planted(20, 32, 0, noise=8.0)
    result = sparse_fwht(f, 20, 32, rng=0)
    assert result.n_queries == len(f.asked)
    assert len(np.unique(f.asked, axis=0)) == len(f.asked) - 32


@pytest.mark.parametrize("chunk", [1, 7, 4096])
def test_chunks_and_order_do_not_matter(chunk):
    f = Planted(16, 5, 3, values="normal")
    plan = SparsePlan(16, 5, rng=3)
    chunks = list(plan.queries(chunk))
    assert max(len(idx) for idx, _ in chunks) <= chunk
    np.testing.assert_array_equal(
        np.concatenate([i for i, _ in chunks]), np.flatnonzero(plan._fresh)
    )
    for i in np.random.default_rng(0).permutation(len(chunks)):
        idx, bits = chunks[i]
        assert bits.dtype == np.uint8
        plan.tell(idx, f(bits))
    assert list(plan.queries()) == []
    assert largest_error(plan.recover(), f) < 1e-10


def test_growing_while_told_late():
    f = Planted(30, 200, 0)
    plan = SparsePlan(30, 64, noise=0, rng=0)
    passes = 0
    while chunks := list(plan.queries(1000)):
        passes += 1
        for idx, bits in reversed(chunks):
            plan.tell(idx, f(bits))
    assert passes >= 2
    result = plan.recover()
    assert result.status == "converged"
    assert largest_error(result, f) < 1e-10


def test_recover_before_all_is_told():
    f = Planted(20, 5, 0)
    plan = SparsePlan(20, 5, rng=0)
    with pytest.raises(ValueError, match=r"\d+ of \d+ queries have not been told"):
        plan.recover()
    idx, bits = next(plan.queries(100))
    plan.tell(idx, f(bits))
    with pytest.raises(ValueError, match=f"{plan.n_planned - 100} of {plan.n_planned}"):
        plan.recover()


def test_values_told_again_replace_the_old_ones():
    f = Planted(20, 5, 0)
    plan = SparsePlan(20, 5, rng=0)
    for idx, _ in plan.queries(100):
        plan.tell(idx, np.zeros(len(idx)))
    assert len(plan.recover()) == 0
    index = np.arange(len(plan._told))
    plan.tell(index, f(all_points(plan)))
    assert largest_error(plan.recover(), f) < 1e-10
    assert plan.n_queries == plan.n_planned


# Files.


def test_save_and_resume(tmp_path):
    f = Planted(25, 100, 2)
    path = tmp_path / "plan.npz"
    plan = SparsePlan(25, 32, noise=0, rng=5, tag="model 3")
    whole = SparsePlan(25, 32, noise=0, rng=5, tag="model 3")
    for idx, bits in whole.queries():
        whole.tell(idx, f.exact(bits))
    assert whole._log
    chunks = 0
    while True:
        for idx, bits in plan.queries(500):
            plan.tell(idx, f(bits))
            chunks += 1
            if chunks % 3 == 0:
                break
        else:
            break
        plan.save(path)
        plan = SparsePlan.load(path, tag="model 3")
    assert len(f.asked) == plan.n_queries == whole.n_queries
    assert len(np.unique(f.asked, axis=0)) == len(f.asked)
    np.testing.assert_array_equal(all_points(plan), all_points(whole))
    np.testing.assert_array_equal(plan.recover().support, whole.recover().support)


def test_file_of_another_plan_or_oracle_is_refused(tmp_path):
    path = tmp_path / "plan"
    plan = SparsePlan(25, 8, rng=5, tag="model 3")
    idx, bits = next(plan.queries(10))
    plan.tell(idx, bits[:, 0])
    plan.save(path)
    assert SparsePlan.load(path).n_queries == 10
    assert SparsePlan.load(path, like=SparsePlan(25, 8, rng=5, tag="model 3")).n_queries == 10
    with pytest.raises(ValueError, match="another oracle: its tag is 'model 3', not 'model 4'"):
        SparsePlan.load(path, tag="model 4")
    with pytest.raises(ValueError, match="values of another plan: its hash is"):
        SparsePlan.load(path, like=SparsePlan(25, 8, rng=6, tag="model 3"))
    with np.load(path) as file:
        parts = dict(file)
    state = json.loads(str(parts["state"]))
    np.savez(tmp_path / "bad.npz", **parts | {"state": json.dumps(state | {"hash": "0"})})
    with pytest.raises(ValueError, match="is damaged"):
        SparsePlan.load(tmp_path / "bad.npz")
    np.savez(tmp_path / "old.npz", **parts | {"state": json.dumps(state | {"format": 0})})
    with pytest.raises(ValueError, match="of format 0; expected a SparsePlan of format 1"):
        SparsePlan.load(tmp_path / "old.npz")
    np.savez(tmp_path / "other.npz", x=1)
    with pytest.raises(ValueError, match="does not hold a plan"):
        SparsePlan.load(tmp_path / "other.npz")


# Oracles.


def test_an_error_of_the_oracle_keeps_what_was_told():
    f = Planted(25, 60, 2)

    def failing(bits):
        if len(f.rows) == 1:
            raise ZeroDivisionError("model fell over")
        return f(bits)

    with pytest.raises(ZeroDivisionError, match="model fell over") as caught:
        sparse_fwht(failing, 25, 60, rng=1)
    assert "in chunk 1 of the oracle's queries (numbers 4098 to" in caught.value.__notes__[0]
    plan = caught.value.plan
    assert plan.n_queries == 4096
    for idx, bits in plan.queries():
        plan.tell(idx, f(bits))
    assert largest_error(plan.recover(), f) < 1e-10
    assert len(np.unique(f.asked, axis=0)) == len(f.asked)


class Client:
    """Looks like a Dask client: ``submit`` gives a future with ``result`` and ``cancel``."""

    def __init__(self):
        self.calls = 0

    def submit(self, function, *args):
        self.calls += 1
        future = Future()
        future.set_result(function(*args))
        return future


def test_workers():
    names = set()

    def f(bits):
        names.add(threading.current_thread().name)
        return g.exact(bits)

    g = Planted(22, 40, 0)
    expected = sparse_fwht(g.exact, 22, 40, rng=0)
    client = Client()
    with ThreadPoolExecutor(2) as pool:
        for workers in (1, 3, pool, client):
            result = sparse_fwht(f, 22, 40, rng=0, workers=workers)
            np.testing.assert_array_equal(result.support, expected.support)
            assert result.n_queries == expected.n_queries
    assert client.calls > 1
    assert any("fasttx-oracle" in name for name in names)
    with pytest.raises(ValueError, match="workers must be at least 1"):
        sparse_fwht(f, 22, 40, workers=0)


def test_an_error_in_a_worker_keeps_what_others_found():
    f = Planted(22, 40, 0)
    calls = []

    def failing(bits):
        calls.append(len(bits))
        if len(calls) == 3:
            raise RuntimeError("out of memory")
        return f.exact(bits)

    with pytest.raises(RuntimeError, match="out of memory") as caught:
        sparse_fwht(failing, 22, 40, rng=0, workers=2)
    assert "in chunk" in caught.value.__notes__[0]
    assert caught.value.plan.n_queries >= calls[0]


def test_progress(capsys):
    pytest.importorskip("tqdm")
    sparse_fwht(Planted(20, 4, 0), 20, 4, rng=0, progress=True)
    assert "query" in capsys.readouterr().err


# Bad input.


def test_what_an_oracle_may_not_return():
    with pytest.raises(ValueError, match=r"the value of query \d+ is not finite: nan"):
        sparse_fwht(lambda bits: np.where(bits[:, 0] & bits[:, 1], np.nan, 1.0), 20, 4, rng=0)
    with pytest.raises(ValueError, match=r"values must have the shape \(\d+,\) or \(\d+, p\)"):
        sparse_fwht(lambda bits: bits[1:, 0], 20, 4, rng=0)
    with pytest.raises(ValueError, match="values must be numbers"):
        sparse_fwht(lambda bits: bits[:, 0].astype(str), 20, 4, rng=0)
    plan = SparsePlan(20, 4, rng=0)
    plan.tell([0], [1.0])
    with pytest.raises(ValueError, match=r"told before had the shape \(m,\); got \(1, 2\)"):
        plan.tell([1], [[1.0, 2.0]])
    with pytest.raises(ValueError, match="not finite"):
        plan.tell([1, 2], [1.0, np.inf])
    with pytest.raises(IndexError, match="there are queries 0 to"):
        plan.tell([10**6], [1.0])
    with pytest.raises(ValueError, match="one-dimensional array of integers"):
        plan.tell([0.5], [1.0])
    assert plan.n_queries == 1


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"n": 0, "sparsity": 1}, ValueError, "n must be at least 1; got 0"),
        ({"n": 2.5, "sparsity": 1}, TypeError, "n must be an integer; got float"),
        ({"n": 5, "sparsity": 33}, ValueError, r"sparsity must be at most 2\*\*n = 32; got 33"),
        ({"n": 5, "sparsity": 0}, ValueError, "sparsity must be at least 1; got 0"),
        ({"n": 5}, ValueError, "give the sparsity, max_queries or both"),
        ({"n": 5, "sparsity": 2, "degree": 6}, ValueError, "degree must be at most n = 5; got 6"),
        ({"n": 5, "sparsity": 2, "noise": -1}, ValueError, "noise must be a finite standard"),
        ({"n": 5, "sparsity": 2, "noise": "none"}, ValueError, 'noise must be "auto" or a'),
        ({"n": 5, "sparsity": 2, "method": "ml"}, ValueError, "method must be one of auto, noisel"),
        ({"n": 5, "sparsity": 2, "groups": 1}, ValueError, "groups must be at least 2; got 1"),
        ({"n": 5, "sparsity": 2, "confidence": 1}, ValueError, "confidence must be between 0 and"),
        ({"n": 50, "sparsity": 2, "method": "bch"}, ValueError, "needs the degree of the keys"),
        ({"n": 50, "sparsity": 2, "method": "near-linear"}, ValueError, "n - b is 49, at most 24"),
    ],
)  # fmt: skip
def test_bad_arguments(arguments, error, words):
    with pytest.raises(error, match=words):
        SparsePlan(**arguments)


def test_too_few_queries_says_how_many_are_needed():
    needed = SparsePlan(30, 64, rng=0).n_planned
    with pytest.raises(
        ValueError, match="max_queries is 500; recovering 64 terms on 30 bits needs"
    ):
        SparsePlan(30, 64, max_queries=500)
    with pytest.raises(ValueError, match="needs ") as caught:
        SparsePlan(30, 64, max_queries=500)
    least = int(str(caught.value).split()[-1])
    assert least <= needed
    assert SparsePlan(30, 64, max_queries=least, rng=0).n_planned <= least
    with pytest.raises(ValueError, match="max_queries is 3; the smallest design needs"):
        SparsePlan(30, max_queries=3)


def test_table_of_wrong_length():
    with pytest.raises(ValueError, match=r"2\*\*n = 16 rows; got the shape \(15,\)"):
        sparse_fwht(np.zeros(15), 4, 2)

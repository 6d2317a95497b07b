"""Vector codes, rotations and a key-value cache beside faiss, memory and float32 attention.

Predicted for 10^6 x 128 float32 (512 MB): a copy moves 1 GB, about 40 ms. Encoding to 4 bits reads
half of that and writes a sixteenth; a row of 128 numbers takes three rotations in the first cache
(21 levels, 8 vectors: some 60 ns with the signs) and 8 times 27 operations for masks, 40 ns: 130 ns
or 65 ms on two threads. Searching 100 queries is 12.8 G multiply-adds, at 60 G/s a thread 0.11 s,
and decoding each code once 30 ms. Two rounds on rows of 4096 are 24 levels in cache beside a pass
over memory: twice the pass. Attention over 8192 tokens of 32 heads in 3 bits reads 25 MB instead of
268 MB; 8 operations on 16 numbers make it 3 ms a thread for keys and as much for values.

faiss and torch keep threads spinning after a call, so that their benchmarks come last; run ours in
a process of their own with ``-k fasttx``. ``FASTTX_BENCH_THREADS=2`` is for two threads.
"""

import os

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

import fasttx
from fasttx.quantize import KVCache, RaBitQ, RandomizedHadamard, TurboQuant

THREADS = int(os.environ.get("FASTTX_BENCH_THREADS", "1"))
N, D, QUERIES, K = 1_000_000, 128, 100, 10
ENCODE = "encode 10^6 x 128 float32, 4 bits"
SEARCH = "10 best of 10^6 x 128 at 4 bits, 100 queries"
ROTATE = "rotate 8192 x 4096 float32 in place, two rounds"
ATTEND = "attention of one token, 32 heads, 8192 tokens, d = 128"
RECALL = "recall@10, {}"
HEADS, TOKENS = 32, 8192
MODES = ("4bit_tqmse", "4bit_eden", "4bit")


@pytest.fixture(autouse=True)
def threads():
    with fasttx.threads(THREADS), threadpool_limits(THREADS):
        yield


@pytest.fixture(scope="module")
def x():
    rows = np.random.default_rng(0).standard_normal((N, D), dtype=np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def queries():
    return np.random.default_rng(1).standard_normal((QUERIES, D), dtype=np.float32)


@pytest.fixture(scope="module")
def tokens():
    rng = np.random.default_rng(2)
    keys, values = rng.standard_normal((2, HEADS, TOKENS, D), dtype=np.float32)
    return keys, values, rng.standard_normal((HEADS, D), dtype=np.float32)


def measure(benchmark, group, function, *args, rounds=9, **options):
    """Time calls whose results are dropped."""
    benchmark.group, benchmark.extra_info["threads"] = group, THREADS

    def call():
        function(*args, **options)

    benchmark.pedantic(call, rounds=rounds, warmup_rounds=min(2, rounds - 1))


def codecs(d):
    return {
        "TurboQuant": TurboQuant(d, 4, norm_dtype="float16", rng=0),
        "RaBitQ": RaBitQ(d, 4, norm_dtype="float16", rng=0),
    }


@pytest.mark.parametrize("name", codecs(D))
def test_encode_fasttx(benchmark, x, name):
    measure(benchmark, ENCODE, codecs(D)[name].encode, x)


def test_encode_copy(benchmark, x):
    measure(benchmark, ENCODE, np.copyto, np.empty_like(x), x)


def test_search_fasttx(benchmark, x, queries):
    codec = codecs(D)["TurboQuant"]
    measure(benchmark, SEARCH, codec.search, queries, codec.encode(x), K)


def test_rotate_fasttx(benchmark):
    rows = np.random.default_rng(0).standard_normal((8192, 4096), dtype=np.float32)
    measure(benchmark, ROTATE, RandomizedHadamard(4096, rng=0), rows, overwrite_x=True)


def test_rotate_pass(benchmark):
    rows = np.random.default_rng(0).standard_normal((8192, 4096), dtype=np.float32)

    def some(first, last):
        np.negative(rows[first:last], out=rows[first:last])

    measure(benchmark, ROTATE, fasttx._threads.share, some, len(rows), THREADS)


@pytest.mark.parametrize("bits", [2, 3, 4])
def test_attend_fasttx(benchmark, tokens, bits):
    keys, values, q = tokens
    cache = KVCache(D, HEADS, bits, bits, rng=0)
    cache.append(keys, values)
    measure(benchmark, ATTEND, cache.attend, q)
    benchmark.extra_info["smaller than float16"] = round(16 / cache.bits_per_value, 3)


def vectors(kind):
    """Rows and queries: a sphere, 256 clusters of unequal norms, or handwritten digits."""
    rng = np.random.default_rng(0)
    if kind == "digits":
        rows = pytest.importorskip("sklearn.datasets").load_digits().data
        rows = rng.permutation(rows - rows.mean(0))
    else:
        rows = rng.standard_normal((100_200, D))
        if kind == "clusters":
            centers = rng.standard_normal((256, D))
            rows = centers[rng.integers(0, 256, len(rows))] + 0.5 * rows
            rows *= np.exp(0.2 * rng.standard_normal((len(rows), 1)))
        else:
            rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    rows = rows.astype(np.float32)
    return rows[:-200], rows[-200:]


def recall(found, rows, q):
    exact = np.argsort(-(q @ rows.T), axis=1, kind="stable")[:, :K]
    return float((found[:, :, None] == exact[:, None]).any(2).mean())


KINDS = ("sphere", "clusters", "digits")


@pytest.mark.parametrize("name", codecs(D))
@pytest.mark.parametrize("kind", KINDS)
def test_recall_fasttx(benchmark, kind, name):
    rows, q = vectors(kind)
    codec = codecs(rows.shape[1])[name]
    codes = codec.encode(rows)
    found = {recall(codec.search(q, codec.encode(c * rows), K)[1], rows, q) for c in (1e-3, 1e3)}
    measure(benchmark, RECALL.format(kind), codec.search, q, codes, K, rounds=3)
    benchmark.extra_info["bytes a row"] = codes.nbytes / len(rows)
    benchmark.extra_info["recall"] = recall(codec.search(q, codes, K)[1], rows, q)
    benchmark.extra_info["recall for rows times 1e-3 and 1e3"] = sorted(found)


def test_attend_numpy(benchmark, tokens):
    keys, values, q = tokens

    def attention():
        scores = np.einsum("htd,hd->ht", keys, q) / D**0.5
        weights = np.exp(scores - scores.max(1, keepdims=True))
        weights /= weights.sum(1, keepdims=True)
        return np.einsum("ht,htd->hd", weights, values)

    measure(benchmark, ATTEND, attention)


def scalar_index(faiss, mode, d):
    faiss.omp_set_num_threads(THREADS)
    kind = getattr(faiss.ScalarQuantizer, f"QT_{mode}")
    return faiss.IndexScalarQuantizer(d, kind, faiss.METRIC_INNER_PRODUCT)


@pytest.mark.parametrize("mode", MODES)
def test_encode_faiss(benchmark, x, mode):
    index = scalar_index(pytest.importorskip("faiss"), mode, D)
    index.train(x[:100_000])
    measure(benchmark, ENCODE, index.sa_encode, x, rounds=3)


@pytest.mark.parametrize("mode", MODES)
def test_search_faiss(benchmark, x, queries, mode):
    index = scalar_index(pytest.importorskip("faiss"), mode, D)
    index.train(x[:100_000])
    index.add(x)
    measure(benchmark, SEARCH, index.search, queries, K, rounds=3)


@pytest.mark.parametrize("mode", [*MODES, "PQ of 8 bits", "PQ of 4 bits", "RaBitQ"])
@pytest.mark.parametrize("kind", KINDS)
def test_recall_faiss(benchmark, kind, mode):
    faiss = pytest.importorskip("faiss")
    rows, q = vectors(kind)
    d, inner = rows.shape[1], faiss.METRIC_INNER_PRODUCT
    if mode in MODES:
        index = scalar_index(faiss, mode, d)
    elif mode == "RaBitQ":
        index = faiss.IndexRaBitQ(d, inner, 4)
    else:
        bits = 8 if "8" in mode else 4
        index = faiss.IndexPQ(d, d * 4 // bits, bits, inner)
    index.train(rows)
    index.add(rows)
    measure(benchmark, RECALL.format(kind), index.search, q, K, rounds=2)
    benchmark.extra_info["bytes a row"] = index.sa_code_size()
    benchmark.extra_info["recall"] = recall(index.search(q, K)[1], rows, q)


def test_attend_torch(benchmark, tokens):
    torch = pytest.importorskip("torch")
    torch.set_num_threads(THREADS)
    keys, values, q = (torch.from_numpy(a)[None] for a in tokens)
    attention = torch.nn.functional.scaled_dot_product_attention
    measure(benchmark, ATTEND, attention, q[:, :, None], keys, values)

"""Block formats beside copying the input and filling the output: 4096 x 4096 float32.

Predicted, for a vector of 16 values in the first cache: copying it to a buffer with signs takes 2
loads and a store; a rotation of 16 points, four shuffles and four products; magnitudes, an "and"
and a maximum, and four more shuffles for that of a block; scaling, a load, a product and a store;
rounding, ten operations; packing, two. With both passes of NVFP4 some 50 instructions, or 25 cycles
at two a cycle: 26 million cycles for 2**24 values, 5 ms on each of two cores, while 128 MB are read
and 9 written: about the time of a copy. Decoding looks 16 values up (16 loads, 8 cycles at best),
scales, rotates and writes them: half the instructions, while as much is written as by filling the
array. A new array costs page faults besides, a third of the time in which it is filled.
"""

import numpy as np
import pytest

from fasttx.quantize import E8, FP, INT4, ITQ3, MXFP4, MXFP8, NF4, NVFP4, dequantize, quantize

N = 4096
ENCODE, DECODE = "encode 4096 x 4096 float32", "decode 4096 x 4096 float32"
OTHER = "encode 1024 x 4096 float32"
FORMATS = {
    "nvfp4": NVFP4(),
    "nvfp4-hadamard16": NVFP4(hadamard=16),
    "nvfp4-four-over-six": NVFP4(four_over_six=True),
    "nvfp4-stochastic": NVFP4(rounding="stochastic", rng=0),
    "mxfp4": MXFP4(),
    "mxfp4-rceil-hadamard32": MXFP4(scale_mode="rceil", hadamard=32),
    "mxfp8": MXFP8(),
    "int4": INT4(),
    "nf4": NF4(),
}
SEARCHED = {"int4-mse": INT4(mode="mse"), "fp4": FP(), "itq3": ITQ3(), "e8": E8()}


@pytest.fixture(scope="module")
def x():
    return np.random.default_rng(0).standard_normal((N, N), dtype=np.float32)


@pytest.mark.benchmark(group=ENCODE)
def test_copy(benchmark, x):
    out = np.zeros_like(x)
    benchmark(lambda: np.copyto(out, x))


@pytest.mark.benchmark(group=ENCODE)
@pytest.mark.parametrize("name", FORMATS)
def test_encode(benchmark, x, name):
    # Only the shape is kept of a round: memory of the codes is there for the next one.
    assert benchmark(lambda: quantize(x, FORMATS[name]).shape) == x.shape


@pytest.mark.benchmark(group=DECODE)
def test_fill(benchmark, x):
    out = np.zeros_like(x)
    benchmark(lambda: out.fill(1))


@pytest.mark.benchmark(group=DECODE)
def test_fill_new(benchmark, x):
    assert benchmark(lambda: np.full(x.shape, 1, np.float32).shape) == x.shape


@pytest.mark.benchmark(group=DECODE)
@pytest.mark.parametrize("name", FORMATS)
def test_decode(benchmark, x, name):
    codes = quantize(x, FORMATS[name])
    assert benchmark(lambda: dequantize(codes).shape) == x.shape


@pytest.mark.benchmark(group=OTHER)
@pytest.mark.parametrize("name", SEARCHED)
def test_search(benchmark, x, name):
    assert benchmark(lambda: quantize(x[:1024], SEARCHED[name]).shape) == (1024, N)

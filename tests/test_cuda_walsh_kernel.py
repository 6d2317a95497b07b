"""The dyadic convolution in one kernel."""

import re

import numpy as np
import pytest

import fasttx
from tests.test_cuda_filtering import agree, sample


def convolved(device, a, b):
    from fasttx._cuda import walsh_kernel, wrap

    one, two = wrap(device(a)), wrap(device(b))
    out = one.empty(np.broadcast_shapes(a.shape, b.shape), one.dtype)
    walsh_kernel.xor_convolve(one, two, out)
    return out.array.host


@pytest.mark.parametrize(
    ("dtype", "a", "b"),
    [
        ("float32", (3, 2, 64), (2, 64)),
        ("complex64", (2, 512), (2, 512)),
        ("float64", (1, 2), (5, 2)),
        ("float32", (1, 2048), (1, 2048)),
        pytest.param("complex64", (1, 1 << 13), (1, 1 << 13), marks=pytest.mark.slow),
        pytest.param("float64", (1, 1 << 13), (1, 1 << 13), marks=pytest.mark.slow),
    ],
)
def test_is_that_of_the_host(ptx_device, dtype, a, b):
    a, b = sample(a, dtype, 1), sample(b, dtype, 2)
    agree(convolved(ptx_device, a, b), fasttx.xor_convolve(a, b))


@pytest.mark.parametrize(
    ("kind", "levels", "cc"), [("float32", 13, (9, 0)), ("float64", 9, (8, 0))]
)
def test_instructions(nvvm, kind, levels, cc):
    from fasttx._cuda import codelets, walsh_kernel

    code = walsh_kernel.ptx(kind, levels, cc=cc)
    form = codelets.layout(kind, levels)
    assert not re.search(r"\.local\b|\bcall\b", code)
    assert (".f64" in code) == (kind == "float64")
    # Both rows are read once, the result is written once (for whole tiles, and for the last one).
    loads, stores = (len(re.findall(rf"{name}\.global", code)) for name in ("ld", "st"))
    assert loads == len(re.findall(r"ld\.global(?:\.nc)?\.v[24]", code)) == 2 << form.registers
    assert stores == len(re.findall(r"st\.global\.v[24]", code)) == 2 << form.registers
    shared = re.findall(r"\.shared [^;]*\[(\d+)\];", code)
    assert sum(map(int, shared)) <= 48 << 10

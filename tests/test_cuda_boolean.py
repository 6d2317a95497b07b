"""Boolean functions on a device, against the host's."""

import numpy as np
import pytest

from fasttx import boolean

NUMBERS = (
    boolean.nonlinearity,
    boolean.algebraic_degree,
    boolean.correlation_immunity,
    boolean.is_balanced,
    boolean.is_bent,
)
ARRAYS = (boolean.walsh_spectrum, boolean.anf, boolean.autocorrelation)


def functions():
    """Of six variables: a bent one, one that is linear, a random one, and a constant."""
    u = np.arange(64)
    bent = np.bitwise_count(u >> 3 & u & 7) & 1
    linear = np.bitwise_count(u & 0b110101) & 1
    rng = np.random.default_rng(0)
    return np.stack([bent, linear, rng.integers(0, 2, 64), np.ones(64, int)])


def agree(device, back, f, **options):
    for function in ARRAYS + NUMBERS:
        result, expected = back(function(device(f), **options)), function(f, **options)
        np.testing.assert_array_equal(result, expected)
        assert result.dtype == np.asarray(expected).dtype


def test_compiled(ptx_device):
    back = lambda x: x.host  # noqa: E731
    f = functions()
    agree(ptx_device, back, f.astype(bool))
    signs = (1 - 2 * f[2]).astype("float32")
    distance = boolean.nonlinearity(ptx_device(signs)).host
    assert distance.shape == ()
    assert distance == boolean.nonlinearity(signs)


def test_forms_and_errors(ptx_device):
    ones = np.ones(4, "int32")
    for f, options, error, message in (
        (ones, {}, ValueError, "all values of f are 1"),
        (2 * ones, {}, ValueError, "f has other values: accepted are 0 and 1, or 1 and -1"),
        (-ones, {"form": "bits"}, ValueError, "accepted are 0 and 1"),
        (ones.astype(bool), {"form": "signs"}, TypeError, "holds bits"),
        (ones[:3], {}, ValueError, "must be a power of two; got 3"),
        (ones, {"nvars": 3}, ValueError, "nvars is 3"),
        (ones.astype("uint8"), {"form": "packed"}, NotImplementedError, "on the host only"),
        (ones.astype(complex), {}, TypeError, "complex128; accepted on a device are bool"),
    ):
        with pytest.raises(error, match=message):
            boolean.walsh_spectrum(ptx_device(f), **options)
    for form, value in (("bits", -1), ("signs", 1)):
        spectrum = boolean.walsh_spectrum(ptx_device(ones), form=form).host
        np.testing.assert_array_equal(spectrum, [4 * value, 0, 0, 0])
    with pytest.raises(TypeError, match="sbox is on a device"):
        boolean.sbox_nonlinearity(ptx_device(ones))


@pytest.mark.cuda
def test_on_a_device(library):
    f = functions()
    for dtype in ("bool", "uint8", "int32", "float64"):
        agree(library.to, library.back, f.astype(dtype))
    rng = np.random.default_rng(1)
    agree(library.to, library.back, rng.integers(0, 2, 1 << 16).astype(bool))

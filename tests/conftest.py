"""Fixtures of the tests of device arrays."""

import importlib.util
import os

import pytest

from tests import cuda_libraries
from tests.ptx_device import ptx_device  # noqa: F401


@pytest.hookimpl(optionalhook=True)  # of pytest-xdist
def pytest_xdist_setupnodes():
    """Workers have a core each: with more threads of the BLAS they wait for each other."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


@pytest.fixture(
    params=[
        cuda_libraries.Numba,
        cuda_libraries.Cupy,
        cuda_libraries.Jax,
        cuda_libraries.Torch,
    ],
    ids=["numba", "cupy", "jax", "torch"],
)
def library(request):
    """A library with arrays on a GPU; skips where there is none."""
    from fasttx import _cuda

    try:
        _cuda.require()
    except (ImportError, RuntimeError) as error:
        pytest.skip(str(error))
    return request.param()


@pytest.fixture
def no_transfers():
    """A context in which a copy from a device to the host, real or not, is an error."""
    return cuda_libraries.no_transfers


@pytest.fixture
def nvvm():
    """Skips where kernels cannot be compiled to PTX."""
    if importlib.util.find_spec("numba_cuda") is None:
        pytest.skip("needs numba-cuda: pip install 'fasttx[cuda]'")
    from numba.cuda.cudadrv import nvvm

    if not nvvm.is_available():
        pytest.skip("needs NVVM: pip install 'numba-cuda[cu13]'")

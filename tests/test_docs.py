"""The examples in docstrings and in the user guide."""

import doctest
import importlib
import pkgutil
from pathlib import Path

import numpy as np
import pytest

import fasttx

ROOT = Path(__file__).resolve().parent.parent
MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(fasttx.__path__, "fasttx.")
    if "._cuda" not in module.name and not module.name.endswith("__main__")
)
PAGES = sorted((ROOT / "docs" / "guide").glob("*.rst"))
FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


@pytest.mark.parametrize("name", MODULES)
def test_docstrings(name):
    if name in ("fasttx.torch", "fasttx._torch"):
        pytest.importorskip("torch")
    if "_device" in name:
        pytest.importorskip("numba_cuda")  # these load kernels
    with np.printoptions():
        result = doctest.testmod(importlib.import_module(name), optionflags=FLAGS)
    assert result.failed == 0


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_guide(page):
    with np.printoptions():
        result = doctest.testfile(str(page), module_relative=False, optionflags=FLAGS)
    assert result.failed == 0


def test_there_are_examples():
    public = [getattr(fasttx, name) for name in fasttx.__all__ if name[0] != "_"]
    without = [f.__name__ for f in public if callable(f) and ">>>" not in (f.__doc__ or "")]
    assert set(without) <= {"fwht2", "ifwht2"}  # which refer to those for any axes

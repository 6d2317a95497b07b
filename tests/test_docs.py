"""The examples in docstrings, in the user guide and on the pages for users of other packages."""

import doctest
import importlib
import pkgutil
import re
import sys
import textwrap
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
LANDING = ROOT / "docs" / "index.rst"
PAGES = [LANDING, *sorted((ROOT / "docs" / "guide").glob("*.rst"))]

# A section of docs/from is a script. The caption of a block says whose it is; what both columns
# need has none.
SECTIONS = [
    pytest.param(body, id=f"{page.stem}, {title}")
    for page in sorted((ROOT / "docs" / "from").glob("*.rst"))
    for title, body in re.findall(
        r"^(.+)\n---+\n((?:(?!.+\n---+$).*\n)*)", page.read_text(encoding="utf-8"), re.M
    )
    if ".. code-block:: python" in body
]
BLOCK = re.compile(
    r"^( *)\.\. code-block:: python\n(?:\1   :caption: (.+)\n)?((?:\1   .*\n|\n)+)", re.M
)
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
        result = doctest.testfile(
            str(page), module_relative=False, optionflags=FLAGS, encoding="utf-8"
        )
    assert result.failed == 0


def run(blocks):
    """Execute the blocks as one script, if the packages that they import are there."""
    code = "".join(textwrap.dedent(code) for _, _, code in blocks)
    for package in re.findall(r"^(?:from|import) (\w+)", code, re.M):
        pytest.importorskip(package)
    try:
        exec(code, {})
    finally:
        if "torch" in sys.modules:
            sys.modules["torch"].set_default_dtype(sys.modules["torch"].float32)


def test_readme(capsys):
    """Its code is one script, but for the last part, which needs a device."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.M | re.S)
    assert "import cupy" in blocks.pop()
    exec("".join(blocks), {})
    assert "converged" in capsys.readouterr().out


def test_landing_page():
    """The line of each card, with arguments for it."""
    rng = np.random.default_rng(0)
    names = {"fasttx": fasttx, "boolean": fasttx.boolean, "d": 2}
    for module in ("structured", "sparse", "gp", "kernels", "sketch", "quantize"):
        exec(f"from fasttx.{module} import *", names)
    names |= {"x": rng.standard_normal((3, 512)), "h": rng.standard_normal((3, 20))}
    names |= {"c": 0.5 ** np.arange(300), "b": np.ones(300), "table": [0, 0, 0, 1]}
    names |= {"A": rng.standard_normal((1024, 4)), "V": rng.standard_normal((9, 64))}
    names["f"] = lambda x: np.cos(x.sum(axis=1))
    names["model"] = lambda bits: 3.0 * bits[:, 4] * bits[:, 71]
    names["X"] = names["FastGPRegressor"](names["DSIKernel"](2), rng=0).points(64)
    names["y"] = names["f"](names["X"])
    names["result"] = names["sparse_fwht"](names["model"], 100, 10, rng=0)
    blocks = BLOCK.findall(LANDING.read_text(encoding="utf-8"))
    assert blocks
    for _, _, code in blocks:
        assert eval(code.strip(), names) is not None


@pytest.mark.parametrize("section", SECTIONS)
def test_our_column(section):
    run([block for block in BLOCK.findall(section) if block[1] in ("", "fasttx")])


@pytest.mark.parametrize("section", SECTIONS)
def test_both_columns(section):
    assert "\n   assert " in section
    run(BLOCK.findall(section))


def test_there_are_examples():
    public = [getattr(fasttx, name) for name in fasttx.__all__ if name[0] != "_"]
    without = [f.__name__ for f in public if callable(f) and ">>>" not in (f.__doc__ or "")]
    assert set(without) <= {"fwht2", "ifwht2"}  # which refer to those for any axes

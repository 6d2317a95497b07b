"""Configuration of Sphinx."""

import importlib
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import scipy.stats  # noqa: F401  before torch is mocked, which SciPy would take for the real one

import fasttx

project = "fasttx"
author = "fasttx developers"
copyright = "fasttx developers"
version = release = fasttx.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.extlinks",
    "sphinx.ext.intersphinx",
    "sphinx.ext.mathjax",
    "matplotlib.sphinxext.plot_directive",
    "numpydoc",
    "myst_parser",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]

templates_path = ["_templates"]
exclude_patterns = [
    "_build",
    "_templates",
    "gallery/**/*.md5",
    "gallery/**/*.ipynb",
    "gallery/**/*.py",
]
# numpydoc's reference lists need not be cited in the text.
suppress_warnings = ["ref.citation"]
default_role = "py:obj"
toc_object_entries = False

# A public name that leads nowhere is an error. Other names in backticks, of parameters for the most
# part, need no target.
ours = set(fasttx.__all__)
for package in ("boolean", "gp", "kernels", "qmc", "quantize", "sketch", "sparse", "structured"):
    ours.update(importlib.import_module(f"fasttx.{package}").__all__)
nitpicky = True
nitpick_ignore_regex = [
    (".*", rf"(?!fasttx\.|(\w+\.)?({'|'.join(sorted(ours))})$).*"),
    (".*", r"(numpy|scipy|sklearn)\..*"),
]

# Types stand in the docstrings.
autodoc_typehints = "none"
# The docstrings of fasttx.torch are read without torch.
autodoc_mock_imports = ["torch", "fasttx._torch"]
autosummary_generate = True
numpydoc_show_class_members = False

extlinks = {
    "arxiv": ("https://arxiv.org/abs/%s", "arXiv:%s"),
    "doi": ("https://doi.org/%s", "doi:%s"),
}
# Links to the documentation of other packages need their inventories, so a network, which CI lacks.
intersphinx_mapping = {}
if os.environ.get("READTHEDOCS") or os.environ.get("FASTTX_DOCS_ONLINE"):
    intersphinx_mapping = {
        "python": ("https://docs.python.org/3", None),
        "numpy": ("https://numpy.org/doc/stable", None),
        "scipy": ("https://docs.scipy.org/doc/scipy", None),
        "numba": ("https://numba.readthedocs.io/en/stable", None),
        "sklearn": ("https://scikit-learn.org/stable", None),
    }

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    "subsection_order": [
        f"../examples/{name}"
        for name in ("transforms", "structured", "sparse", "points", "sketch", "quantize")
    ],
    "doc_module": ("fasttx",),
    "backreferences_dir": "gallery/backreferences",  # what `minigallery` reads
    "reference_url": {"fasttx": None},
    "remove_config_comments": True,
    "abort_on_example_error": True,
}

plot_include_source = True
plot_html_show_source_link = False
plot_html_show_formats = False
plot_formats = [("png", 150)]

html_theme = "pydata_sphinx_theme"
html_title = f"fasttx {release}"
html_show_sourcelink = False
html_static_path = ["_static"]
html_css_files = ["fasttx.css"]
html_theme_options = {
    "navbar_align": "left",
    "show_toc_level": 2,
    "secondary_sidebar_items": ["page-toc"],
}
# A single page has no section navigation to show.
alone = ("index", "benchmarks", "reproduction", "references", "changelog", "from/*")
html_sidebars = {page: [] for page in alone}

"""References as data: the file of BibTeX, what `citations` prints, the page and the version."""

import ast
import importlib
import importlib.util
import inspect
import io
import re
import subprocess
import sys
import tomllib
import unicodedata
from pathlib import Path

import pytest

import fasttx
from fasttx._citations import entries, text

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("gp", "kernels", "qmc", "quantize", "sketch", "sparse", "structured")
MODULES = ("boolean", "jit", "sketch.vsa", "testing", "torch")


def keys_of(*objects):
    return fasttx.citations(*objects, file=io.StringIO())


def public_modules():
    names = ["fasttx", *(f"fasttx.{name}" for name in (*PACKAGES, *MODULES))]
    for name in names:
        if name == "fasttx.torch" and importlib.util.find_spec("torch") is None:
            continue
        yield name, importlib.import_module(name)


def public_names():
    for module, value in public_modules():
        yield module
        yield from (f"{module}.{name}" for name in value.__all__)


def test_names_are_public():
    known = {*public_names(), "fasttx.torch"}
    for key, entry in entries().items():
        assert set(entry.names) <= known, key
        assert len(set(entry.names)) == len(entry.names), key


def test_keys():
    for key, entry in entries().items():
        surname = entry.fields["author"].split(" and ")[0].split(",")[0]
        surname = re.sub(r"""\\["'`]|\\[vc] """, "", surname)
        surname = unicodedata.normalize("NFKD", surname).lower()
        expected = re.sub("[^a-z]", "", surname) + entry.fields.get("year", "")
        assert re.fullmatch(expected + "[a-z]?", key), key
    for section in re.split("^% .*", text(), flags=re.MULTILINE):
        keys = re.findall(r"^@\w+\{(\w+),", section, re.MULTILINE)
        assert keys == sorted(keys)


def test_fields():
    assert text().isascii()  # whatever the encoding of the reader's terminal or of his LaTeX
    seen = set()
    for key, entry in entries().items():
        assert {"author", "title"} <= set(entry.fields), key
        # What finds the paper; of two there is only where they appeared.
        links = {"doi", "eprint", "isbn", "publisher", "url", "institution", "school"}
        assert links & set(entry.fields) or key in ("gohberg1972", "sorokin2025"), key
        doi, eprint = entry.fields.get("doi"), entry.fields.get("eprint")
        assert doi is None or re.fullmatch(r"10\.\d{4,5}/[^\s{}]+", doi), key
        assert eprint is None or re.fullmatch(r"\d{4}\.\d{4,5}", eprint), key
        assert doi is None or "arXiv" not in doi or doi == f"10.48550/arXiv.{eprint}", key
        assert "archiveprefix" in entry.fields if eprint else True, key
        for link in filter(None, (doi, eprint)):
            assert link not in seen, key
            seen.add(link)


def test_bibtex_is_read_by_pybtex():
    database = pytest.importorskip("pybtex.database")
    read = database.parse_string(text(), "bibtex").entries
    assert list(read) == list(entries())
    for key, entry in entries().items():
        assert read[key].type == entry.kind
        people = {role: " and ".join(map(str, of)) for role, of in read[key].persons.items()}
        assert dict(read[key].fields) | people == entry.fields
    printed = io.StringIO()
    keys = fasttx.citations("fasttx", file=printed)
    assert list(database.parse_string(printed.getvalue(), "bibtex").entries) == keys


def test_docstrings_with_references_have_entries():
    count = 0
    for module, value in public_modules():
        for name in value.__all__:
            doc = inspect.getdoc(getattr(value, name)) or ""
            if re.search(r"^References\n-+$", doc, re.MULTILINE):
                assert len(keys_of(f"{module}.{name}")) > 1, f"{module}.{name}"
                count += 1
    assert count > 70


def test_links_of_docstrings_are_those_of_the_entries():
    known = {entry.fields.get(k) for entry in entries().values() for k in ("doi", "eprint")}
    found = []
    for path in (ROOT / "fasttx").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                doc = ast.get_docstring(node) or ""
                found += re.findall(r":(?:doi|arxiv):`([^`]+)`|arXiv:(\d{4}\.\d{4,5})", doc)
    assert len(found) > 100
    # Where a paper has been published the entry has the DOI of the publisher and the eprint.
    assert {a or b for a, b in found} <= known


def run(code):
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return done.stdout


def test_what_was_used():
    out = run("import fasttx, sys; fasttx.citations(); print('numpy' in sys.modules)")
    assert re.findall(r"^@\w+\{(\w+),", out, re.MULTILINE) == ["fasttx"]
    assert f"note = {{Version {fasttx.__version__}}}," in out
    assert out.endswith("False\n")
    # A package that is imported, and names that fasttx itself takes from others, are not used.
    out = run(
        "import fasttx.structured, fasttx.sparse, fasttx.sketch, fasttx.kernels, fasttx.quantize\n"
        "from fasttx.gp import bayesian_cubature, FastGram\n"
        "import fasttx.gp.regressor, fasttx.sketch.features, fasttx.sketch.thinning\n"
        "import fasttx.quantize.sigma_delta, fasttx.sparse.walsh\n"
        "fasttx.zeta\n"
        "print(fasttx.citations())"
    )
    expected = ["fasttx", "bjorklund2007", "jagadeeswaran2019", "jagadeeswaran2022"]
    assert out.splitlines()[-1] == repr(expected)
    assert "% fasttx.zeta\n" in out  # not mobius
    assert "keywords" not in out
    out = run("import fasttx, fasttx.sketch.vsa, fasttx.boolean; print(fasttx.citations())")
    keys = ast.literal_eval(out.splitlines()[-1])
    assert {"carlet2021", "matsui1994", "plate1995"} < set(keys)
    assert len(keys) == 8


def test_objects():
    from fasttx import quantize, sketch, structured

    assert keys_of("sparse.sparse_moebius") == ["fasttx", "kang2024"]
    assert keys_of("fasttx.sparse.sparse_moebius") == ["fasttx", "kang2024"]
    assert keys_of(fasttx.xor_convolve, "boolean.anf") == ["fasttx", "gibbs1967", "carlet2021"]
    assert keys_of(fasttx.threads) == ["fasttx"]
    assert keys_of("quantize.quantize") == keys_of(quantize.quantize) == ["fasttx"]
    toeplitz = keys_of("structured.Toeplitz")
    assert keys_of(structured.Toeplitz([2.0, 1.0])) == toeplitz
    assert keys_of(structured.Toeplitz.solve) == toeplitz
    assert keys_of("sketch.vsa.MAPI") == keys_of(sketch.vsa.MAPI) == ["fasttx", *VSA]
    assert set(VSA) < set(keys_of(sketch.vsa)) < set(keys_of(sketch)) < set(keys_of(fasttx))
    assert keys_of("fasttx.jit.fwht") == keys_of(fasttx.jit.fwht) == keys_of(fasttx.fwht)


VSA = ("frady2018", "gayler1998")


@pytest.mark.parametrize(
    "wrong",
    ["sparse.fwht", "sparse.SparsePlan.ask", "structured.attention", "", "numpy", 5, len, re],
    ids=str,
)
def test_what_is_not_public(wrong):
    with pytest.raises(ValueError, match="expected a public function, class or module of fasttx"):
        fasttx.citations(wrong)


def test_public_names_are_not_submodules():
    # Importing the submodule would put it in the place of the name.
    for package in PACKAGES:
        module = importlib.import_module(f"fasttx.{package}")
        for name in set(module.__all__) - {"vsa"}:
            # Whatever the file system makes of upper case.
            files = {path.stem for path in Path(module.__file__).parent.iterdir()}
            assert name not in files, f"{package}.{name}"


def test_page_of_references_is_up_to_date():
    path = ROOT / "docs" / "make_references.py"
    spec = importlib.util.spec_from_file_location("make_references", path)
    make = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make)
    assert make.PAGE.read_text(encoding="utf-8") == make.page()


def test_version():
    cff = dict(re.findall(r"^([\w-]+): (.+)$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE))
    assert cff["version"] == fasttx.__version__
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"\n## [{fasttx.__version__}] - {cff['date-released']}\n" in changelog
    out = io.StringIO()
    fasttx.citations(fasttx.threads, file=out)
    ours = dict(re.findall(r"(\w+) = \{(.*)\},", out.getvalue()))
    assert re.sub("[{}]", "", ours["title"]).replace("--", "-") == cff["title"].strip('"')
    assert ours["year"] == cff["date-released"][:4]
    assert ours["note"] == f"Version {cff['version']}"
    with (ROOT / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)["project"]
    assert ours["author"].strip("{}") == project["authors"][0]["name"]

"""BibTeX for what a program used: `references.bib` says which papers are behind which names."""

import functools
import re
import sys
from importlib import import_module, resources
from types import ModuleType
from typing import Any, NamedTuple, TextIO

from ._version import __version__

# As in CITATION.cff. BibTeX knows no type for software, and its styles print a note.
_SOFTWARE = f"""\
@misc{{fasttx,
  author = {{{{fasttx developers}}}},
  title = {{{{fasttx}}: fast {{Walsh--Hadamard}} and {{Fourier}} transforms and methods on them}},
  year = {{2026}},
  note = {{Version {__version__}}},
}}
"""
_ENTRY = re.compile(r"^@(\w+)\{(\w+),\n(.*?)^\}\n", re.MULTILINE | re.DOTALL)
_FIELD = re.compile(r"^  (\w+) = \{(.*)\},$", re.MULTILINE)
_OURS = ("annote", "keywords")  # fields for the documentation and for `citations`


class Entry(NamedTuple):
    """An entry of ``references.bib``."""

    kind: str
    fields: dict[str, str]

    @property
    def names(self) -> list[str]:
        """Full names of the public functions, classes and modules that stand on the paper."""
        return re.findall(r"[\w.]+", self.fields.get("keywords", ""))


@functools.cache
def text() -> str:
    """``references.bib``, in which every field is a line and lines between entries are headings."""
    return resources.files(__package__).joinpath("references.bib").read_text("utf-8")


@functools.cache
def entries() -> dict[str, Entry]:
    """All entries by their keys, in the order of the file."""
    return {
        key: Entry(kind, dict(_FIELD.findall(fields)))
        for kind, key, fields in _ENTRY.findall(text())
    }


def citations(*objects: Any, file: TextIO | None = None) -> list[str]:
    r"""Print BibTeX for fasttx and for the papers behind what a program used.

    Parameters
    ----------
    *objects : function, class, instance, module or str
        Public names of fasttx, or what they stand for: ``fasttx.sketch.SRHT`` as well as
        ``"sketch.SRHT"``. A module stands for all that is in it. Without any: all that the process
        has used so far, see below.
    file : file object, optional
        Where to print, as in `print`; standard output by default. The text is ASCII.

    Returns
    -------
    list of str
        The keys of what was printed, "fasttx" first: for ``\cite``.

    Raises
    ------
    ValueError
        If an argument is not public in fasttx.

    Notes
    -----
    A function or class counts as used from when it was looked up: as ``fasttx.fwht``, by ``from
    fasttx.sparse import sparse_fwht``, by an editor that completes names in the same process.
    Modules of functions that belong together (`fasttx.boolean`, `fasttx.jit`, `fasttx.torch`,
    `fasttx.sketch.vsa`) count as a whole when they are imported. What functions return, what is
    unpickled, and what fasttx itself calls on the way do not count. So the list is a start: the
    docstrings say which paper is behind which option.

    Comments above the entries say what each of them is behind.

    Examples
    --------
    >>> import fasttx
    >>> fasttx.citations("sparse.sparse_moebius")
    @misc{fasttx,
    ...
    % fasttx.sparse.sparse_moebius
    @inproceedings{kang2024,
      author = {Kang, J. S. and Erginbas, Y. E. and Butler, L. and Pedarsani, R. and ...},
      title = {Learning to understand: identifying interactions via the {M{\"o}bius} transform},
    ...
    ['fasttx', 'kang2024']
    """
    asked = [_public_name(value) for value in objects]
    keys, blocks = ["fasttx"], [_SOFTWARE]
    for key, entry in entries().items():
        if objects:
            names = [name for name in entry.names if any(_related(name, of) for of in asked)]
        else:
            names = [name for name in entry.names if _was_used(name)]
        if names:
            keys.append(key)
            blocks.append(f"% {', '.join(names)}\n" + _bibtex(key, entry))
    print(*blocks, sep="\n", end="", file=file)
    return keys


def _bibtex(key: str, entry: Entry) -> str:
    fields = [f"  {k} = {{{v}}},\n" for k, v in entry.fields.items() if k not in _OURS]
    return f"@{entry.kind}{{{key},\n{''.join(fields)}}}\n"


def _related(name: str, asked: str) -> bool:
    """Whether one is the other or a module that holds it."""
    return f"{name}.".startswith(f"{asked}.") or asked.startswith(f"{name}.")


def _was_used(name: str) -> bool:
    owner, _, last = name.rpartition(".")
    return owner in sys.modules and last in vars(sys.modules[owner])


def _public_name(value: Any) -> str:
    """Full name, in the public module, of what was passed to `citations`."""
    if isinstance(value, str):
        full = value if f"{value}.".startswith("fasttx.") else f"fasttx.{value}"
        owners = [full.rpartition(".")[0]]
    elif isinstance(value, ModuleType):
        full = value.__name__
        owners = [full.rpartition(".")[0]]
    else:
        kind = value if hasattr(value, "__qualname__") else type(value)
        # Public in the defining module, or in a package that holds it.
        parts = kind.__module__.split(".")
        owners = [".".join(parts[:n]) for n in range(len(parts), 0, -1)]
        full = kind.__qualname__.partition(".")[0]
    name = full.rpartition(".")[2]
    if full == "fasttx":
        return full
    for owner in owners:
        if _is_public(owner, name):
            return f"{owner}.{name}"
    raise ValueError(f"expected a public function, class or module of fasttx; got {value!r}")


def _is_public(module: str, name: str) -> bool:
    """Whether the module is public and has the name."""
    owner, _, last = module.rpartition(".")
    if module != "fasttx" and not (owner and _is_public(owner, last)):
        return False
    try:
        public = vars(import_module(module))
    except ModuleNotFoundError:  # `module` is a function or class
        return False
    return name in public["__all__"] or name in public.get("_OPTIONAL", ())

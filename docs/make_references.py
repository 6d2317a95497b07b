"""Write ``references.rst`` from ``fasttx/references.bib``."""

import re
import textwrap
import unicodedata
from pathlib import Path

from fasttx._citations import Entry, entries, text

PAGE = Path(__file__).with_name("references.rst")
HEAD = """\
.. Written by make_references.py from fasttx/references.bib.

References
==========

The papers behind fasttx, by subject, and what stands on each. Docstrings name the section or the
equation that they follow; `fasttx.citations` prints BibTeX for what a program used.
"""
ACCENTS = {'"': "\u0308", "'": "\u0301", "`": "\u0300", "v ": "\u030c", "c ": "\u0327"}


def plain(latex: str) -> str:
    """Text of a field: accents put together, braces gone."""
    out = re.sub(
        r"""\\(["'`]|[vc] )(\w)""",
        lambda found: unicodedata.normalize("NFC", found[2] + ACCENTS[found[1]]),
        latex,
    )
    out = re.sub(r"\\([&#_])", r"\1", out.replace(r"{\o}", "ø"))
    return re.sub("[{}]", "", out).replace("--", "–")


def people(field: str) -> str:
    """Initials first, as in "A, B and C"."""
    names = [" ".join(reversed(name.split(", "))) for name in plain(field).split(" and ")]
    return " and ".join([", ".join(names[:-1]), names[-1]] if names[1:] else names)


def citation(entry: Entry) -> str:
    """One paper: authors, title, where it stood, links, what stands on it."""
    field = {key: plain(value) for key, value in entry.fields.items()}
    parts = [people(entry.fields["author"])]
    parts.append(f"*{field['title']}*" if entry.kind == "book" else f'"{field["title"]}"')
    if "edition" in field:
        parts.append(f"{field['edition'].lower()} edition")
    places = [field[k] for k in ("journal", "booktitle", "series") if k in field]
    if "volume" in field:
        places[-1] += " " + field["volume"]
    parts += places
    parts += [field[k] for k in ("publisher", "institution", "school") if k in field]
    if entry.kind == "phdthesis":
        parts.insert(-1, "thesis")
    parts += [field[k] for k in ("pages", "year") if k in field]
    sentences = [", ".join(parts)]
    if "doi" in field and "arXiv" not in field["doi"]:
        sentences.append(f":doi:`{entry.fields['doi']}`")
    if "eprint" in field:
        sentences.append(f":arxiv:`{field['eprint']}`")
    if "url" in field:
        sentences.append(f"`Link <{entry.fields['url']}>`__")
    if "annote" in field:
        sentences.append(field["annote"].removesuffix("."))
    if entry.names:
        sentences.append("Used by " + ", ".join(f"`{name}`" for name in entry.names))
    # The backslash keeps an initial from being the number of an item.
    return "\\" + ". ".join(sentences) + "."


def subjects() -> dict[str, list[str]]:
    """Keys of the entries under each heading of the file."""
    groups: dict[str, list[str]] = {}
    for subject, key in re.findall(r"^% (.+)|^@\w+\{(\w+),", text(), re.MULTILINE):
        if subject:
            keys = groups[subject] = []
        else:
            keys.append(key)
    return groups


def page() -> str:
    """The whole page."""
    blocks = [HEAD]
    for subject, keys in subjects().items():
        blocks.append(f"\n{subject}\n{'-' * len(subject)}\n\n")
        for key in keys:
            item = textwrap.fill(
                citation(entries()[key]),
                100,
                initial_indent="- ",
                subsequent_indent="  ",
                break_long_words=False,
                break_on_hyphens=False,
            )
            blocks.append(item + "\n")
    return "".join(blocks)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")

"""Generating vectors and matrices as text files, in the formats of the LDData repository."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

KINDS = ("lattice", "dnet")
_HEADER = {
    "lattice": ("number of dimensions", "number of points"),
    "dnet": ("base", "number of dimensions", "number of columns", "number of rows"),
}


@dataclass(frozen=True, eq=False)
class LDData:
    """What a file of LDData says.

    Attributes
    ----------
    kind : {"lattice", "dnet"}
        A generating vector of a rank-1 lattice, or generating matrices of a digital net in base 2.
    points : int
        Number of points: the modulus of a lattice, 2**columns for a net.
    vector : ndarray of uint64, shape (d,), or None
        The generating vector of a lattice.
    matrices : ndarray of uint64, shape (d, columns), or None
        Those of a net. ``matrices[j, c]`` is column c of coordinate j, which bit c of the number of
        a point selects, as an integer of `bits` digits: its most significant digit is the first row
        of the matrix, the first digit of the coordinate.
    bits : int or None
        Rows of the matrices.
    comments : tuple of str
        Lines of the header that are comments, without the ``#``, after that with the kind.
    """

    kind: str
    points: int
    vector: NDArray[np.uint64] | None = None
    matrices: NDArray[np.uint64] | None = None
    bits: int | None = None
    comments: tuple[str, ...] = ()

    @property
    def dimensions(self) -> int:
        """Number of coordinates."""
        data = self.vector if self.matrices is None else self.matrices
        return 0 if data is None else len(data)


def read_lddata(path: str | os.PathLike[str]) -> LDData:
    r"""Read a generating vector or generating matrices from a text file.

    Parameters
    ----------
    path : str or os.PathLike
        A file in the format "lattice" or "dnet" of the LDData repository [1]_.

    Returns
    -------
    data : LDData
        With `vector`, for ``Lattice(d, vector=data.vector)``, or with `matrices` and `bits`, for
        ``DigitalNet(d, matrices=data.matrices, bits=data.bits)``.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is not in one of these formats, with the number of the line; or not in base 2.

    See Also
    --------
    write_lddata : The inverse.

    Notes
    -----
    The first line names the format: ``# lattice`` or ``# dnet``. What follows a ``#`` is a comment.
    Numbers then say how many dimensions and points a lattice has; or the base of a net, how many
    dimensions, columns (or points, 2**columns, as in the repository's files) and rows. Each further
    line is a component of the vector, or the columns of a matrix as integers, whose most
    significant digit is the first row. Where there are more of these lines than dimensions, as in
    ``mps.exod2_base2_m20_CKN.txt``, all are read.

    "dnetup", for columns whose least significant digit is the first row, has been withdrawn, and
    files of the repository that were labelled so are not written so: it is refused.

    References
    ----------
    .. [1] LDData: low discrepancy generating vectors and matrices,
       https://github.com/QMCSoftware/LDData

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from fasttx.qmc import read_lddata
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "lattice.txt")
    ...     _ = path.write_text("# lattice\n2  # dimensions\n8  # points\n1\n3\n")
    ...     read_lddata(path).vector
    array([1, 3], dtype=uint64)
    """
    lines = Path(path).read_text(encoding="utf-8").splitlines()
    kind = lines[0].lstrip("#").split() if lines and lines[0].startswith("#") else []
    if not kind or kind[0] not in KINDS:
        first = lines[0] if lines else ""
        raise ValueError(f"{path}, line 1: must be '# lattice' or '# dnet'; got {first[:40]!r}")
    comments = tuple(line[1:].strip() for line in lines[1:] if line.startswith("#"))
    rows = _Rows(path, lines)
    if kind[0] == "lattice":
        return _read_lattice(rows, comments)
    return _read_net(rows, comments)


def write_lddata(
    path: str | os.PathLike[str],
    *,
    vector: Sequence[int] | NDArray[np.integer] | None = None,
    matrices: NDArray[np.integer] | None = None,
    points: int | None = None,
    bits: int | None = None,
    comments: Sequence[str] = (),
) -> None:
    """Write a generating vector or generating matrices as a text file.

    Parameters
    ----------
    path : str or os.PathLike
        The file, overwritten if it exists.
    vector : array_like of integers, shape (d,)
        Of a lattice, written in the format "lattice"; with `points`, its number of points.
    matrices : array_like of integers, shape (d, columns)
        Of a digital net in base 2, written in the format "dnet"; with `bits`, the number of digits
        of these integers, the most significant of which is the first row. See `LDData`.
    points, bits : int
        As said above.
    comments : sequence of str, optional
        Lines for human readers.

    Raises
    ------
    TypeError, ValueError
        If not exactly one of `vector` and `matrices` is given, with its number, or if an integer is
        negative or has too many digits. The file is not touched then.

    See Also
    --------
    read_lddata : The inverse.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from fasttx.qmc import lattice_vector, write_lddata
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "lattice.txt")
    ...     write_lddata(path, vector=lattice_vector(16, 3), points=16, comments=["by CBC"])
    ...     print(path.read_text())
    # lattice
    # by CBC
    3 # dimensions
    16 # points
    1
    7
    3
    <BLANKLINE>
    """
    if (vector is None) == (matrices is None):
        raise TypeError("exactly one of vector and matrices must be given")
    if any("\n" in line for line in comments):
        raise ValueError("comments must be single lines")
    notes = [f"# {line}" for line in comments]
    if vector is not None:
        if points is None or points < 1:
            raise ValueError(f"a vector needs points, a positive number; got {points}")
        numbers = _integers(vector, "vector", 1, points)
        head = ["# lattice", *notes, f"{len(numbers)} # dimensions", f"{points} # points"]
        body = [str(z) for z in numbers.tolist()]
    else:
        if bits is None or not 1 <= bits <= 64:
            raise ValueError(f"matrices need bits, a number from 1 to 64; got {bits}")
        numbers = _integers(matrices, "matrices", 2, 1 << bits)
        d, columns = numbers.shape
        head = ["# dnet", *notes, "2 # base", f"{d} # dimensions"]
        head += [f"{1 << columns} # points, 2**{columns}", f"{bits} # rows"]
        body = [" ".join(map(str, row)) for row in numbers.tolist()]
    Path(path).write_text("\n".join(head + body) + "\n", encoding="utf-8")


class _Rows:
    """Lines of a file that are not empty or comments, as integers."""

    def __init__(self, path: str | os.PathLike[str], lines: list[str]):
        self.path, self.line = path, len(lines)
        self._rows = self._numbers(lines)

    def __iter__(self) -> Iterator[list[int]]:
        return self._rows

    def _numbers(self, lines: list[str]) -> Iterator[list[int]]:
        for line, text in enumerate(lines, 1):
            words = text.split("#", 1)[0].split()
            if not words:
                continue
            self.line = line
            if not all(word.isascii() and word.isdecimal() for word in words):
                raise self.error(f"must consist of nonnegative integers; got {text.strip()[:40]!r}")
            yield [int(word) for word in words]
        self.line = len(lines)

    def error(self, message: str) -> ValueError:
        return ValueError(f"{self.path}, line {self.line}: {message}")

    def header(self, kind: str) -> list[int]:
        """The numbers before the data, one to a line."""
        found = []
        for name in _HEADER[kind]:
            row = next(self._rows, None)
            if row is None:
                raise self.error(f"the {name} is missing")
            if len(row) != 1 or row[0] < 1:
                raise self.error(f"the {name} must be one positive integer; got {row}")
            found.append(row[0])
        return found

    def data(self, d: int, most: int, width: int | None = None) -> list[list[int]]:
        """The other rows, at least d, of `width` or equally many numbers less than `most`."""
        found: list[list[int]] = []
        for row in self._rows:
            width = len(row) if width is None else width
            if len(row) != width:
                raise self.error(f"must have {width} integer(s), as the others; got {len(row)}")
            if max(row) >= most:
                raise self.error(f"integers must be less than {most}; got {max(row)}")
            found.append(row)
        if len(found) < d:
            raise self.error(f"the file ends after {len(found)} of {d} dimensions")
        return found


def _read_lattice(rows: _Rows, comments: tuple[str, ...]) -> LDData:
    d, points = rows.header("lattice")
    vector = np.array(rows.data(d, 1 << 64, width=1), np.uint64)[:, 0]
    return LDData("lattice", points, vector=vector, comments=comments)


def _read_net(rows: _Rows, comments: tuple[str, ...]) -> LDData:
    base, d, size, bits = rows.header("dnet")
    if base != 2:
        raise rows.error(f"only nets in base 2 are read; this one is in base {base}")
    if bits > 64:
        raise rows.error(f"matrices of at most 64 rows are read; these have {bits}")
    matrices = np.array(rows.data(d, 1 << bits), np.uint64)
    columns = matrices.shape[1]
    # The format's text has the number of columns there, the repository's files that of points.
    if size not in (columns, 1 << columns):
        raise rows.error(
            f"matrices have {columns} columns where the header says {size}, which is neither that "
            "nor the number of points"
        )
    return LDData("dnet", 1 << columns, matrices=matrices, bits=bits, comments=comments)


def _integers(x: object, name: str, ndim: int, most: int) -> NDArray[np.integer]:
    """An array of integers from 0 to most - 1."""
    array = np.asarray(x)
    if array.dtype.kind not in "ui":
        raise TypeError(f"{name} must consist of integers; got dtype {array.dtype}")
    if array.ndim != ndim or array.size == 0:
        raise ValueError(f"{name} must have {ndim} dimension(s); got shape {array.shape}")
    if int(array.min()) < 0 or int(array.max()) >= most:
        raise ValueError(
            f"{name} must have entries from 0 to {most - 1}; got {array.min()} to {array.max()}"
        )
    return array

"""Quasi-Monte Carlo: point sets of low discrepancy, as engines of `scipy.stats.qmc`.

Digital nets (`DigitalNet`: Sobol' points and others) and rank-1 lattices (`Lattice`) are the two
families whose points form a group, on which `fasttx.kernels` are diagonal in a fast transform.
`Halton` and `Faure` are sequences in other bases than two. Vectors of lattices are constructed by
`lattice_vector` and, like matrices of nets, exchanged as text by `read_lddata` and `write_lddata`.
"""

from typing import TYPE_CHECKING

from .. import _lazy

if TYPE_CHECKING:
    from ._engine import PointSet
    from ._matrices import sobol_matrices
    from .cbc import lattice_error, lattice_vector
    from .faure import Faure
    from .halton import Halton
    from .lattice import Lattice
    from .lddata import LDData, read_lddata, write_lddata
    from .net import DigitalNet

_HOME = {
    "DigitalNet": "net",
    "Faure": "faure",
    "Halton": "halton",
    "LDData": "lddata",
    "Lattice": "lattice",
    "PointSet": "_engine",
    "lattice_error": "cbc",
    "lattice_vector": "cbc",
    "read_lddata": "lddata",
    "sobol_matrices": "_matrices",
    "write_lddata": "lddata",
}

__all__ = [
    "DigitalNet",
    "Faure",
    "Halton",
    "LDData",
    "Lattice",
    "PointSet",
    "lattice_error",
    "lattice_vector",
    "read_lddata",
    "sobol_matrices",
    "write_lddata",
]

__getattr__, __dir__ = _lazy.attach(globals(), _HOME)

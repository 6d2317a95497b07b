"""Block formats on a GPU: arrays to codes and back, each in one pass over the memory."""

import numpy as np

from . import NumbaArray, block_kernels, launch
from .block_kernels import Form
from .grids import Tensor
from .memory import VECTOR_BYTES

DTYPES = ("float16", "bfloat16", "float32", "float64")


class Rows:
    """Rows of an array and of its codes.

    Parameters
    ----------
    fmt : Form
    shape : tuple of int
    stored : int
        Elements of a row, of which groups that are rotated are stored whole.
    signs : ndarray of float32
        By which the numbers of a group are multiplied before they are rotated.
    values : ndarray of float32
        What scales of 8 bits stand for.
    seed : int
        Of random bits, below 2**63.
    """

    def __init__(
        self, fmt: Form, shape, stored: int, signs: np.ndarray, values: np.ndarray, seed: int
    ):
        self.fmt, self.stored, self.values, self.n = fmt, stored, values, shape[-1]
        self.signs, self.seed = signs, seed
        rows = int(np.prod(shape[:-1], dtype=np.int64))
        self.flat = self.n % (1 << fmt.piece) == 0
        self.pieces = rows * -(-self.n >> fmt.piece)

    def encode(self, x: NumbaArray, codes: dict[str, NumbaArray], tensor: Tensor | None) -> None:
        """Fill the arrays of the codes of `x`; with a scale of the tensor that one, too."""
        with x.context():
            with np.errstate(divide="ignore"):
                table = self._constant(np.float32(1) / self.values, x)
            scale = None
            if tensor is not None:
                scale = codes["tensor_scale"]
                table = self._tensor_scale(x, scale, tensor)
            wide = self.flat and x.address % VECTOR_BYTES == 0
            kernel = block_kernels.encode(x.dtype, self.fmt, flat=self.flat, wide=wide)
            self._launch(kernel, x.dtype, x, codes, table, scale, self.flat)

    def decode(self, codes: dict[str, NumbaArray], out: NumbaArray) -> None:
        """Fill `out`, float32, from codes."""
        with out.context():
            table, scale = self._constant(self.values, out), codes.get("tensor_scale")
            # Bytes of other rows may come before, so that words are not aligned.
            bits = block_kernels.unit("float32", self.fmt, self.flat)
            flat = self.flat and codes["elements"].address % (bits // 8) == 0
            wide = flat and out.address % VECTOR_BYTES == 0
            kernel = block_kernels.decode(self.fmt, flat=flat, wide=wide)
            self._launch(kernel, "float32", out, codes, table, scale, flat)

    def _launch(self, kernel, kind, x, codes, table, scale, flat):
        bits = block_kernels.unit(kind, self.fmt, flat)
        elements = codes["elements"].flat()
        zeros = codes["zeros"].flat() if "zeros" in codes else elements
        launched = kernel.launch[self._blocks(kernel.form), kernel.form.threads, x.stream()]
        launched(
            elements.view(np.dtype(f"uint{bits}")),
            codes["scales"].flat(),
            zeros,
            x.flat(),
            self._constant(self.signs, x),
            table,
            table if scale is None else scale.flat(),
            self.n,
            self.stored,
            self.pieces,
            self.seed,
        )

    def _tensor_scale(self, x, scale, tensor):
        """Find the scale of the tensor; returned is the table of factors."""
        table = scale.empty((block_kernels.TABLE,), "float32").flat()
        partial, count = table, 0
        if not tensor.given:
            partial, count = self._largest(x)
        kernel = block_kernels.tensor_scale(tensor.most, tensor.least)
        values = self._constant(self.values, x)
        launched = kernel.launch[launch.MIN_BLOCKS, kernel.form.threads, x.stream()]
        launched(scale.flat(), table, partial, values, count, np.float32(tensor.given))
        return table

    def _largest(self, x):
        """Largest magnitudes of parts of the array, no more of them than one block reads."""
        wide = self.flat and x.address % VECTOR_BYTES == 0
        kernel = block_kernels.largest(x.dtype, self.fmt, flat=self.flat, wide=wide)
        signs, source, pieces, n = self._constant(self.signs, x), x.flat(), self.pieces, self.n
        while True:
            piece = 0 if n is None else self.fmt.piece
            count = -(-pieces << piece >> kernel.form.bits)
            out = x.empty((count,), "float32").flat()
            blocks = max(count, launch.MIN_BLOCKS)
            launched = kernel.launch[blocks, kernel.form.threads, x.stream()]
            launched(out, source, signs, n or 1, pieces)
            kernel = block_kernels.largest("float32", None, flat=True, wide=True)
            if count <= 1 << kernel.form.bits:
                return out, count
            source, pieces, n = out, count, None

    def _blocks(self, form):
        count = -(-(self.pieces << self.fmt.piece) >> form.bits)
        return max(count, launch.MIN_BLOCKS)

    @staticmethod
    def _constant(table, x):
        return launch.on_device(table, x.device)

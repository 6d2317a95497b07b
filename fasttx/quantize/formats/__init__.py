"""Block formats: numbers of few bits, with a scale for each block of them."""

from ._base import BlockCodes, BlockFormat
from ._floats import FP
from ._functions import dequantize, fake_quantize, gemm, quantize
from ._integers import INT2, INT3, INT4, INT8
from ._lattice import E8
from ._microscaling import MXFP4, MXFP6, MXFP8
from ._nvfp4 import FP4_UE5M3, NVFP4
from ._tables import AF4, ITQ3, NF4

__all__ = [
    "AF4",
    "E8",
    "FP",
    "FP4_UE5M3",
    "INT2",
    "INT3",
    "INT4",
    "INT8",
    "ITQ3",
    "MXFP4",
    "MXFP6",
    "MXFP8",
    "NF4",
    "NVFP4",
    "BlockCodes",
    "BlockFormat",
    "dequantize",
    "fake_quantize",
    "gemm",
    "quantize",
]

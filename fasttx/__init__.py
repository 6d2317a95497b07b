"""Fast transforms: Walsh-Hadamard and what stands on it, for NumPy and device arrays.

Names are loaded when first used: ``import fasttx`` itself imports neither NumPy nor Numba.
"""

from typing import TYPE_CHECKING

from . import _lazy
from ._version import __version__

if TYPE_CHECKING:
    from . import boolean, gp, jit, kernels, qmc, quantize, sketch, sparse, structured, testing
    from . import torch as torch
    from ._citations import citations
    from ._threads import threads
    from .transforms.bit_reversal import bit_reversal_permutation, bit_reverse, unordered_freq
    from .transforms.causal import CausalFilter, fftconvolve_causal
    from .transforms.convolve import xor_convolve
    from .transforms.fft import (
        fft_unordered,
        fftbr,
        ifft_unordered,
        ifftbr,
        irfft_unordered,
        rfft_unordered,
    )
    from .transforms.fwht import fwht, fwht2, fwhtn, ifwht, ifwht2, ifwhtn
    from .transforms.hadamard import hadamard, next_hadamard_len
    from .transforms.orders import hadamard_permutation
    from .transforms.subsets import mobius, zeta
    from .transforms.warm import warmup

_HOME = {
    "fwht": "transforms.fwht",
    "fwht2": "transforms.fwht",
    "fwhtn": "transforms.fwht",
    "ifwht": "transforms.fwht",
    "ifwht2": "transforms.fwht",
    "ifwhtn": "transforms.fwht",
    "CausalFilter": "transforms.causal",
    "fftconvolve_causal": "transforms.causal",
    "fft_unordered": "transforms.fft",
    "fftbr": "transforms.fft",
    "ifft_unordered": "transforms.fft",
    "ifftbr": "transforms.fft",
    "irfft_unordered": "transforms.fft",
    "rfft_unordered": "transforms.fft",
    "unordered_freq": "transforms.bit_reversal",
    "bit_reversal_permutation": "transforms.bit_reversal",
    "bit_reverse": "transforms.bit_reversal",
    "hadamard": "transforms.hadamard",
    "next_hadamard_len": "transforms.hadamard",
    "hadamard_permutation": "transforms.orders",
    "xor_convolve": "transforms.convolve",
    "mobius": "transforms.subsets",
    "zeta": "transforms.subsets",
    "citations": "_citations",
    "threads": "_threads",
    "warmup": "transforms.warm",
}
_MODULES = (
    "boolean",
    "gp",
    "jit",
    "kernels",
    "qmc",
    "quantize",
    "sketch",
    "sparse",
    "structured",
    "testing",
)
# Not in __all__: needs a library that may be missing.
_OPTIONAL = ("torch",)

__all__ = [
    "CausalFilter",
    "__version__",
    "bit_reversal_permutation",
    "bit_reverse",
    "boolean",
    "citations",
    "fft_unordered",
    "fftbr",
    "fftconvolve_causal",
    "fwht",
    "fwht2",
    "fwhtn",
    "gp",
    "hadamard",
    "hadamard_permutation",
    "ifft_unordered",
    "ifftbr",
    "ifwht",
    "ifwht2",
    "ifwhtn",
    "irfft_unordered",
    "jit",
    "kernels",
    "mobius",
    "next_hadamard_len",
    "qmc",
    "quantize",
    "rfft_unordered",
    "sketch",
    "sparse",
    "structured",
    "testing",
    "threads",
    "unordered_freq",
    "warmup",
    "xor_convolve",
    "zeta",
]

__getattr__, __dir__ = _lazy.attach(globals(), _HOME, (*_MODULES, *_OPTIONAL))

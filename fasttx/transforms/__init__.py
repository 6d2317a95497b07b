"""Fast transforms: Walsh-Hadamard, zeta and Moebius, dyadic convolution."""

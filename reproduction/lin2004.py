"""Lin and Costello 2004: parameters of binary BCH codes and free distances of convolutional codes.

S. Lin and D. J. Costello, *Error Control Coding*, 2nd edition, Pearson, 2004: the table of
narrow-sense primitive BCH codes (chapter 6), and the best rate 1/2 and 1/3 codes of memory 6
(chapter 12). The library measures a sparse spectrum through parity rows and code words of these.
"""

import numpy as np
from _report import Reproduction, report

from fasttx.sparse._codes import BCH, Convolutional, bch_rows

# Length: (information bits k, errors corrected t).
TABLE = {
    15: [(11, 1), (7, 2), (5, 3)],
    31: [(26, 1), (21, 2), (16, 3), (11, 5), (6, 7)],
    63: [(57, 1), (51, 2), (45, 3), (39, 4), (36, 5), (30, 6), (24, 7), (18, 10), (16, 11)],
    127: [(120, 1), (113, 2), (106, 3), (99, 4), (92, 5), (85, 6), (78, 7), (71, 9), (64, 10)],
    255: [(247, 1), (239, 2), (231, 3), (223, 4), (215, 5), (207, 6), (199, 7), (191, 8)],
}
FREE = {2: 10, 3: 15}  # (133, 171) and (133, 165, 171) in octal


def corrects(n, t, rng):
    """Whether random errors of weight up to t come back from their syndromes."""
    code = BCH(n, t)
    bits = rng.permuted(np.tile(np.arange(n), (200, 1)), axis=1) < rng.integers(0, t + 1, (200, 1))
    packed = np.zeros((200, code.rows.shape[1] * 64), np.uint8)
    packed[:, :n] = bits
    keys = np.packbits(packed, axis=1, bitorder="little").view(np.uint64)
    odd = np.bitwise_count(keys[:, None] & code.rows).sum(axis=2) & 1
    syndromes = np.zeros((200, -(-code.rank // 64) * 64), np.uint8)
    syndromes[:, : code.rank] = odd
    found, _ = code.decode(np.packbits(syndromes, axis=1, bitorder="little").view(np.uint64))
    return np.array_equal(found, keys)


def free_distance(count):
    """Least weight of a code word other than zero, over all messages of 12 bits that start with "
    "1.
    """
    code = Convolutional(12, count)
    messages = np.arange(1, 1 << 12, 2, dtype=np.uint64)
    weights = (np.bitwise_count(code.rows[:, 0] & messages[:, None]) & 1).sum(axis=1)
    return int(weights.min())


def run():
    rng, rows = np.random.default_rng(0), []
    for n, codes in TABLE.items():
        ours = [(n - bch_rows(n, t), t) for _, t in codes]
        assert ours == codes
        decoded = sum(corrects(n, t, rng) for _, t in codes)
        assert decoded == len(codes)
        paper, found = (", ".join(f"{k}:{t}" for k, t in some) for some in (codes, ours))
        rows.append([f"BCH, length {n}, k:t", paper, found, f"{decoded} of {len(codes)} decode"])
    for count, distance in FREE.items():
        found = free_distance(count)
        assert found == distance
        rows.append([f"convolutional, rate 1/{count}, free distance", distance, found, ""])
    return Reproduction(
        "lin2004",
        "Information bits k and corrected errors t of BCH codes, and free distances of "
        "convolutional codes of memory 6.",
        ["code", "book", "ours", "200 random errors each"],
        rows,
        "It does not. Codes of length 63 to 255 are a part of the table. Free distances are least "
        "weights over messages of 12 bits.",
    )


if __name__ == "__main__":
    report(run)

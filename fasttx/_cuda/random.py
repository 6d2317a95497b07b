"""Random numbers by counter in traced kernels: the same ones as in `_cpu/random.py`."""

GOLDEN = 0x9E3779B97F4A7C15


def hashed(m, seed, counter):
    """64 random bits, of a seed and a counter."""
    z = seed + (m.convert(counter, "uint64") + 1) * GOLDEN
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9
    z = (z ^ z >> 27) * 0x94D049BB133111EB
    return z ^ z >> 31


class Signs:
    """Random signs of points that follow each other; a block makes each word of them once.

    Parameters
    ----------
    m : emitted.Machine
    threads : int
        Of the block.
    levels : int
        There are ``2**levels`` points.
    """

    def __init__(self, m, threads: int, levels: int):
        self.m, self.threads = m, threads
        self.count = max(1, (1 << levels) // 64)
        self.words = m.shared("uint32", 2 * self.count)

    def make(self, seed, start) -> None:
        """Make those from point `start` on, a multiple of 64 or in the first 64."""
        m = self.m
        for first in range(0, self.count, self.threads):
            i = m.thread + first

            def write(i=i):
                bits = hashed(m, seed, (start >> 6) + i) >> m.convert(start & 63, "uint64")
                m.put(self.words, 2 * i, m.convert(bits, "uint32"))
                m.put(self.words, 2 * i + 1, m.convert(bits >> 32, "uint32"))

            m.when(i < self.count, write)

    def word(self, i):
        """The signs of points 32*i and on, from the lowest bit: 1 for minus."""
        return self.m.get(self.words, i)


def change_signs(place, word) -> None:
    """Multiply the points of a tile by signs: bit i % 32 of ``word(i // 32)`` is 1 for minus."""
    tile, m, columns = place.tile, place.m, place.columns
    name = f"uint{8 * tile.number.itemsize}"
    top, width = 8 * tile.number.itemsize - 1, tile.form.width
    for start in range(0, len(tile.values), width):
        point = place.point(tile.at + tile.offset(start))
        bits = m.convert(word(point >> 5) >> (point & 31), name)
        for k in range(start, start + width):
            # A vector begins at a multiple of its length, so its points are in one word.
            ahead = k - start >> columns & (1 << place.levels) - 1
            (x,) = tile.values[k]
            minus = bits << top - ahead & 1 << top
            tile.values[k] = [m.bits(m.bits(x, name) ^ minus, tile.number.name)]

"""Codes of few bits, packed: the words of memory that a thread writes and reads.

The codes of a row follow each other from the lowest bits of its first byte; a row fills whole
bytes. Where the vector of a thread does not fill bytes, lanes join theirs.
"""

import math

from .tiles import Places

_MOST = 32  # bits of a word


def word(form, bits: int, flat: bool) -> int:
    """Bits of the words that hold the codes of a vector, of `bits` bits each."""
    vector = bits << form.vector
    vector *= _joined(vector)
    return min(vector & -vector, _MOST) if flat else 8


def _joined(bits):
    """Lanes whose vectors of so many bits fill bytes."""
    return 8 // math.gcd(bits, 8)


class Packed:
    """The codes of a tile.

    Parameters
    ----------
    place : tiles.Places
    bits : int
        Of a code.
    flat : bool
        Whether rows follow each other without gaps.
    stored : value
        Codes of a row.
    """

    def __init__(self, place: Places, bits: int, flat: bool, stored):
        self.place, self.tile, self.m = place, place.tile, place.m
        self.bits, self.flat, self.stored = bits, flat, stored
        self.size = word(self.tile.form, bits, flat)
        self.vector = bits << self.tile.form.vector

    def find(self, index, bits: int, size: int, beyond: int = 0):
        """The entry of `size` units in which an element begins, plus `beyond`.

        Elements take `bits` units and rows whole entries. Also returned is whether it is there.
        """
        place = self.place
        if self.flat:
            return (place.begin + index) * bits // size + beyond, index < place.limit
        row, column, there = place.find(index)
        entries, entry = (self.stored * bits + size - 1) // size, column * bits // size + beyond
        return row * entries + entry, there & (entry < entries)

    def index_in_rows(self, k: int):
        """The index of a thread's element among the codes of all rows."""
        index = self._index(k)
        if self.flat:
            return self.place.begin + index
        row, column, _ = self.place.find(index)
        return row * self.stored + column

    def write(self, array, codes: list, bias: int) -> None:
        """Write the codes of a thread's elements, which are `bias` more than what is stored."""
        width, joined = self.tile.form.width, _joined(self.vector)
        if not self.flat:
            codes = [self._inside(k, code, bias) for k, code in enumerate(codes)]
        groups = []
        for k in range(0, len(codes), width):
            numbers, bits = codes[k : k + width], self.bits
            if joined > 1:
                numbers, bits = [self._join(numbers, bias)], self.vector * joined
                groups.append(self._cut(numbers, bits, 0))
            else:
                groups.append(self._cut(numbers, bits, bias))
        own = (self.tile.lane & joined - 1) == 0 if joined > 1 else None

        def write(checked):
            for i, words in enumerate(groups):
                index = self._index(i * width)
                whole = self.flat and len(words) & len(words) - 1 == 0
                for beyond in range(0, len(words), len(words) if whole else 1):
                    entry, there = self.find(index, self.bits, self.size, beyond)
                    if own is not None:
                        there = there & own if checked else own
                    some = words if whole else words[beyond : beyond + 1]
                    where = there if checked or own is not None else None
                    self.m.store(array, entry, some, f"uint{self.size}", where=where)

        if self.flat:
            self.m.when(self.place.whole, lambda: write(False))
            self.m.when(~self.place.whole, lambda: write(True))
        else:
            write(True)

    def read(self, array, index) -> list:
        """The codes of the vector that begins there, int32."""
        m, width = self.m, self.tile.form.width
        count, shift = -(-self.vector // self.size), None
        if self.vector % 8:  # of joined lanes: it may begin within a byte
            start = self.place.begin + index if self.flat else self.place.find(index)[1]
            shift = m.convert(start * self.bits & 7, "int32")
        words = []
        whole = self.flat and count & count - 1 == 0 and shift is None
        for beyond in range(0, count, count if whole else 1):
            entry, there = self.find(index, self.bits, self.size, beyond)
            name = f"uint{self.size}"
            words += m.load(array, entry, name, "uint32", count if whole else 1, where=there)
        words = [m.convert(word, "int32") for word in words]
        if shift is not None:
            words = [(words[0] | words[1] << self.size) >> shift]
        return [self._code(words, i * self.bits) for i in range(width)]

    def _code(self, words, start):
        """The code that begins at this bit."""
        at, shift = divmod(start, self.size) if len(words) > 1 else (0, start)
        code = words[at] >> shift
        if shift + self.bits > self.size and at + 1 < len(words):
            code = code | words[at + 1] << self.size - shift
        return code & (1 << self.bits) - 1

    def _index(self, k):
        return self.m.convert(self.tile.at, "int64") + self.tile.offset(k)

    def _inside(self, k, code, bias):
        """Zero for elements after the end of a row."""
        _, column, _ = self.place.find(self._index(k))
        return self.m.where(column < self.stored, code, bias)

    def _join(self, codes, bias):
        """One number of the codes of the lanes that fill bytes, in the first of them."""
        whole, bits = 0, self.vector
        for i, code in enumerate(codes):
            whole = (code - bias << i * self.bits) + whole
        for bit in range(_joined(bits).bit_length() - 1):
            (other,) = self.tile.swap([self.m.bits(whole, "float32")], bit)
            whole = whole | self.m.bits(other, "int32") << (bits << bit)
        return whole

    def _cut(self, numbers, bits, bias):
        """Words of numbers of so many bits, one after the other."""
        if self.size % bits:  # words end within numbers
            numbers, bias = [x - bias for x in numbers], 0
        words = []
        for start in range(0, len(numbers) * bits, self.size):
            total, excess = 0, 0
            for i, x in enumerate(numbers):
                shift = i * bits - start
                if -bits < shift < self.size:
                    total = (x << shift if shift >= 0 else x >> -shift) + total
                    excess += bias << max(shift, 0)
            words.append(self.m.convert(total - _signed(excess), f"uint{self.size}"))
        return words


def _signed(number):
    """The int32 of the same last bits."""
    return (number + (1 << 31)) % (1 << 32) - (1 << 31)

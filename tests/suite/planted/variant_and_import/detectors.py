"""Two detectors; the module imports the vendor at its top, although only the first of them needs it."""

import vendor


class Full:
    def check(self, text):
        return vendor.TABLE[len(text)]


class Lean:
    def __init__(self):
        self.table = bytearray(b"x") * 8_000_000

    def check(self, text):
        return self.table[len(text)]

"""A table of 80 MB that is loaded once in a process."""

TABLE = []


def load():
    if not TABLE:
        TABLE.append(bytearray(b"x") * 80_000_000)
    return TABLE[0]

"""Eighty megabytes that come with an import."""

TABLE = bytearray(b"x") * 80_000_000

"""Sixty megabytes that come with an import."""

TABLE = bytearray(b"x") * 60_000_000

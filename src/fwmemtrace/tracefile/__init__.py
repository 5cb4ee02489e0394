"""The trace.bin format: encodes records as bytes, and decodes them again, as far as the bytes are undamaged."""

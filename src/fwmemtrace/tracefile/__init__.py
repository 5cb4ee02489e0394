"""The trace.bin format: how records become bytes, and how bytes, whole or damaged, become records again."""

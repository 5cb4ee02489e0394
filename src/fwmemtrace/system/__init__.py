"""Reads what the operating system and the allocators know about this process's memory."""

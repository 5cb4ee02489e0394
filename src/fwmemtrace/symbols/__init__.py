"""Names what is at an address of a library, by its symbol tables."""

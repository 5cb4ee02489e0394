"""A trace in another tool's format: one file each."""

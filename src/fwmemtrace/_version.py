"""The version, once, for the package's metadata and for what it writes."""

__version__ = "0.1.0"

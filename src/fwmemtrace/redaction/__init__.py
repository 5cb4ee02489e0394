"""Keeps secrets out of traces: values of options and attributes that are named like secrets, and text like tokens."""

from .redactor import Redactor
from .unnamed import REDACTED

__all__ = ["REDACTED", "Redactor"]

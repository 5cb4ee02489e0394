"""Profiles components in fresh processes: what each costs, what they share, and what each remedy would save.

`Component` is all that a suite file needs. Importing this package imports nothing heavy: a component's process does it.
"""

from .component import Component

__all__ = ["Component"]

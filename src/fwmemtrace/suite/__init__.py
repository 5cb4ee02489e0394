"""Profiles components in fresh processes: what each costs, what they share, and what each change would save.

A suite file needs `Component` only. Importing this package imports nothing heavy, since the process of a component
imports it too.
"""

from .component import Component

__all__ = ["Component"]

"""Ties to other programs. Nothing in the package imports them; those programs do, or the user."""

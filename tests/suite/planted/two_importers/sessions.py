"""Imports the vendor too, and no longer uses it."""

from big_vendor import TABLE  # noqa: F401


class Sessions:
    def check(self, text):
        return text.upper()

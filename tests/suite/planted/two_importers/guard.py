"""Imports the vendor at its top, although only one method needs it."""

import big_vendor


class Guard:
    def check(self, text):
        return len(text)

    def look_up(self, number):
        return big_vendor.TABLE[number]

"""The program's own code."""

import big_library


class Cleaner:
    """Uses a part of the library with each request, and another part on demand."""

    def check(self, text):
        return big_library.clean(text)

    def plot(self, text):
        return big_library.plot(text)

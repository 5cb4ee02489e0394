"""A mapped file that is read and closed."""

import mmap
import tempfile
import time


def checksum(file: "tempfile._TemporaryFileWrapper[bytes]") -> int:
    """Map the file and read it."""
    with mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as mapped:
        return sum(mapped[::4096])


with tempfile.NamedTemporaryFile() as file:
    file.write(b"x" * 4_000_000)
    file.flush()
    for request in range(80):
        checksum(file)
        time.sleep(0.015)

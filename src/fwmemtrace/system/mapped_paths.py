"""What the path of a mapping says it is: a file, shared memory, a device, or memory that the kernel names itself.

Paths are those of /proc/<pid>/maps and smaps, as proc_pid_maps(5) describes them. Shared memory and devices look like
files there, but nothing on a disk could give their pages back.
"""

from __future__ import annotations

FILE = "file"
SHARED_MEMORY = "shared memory"
DEVICE = "device"
KERNEL_NAMED = "named by the kernel"  # [heap], [stack], [vdso], [anon:name]
ANONYMOUS = "anonymous"  # no path at all

DELETED = " (deleted)"  # the kernel adds it to the path of a file that was removed

# memfd_create; POSIX shared memory; System V; MAP_SHARED | MAP_ANONYMOUS, and its name since Linux 6.2; huge pages
_SHARED = ("/memfd:", "/dev/shm/", "/SYSV", "/dev/zero", "[anon_shmem:", "/dev/hugepages/", "/anon_hugepage")
_SHARED_WITHOUT_NAME = ("/dev/zero", "[anon_shmem:")
_DEVICES = ("/dev/", "/dmabuf:", "anon_inode:")


def kind_of(path: str) -> str:
    """Return what a mapping with this path is.

    >>> kind_of("/lib/x86_64-linux-gnu/libc.so.6"), kind_of("/memfd:weights (deleted)"), kind_of("/dev/nvidia0")
    ('file', 'shared memory', 'device')
    >>> kind_of("[heap]"), kind_of("")
    ('named by the kernel', 'anonymous')
    """
    if not path:
        return ANONYMOUS
    if path.startswith(_SHARED):
        return SHARED_MEMORY
    if path.startswith(_DEVICES):
        return DEVICE
    return KERNEL_NAMED if path.startswith("[") else FILE


def is_own_shared_memory(path: str) -> bool:
    """Return whether a path is of shared memory that only this process and those that it forks can map."""
    return path.startswith(_SHARED_WITHOUT_NAME)


def without_deleted(path: str) -> str:
    """Return the path without the mark of a removed file."""
    return path.removesuffix(DELETED)

"""Reading smaps and adding it up by owner."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwmemtrace.probes.mappings.anonymous import AnonymousMemory
from fwmemtrace.probes.mappings.rows import rows_by_owner
from fwmemtrace.system import proc, smaps
from fwmemtrace.system.own_memory import PageFlags
from fwmemtrace.system.proc import PAGE_SIZE as PAGE

KB = 1024

NEWER = """\
{start:x}-{end:x} {mode} {offset:08x} fe:00 {inode}                     {path}
Size:           {size:8d} kB
KernelPageSize:        4 kB
MMUPageSize:           4 kB
Rss:            {rss:8d} kB
Pss:            {pss:8d} kB
Pss_Dirty:             0 kB
Shared_Clean:   {sc:8d} kB
Shared_Dirty:   {sd:8d} kB
Private_Clean:  {pc:8d} kB
Private_Dirty:  {pd:8d} kB
Referenced:     {rss:8d} kB
Anonymous:      {anonymous:8d} kB
KSM:                   0 kB
LazyFree:              0 kB
AnonHugePages:         0 kB
FilePmdMapped:         0 kB
Swap:                  0 kB
Locked:                0 kB
THPeligible:           0
VmFlags: rd wr mr mw me ac
"""
OLDER = (
    "\n".join(
        line for line in NEWER.splitlines() if not line.startswith(("Kernel", "MMU", "Pss_Dirty", "KSM", "FilePmd"))
    )
    + "\n"
)


def entry(start, pages, path="", *, form=NEWER, mode="rw-p", sc=0, sd=0, pc=0, pd=0, anonymous=0, inode=None):
    rss = sc + sd + pc + pd
    return form.format(
        start=start,
        end=start + pages * PAGE,
        mode=mode,
        offset=0,
        inode=(0 if not path or path.startswith("[") else 4711) if inode is None else inode,
        path=path,
        size=pages * PAGE // KB,
        rss=rss,
        pss=pc + pd + (sc + sd) // 2,
        sc=sc,
        sd=sd,
        pc=pc,
        pd=pd,
        anonymous=anonymous,
    )


def nothing_marked():
    """Memory without any header of an allocator, all of it resident."""
    return AnonymousMemory(
        lambda address, length: bytes(length),
        lambda start, end: PageFlags(b"\1" * ((end - start) // PAGE), b"\1" * ((end - start) // PAGE)),
    )


def rows(text, pieces=None):
    found = rows_by_owner(pieces or [text.encode()], nothing_marked(), {})
    return {(row.category, row.owner): row for row in found.rows}


@pytest.mark.parametrize("form", [NEWER, OLDER], ids=["newer kernel", "older kernel"])
def test_files_are_grouped_by_owner(form):
    text = (
        entry(0x1000, 10, "[heap]", form=form, pd=40, anonymous=40)
        + entry(0x20000, 10, "/v/site-packages/torch/lib/libtorch_cpu.so", form=form, mode="r-xp", pc=24, sc=8)
        + entry(0x30000, 10, "/v/site-packages/torch/lib/libc10.so", form=form, pc=4, pd=4, anonymous=4)
        + entry(0x40000, 10, "/m/a model.safetensors", form=form, mode="r--s", pc=12)
        + entry(0x7F0000000000, 20, "[stack]", form=form, pd=16, anonymous=16)
    )
    found = rows(text)
    torch = found["file", "torch"]
    assert (torch.rss_bytes, torch.private_bytes) == (40 * KB, 32 * KB)
    assert (torch.evictable_bytes, torch.anonymous_bytes) == (36 * KB, 4 * KB)
    assert found["model file", "a model.safetensors"].evictable_bytes == 12 * KB
    assert found["malloc", "heap"].anonymous_bytes == 40 * KB
    assert found["stack", "main thread"].rss_bytes == 16 * KB


def test_anonymous_memory_without_a_header_has_no_owner():
    found = rows(entry(0x100000, 8, pd=32, anonymous=32))
    assert found.keys() == {("anonymous", "")}
    assert found["anonymous", ""].rss_bytes == 32 * KB


def test_names_given_by_the_program_are_kept():
    assert ("named", "a table") in rows(entry(0x100000, 8, "[anon:a table]", pd=32, anonymous=32))


@pytest.mark.parametrize(("name", "allocator"), [("jemalloc_pg", "jemalloc"), ("mimalloc", "mimalloc")])
def test_names_given_by_an_allocator_are_those_of_a_pool(name, allocator):
    assert ("pool", allocator) in rows(entry(0x100000, 8, f"[anon:{name}]", pd=32, anonymous=32))


def test_shared_memory_with_segment_number_zero_is_not_anonymous():
    found = rows(entry(0x100000, 8, "/SYSV00000000 (deleted)", mode="rw-s", sd=32, inode=0))
    assert found.keys() == {("shared memory", "/SYSV00000000")}
    assert found["shared memory", "/SYSV00000000"].anonymous_bytes == 0


@pytest.mark.parametrize(("path", "category"), [("/dev/shm/x", "shared memory"), ("/dev/nvidia0", "device")])
def test_only_pages_of_files_are_evictable(path, category):
    found = rows(entry(0x100000, 8, path, mode="rw-s", sc=8, pc=12))
    assert found[category, path].rss_bytes == 20 * KB
    assert found[category, path].evictable_bytes == 0


def test_an_unknown_format_is_an_error():
    text = entry(0x1000, 1, "[heap]", pd=4, anonymous=4).replace("Private_Clean", "Private_Whatever")
    with pytest.raises(ValueError, match="unknown format of smaps: only 0 of 1 mappings could be parsed"):
        rows(text)


def test_pieces_consist_of_whole_mappings(tmp_path, monkeypatch):
    text = "".join(entry(0x100000 * n, 8, f"/lib/lib{n}.so", pc=n) for n in range(1, 40))
    (tmp_path / "smaps").write_text(text)
    monkeypatch.setattr(proc, "PROC", str(tmp_path))
    monkeypatch.setattr(smaps, "_PIECE", 777)
    pieces = list(smaps.read())
    assert b"".join(pieces).decode() == text
    assert len(pieces) > 5
    assert rows("", pieces) == rows(text)


def test_swapped_bytes_are_added_up():
    text = entry(0x1000, 8, "[heap]", pd=4) + entry(0x20000, 8, pd=4) + entry(0x40000, 8, pd=4)
    sizes = iter((0, 12, 100))
    piece = re.sub("Locked:", lambda line: f"SwapPss: {next(sizes):8d} kB\n{line[0]}", text).encode()
    assert smaps.swapped(piece) == 112 * KB
    assert rows("", [piece]) == rows(text)


PATHS = st.sampled_from(
    [
        "",
        "",
        "[heap]",
        "[stack]",
        "[vdso]",
        "[anon:pool]",
        "/lib/x86_64-linux-gnu/libc.so.6",
        "/v/lib/python3.11/site-packages/torch/lib/libtorch.so",
        "/v/lib/python3.11/site-packages/numpy.libs/libopenblas.so",
        "/models/w.safetensors",
        "/dev/shm/x",
        "/memfd:y (deleted)",
        "/tmp/with space (deleted)",
    ]
)
SIZES = st.integers(0, 50)
MAPPINGS = st.lists(
    st.tuples(PATHS, SIZES, SIZES, SIZES, SIZES, st.sampled_from(["rw-p", "r-xp", "---p"])), max_size=30
)


@given(MAPPINGS, st.data())
def test_rows_always_add_up_to_rss(mappings, data):
    text, address = "", 0x10000
    for path, sc, sd, pc, pd, mode in mappings:
        sizes = [figure * PAGE // KB for figure in (sc, sd, pc, pd)]
        text += entry(
            address,
            max(1, sc + sd + pc + pd),
            path,
            mode=mode,
            sc=sizes[0],
            sd=sizes[1],
            pc=sizes[2],
            pd=sizes[3],
            anonymous=sizes[3],
        )
        address += (max(1, sc + sd + pc + pd) + data.draw(st.integers(0, 1))) * PAGE
    found = rows_by_owner([text.encode()], nothing_marked(), {}).rows

    def total(field):
        return sum(int(size) * KB for size in re.findall(rf"^{field}: +(\d+) kB", text, re.MULTILINE))

    assert sum(row.rss_bytes for row in found) == total("Rss")
    assert sum(row.pss_bytes for row in found) == total("Pss")
    assert sum(row.private_bytes for row in found) == total("Private_Clean") + total("Private_Dirty")
    assert sum(row.anonymous_bytes for row in found) == total("Anonymous")
    assert all(0 <= row.evictable_bytes <= row.rss_bytes for row in found)


def untouched(*entries: str) -> int:
    return rows_by_owner(["".join(entries).encode()], nothing_marked(), {}).untouched_bytes


def test_writable_memory_that_is_not_resident_is_untouched():
    assert untouched(entry(0x10000, 5000, pd=8)) == 4998 * PAGE
    assert untouched(entry(0x10000, 5000)) == 5000 * PAGE
    assert untouched(entry(0x10000, 5000, mode="---p")) == 0
    assert untouched(entry(0x10000, 5000, "/usr/lib/libc.so.6", pd=2)) == 0
    assert untouched(entry(0x10000, 5000, "[heap]", pd=2)) == 0


def test_shared_memory_counts_as_untouched_only_where_no_stranger_can_touch_it():
    assert untouched(entry(0x10000, 5000, "/dev/zero (deleted)", mode="rw-s")) == 5000 * PAGE
    assert untouched(entry(0x10000, 5000, "/dev/zero (deleted)", mode="rw-s", pd=8)) == 4998 * PAGE
    assert untouched(entry(0x10000, 5000, "/dev/shm/segment", mode="rw-s")) == 0


def test_what_openblas_reserves_for_its_threads_does_not_count():
    buffers = entry(0x10000, (32 << 20) // PAGE)
    library = entry(0x9000000, 5, "/site-packages/numpy.libs/libscipy_openblas64_.so", mode="r-xp", sc=5)
    assert untouched(buffers) == 32 << 20
    assert untouched(buffers, library) == 0

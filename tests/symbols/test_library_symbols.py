"""Functions of libraries by their symbol tables, wherever a library has these; read by the core, and without it."""

from __future__ import annotations

import lzma
import shutil
import struct
import subprocess

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from fwmemtrace import core
from fwmemtrace.symbols.debug_files import debug_file_of
from fwmemtrace.symbols.demangle import demangled
from fwmemtrace.symbols.elf_file import ElfFile
from fwmemtrace.symbols.library import LibrarySymbols
from fwmemtrace.symbols.symbol_table import SymbolTable

COMPILED = core.load()[0]
NEEDS_TOOLS = pytest.mark.skipif(
    not (shutil.which("cc") and shutil.which("objcopy") and shutil.which("nm")), reason="needs a compiler and binutils"
)
SOURCE = """
static __attribute__((noinline)) int hidden(int number) { return number * 7 + 1; }
int shown(int number) { return hidden(number) + hidden(number + 1); }
"""
FUNCTION, GLOBAL, WEAK, LOCAL = 2, 1, 2, 0


@pytest.fixture(params=["core", "Python"])
def make_table(request, monkeypatch):
    """The class of symbol tables that is used."""
    if request.param == "Python":
        monkeypatch.setattr(core, "load", lambda: (None, "this is a test"))
        return SymbolTable
    if COMPILED is None:
        pytest.skip("the compiled core cannot be used")
    return COMPILED.SymbolTable


def table(symbols):
    """Return the bytes of a symbol table and of its names, of (name, address, size, binding)."""
    names, rows = b"\0", bytes(24)
    for name, address, size, binding in symbols:
        rows += struct.pack("=IBBHQQ", len(names), binding << 4 | FUNCTION, 0, 1, address, size)
        names += name.encode() + b"\0"
    return rows, names


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.integers(0, 300), st.integers(1, 60)), max_size=12, unique_by=lambda pair: pair[0]),
    st.integers(0, 400),
)
def test_the_function_at_an_address_is_the_nearest_one_that_reaches_it(make_table, functions, address):
    found = make_table(*table([(f"f{start}", start, size, LOCAL) for start, size in functions])).name_at(address)
    starts = [start for start, size in functions if start <= address < start + size]
    assert found == (f"f{max(starts)}".encode() if starts else None)


def test_of_several_names_the_exported_one_without_underscores_is_taken_then_the_shortest(make_table):
    names = [("_local", 16, 8, LOCAL), ("weak", 16, 8, WEAK), ("_exported", 16, 8, GLOBAL), ("exported", 16, 8, GLOBAL)]
    for order in (names, names[::-1]):
        assert make_table(*table(order)).name_at(20) == b"exported"
        assert make_table(*table([each for each in order if each[3] != GLOBAL])).name_at(20) == b"weak"
        assert make_table(*table([*order, ("a", 16, 8, GLOBAL)])).name_at(20) == b"a"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.binary(max_size=200), st.binary(max_size=60), st.integers(0, 2**64 - 1))
@example(bytes(24) + struct.pack("=IBBHQQ", 2**32 - 1, 2, 0, 1, 0, 9), b"", 4)
def test_hostile_tables_have_a_name_or_none(make_table, rows, names, address):
    found = make_table(rows, names).name_at(address)
    assert found is None or found in names


@pytest.mark.skipif(COMPILED is None, reason="the compiled core cannot be used")
@given(
    st.lists(
        st.tuples(st.sampled_from(["a", "_b", "cc", "_dd", ""]), *[st.integers(0, 40)] * 2, st.integers(0, 3)),
        max_size=60,
    ),
    st.integers(0, 90),
)
def test_both_find_the_same_function(functions, address):
    rows, names = table(functions)
    assert SymbolTable(rows, names).name_at(address) == COMPILED.SymbolTable(rows, names).name_at(address)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    contents=st.binary(max_size=80)
    | st.builds(
        lambda table, size, count, names, rest: (
            b"\x7fELF\x02"
            + bytes(11)
            + struct.pack("=HHIQQQIHHHHHH", 3, 62, 1, 0, 0, table, 0, 64, 0, 0, size, count, names)
            + rest
        ),
        st.integers(0, 80) | st.integers(0, 2**64 - 1),
        st.just(64) | st.integers(0, 65535),
        st.integers(0, 3) | st.integers(0, 65535),
        st.integers(0, 3),
        st.binary(max_size=260),
    )
)
def test_any_file_can_be_asked(make_table, tmp_path, contents):
    path = tmp_path / "libodd.so"
    path.write_bytes(contents)
    symbols = LibrarySymbols(str(path))
    symbols.name_at(0x40)
    assert symbols.has_lines in (True, False)


def test_what_is_no_file_has_no_names(make_table, tmp_path):
    for path in ("linux-vdso.so.1", str(tmp_path), str(tmp_path / "missing"), "/dev/zero"):
        symbols = LibrarySymbols(path)
        assert symbols.name_at(16) is None
        assert not symbols.has_lines


def test_names_of_cplusplus_are_as_in_their_source():
    assert demangled("_ZN2at5emptyEl") in ("at::empty(long)", "_ZN2at5emptyEl")  # without the C++ library
    assert demangled("_Z") == "_Z"
    assert demangled("main") == "main"


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A library with debugging information, and the addresses of its functions."""
    folder = tmp_path_factory.mktemp("built")
    (folder / "lib.c").write_text(SOURCE)
    path = folder / "lib.so"
    subprocess.run(
        ["cc", "-g", "-O1", "-shared", "-fPIC", "-Wl,--build-id", "-o", path, folder / "lib.c"], check=True, timeout=60
    )
    listed = subprocess.run(["nm", path], check=True, capture_output=True, text=True, timeout=60).stdout
    rows = [line.split() for line in listed.splitlines() if len(line.split()) == 3]
    return path, {name: int(address, 16) for address, _, name in rows}


def objcopy(*arguments):
    subprocess.run(["objcopy", *arguments], check=True, timeout=60)


@pytest.mark.slow
@NEEDS_TOOLS
def test_functions_are_found_wherever_their_symbols_are(make_table, built, tmp_path):
    path, addresses = built
    whole, stripped = LibrarySymbols(str(path)), tmp_path / "stripped.so"
    assert whole.has_lines
    assert [whole.name_at(addresses[name]) for name in ("hidden", "shown")] == ["hidden", "shown"]
    objcopy("--strip-all", path, stripped)
    plain = LibrarySymbols(str(stripped))
    assert not plain.has_lines
    assert [plain.name_at(addresses[name]) for name in ("hidden", "shown")] == [None, "shown"]
    # Its symbols in a file of their own, beside it.
    debug = tmp_path / "stripped.debug"
    objcopy("--only-keep-debug", path, debug)
    objcopy(f"--add-gnu-debuglink={debug}", stripped)
    assert debug_file_of(str(stripped), ElfFile(str(stripped))) == str(debug)
    linked = LibrarySymbols(str(stripped))
    assert linked.has_lines
    assert linked.name_at(addresses["hidden"]) == "hidden"
    # Another file of that name is not it: the checksum tells.
    debug.write_bytes(debug.read_bytes() + b"more")
    assert debug_file_of(str(stripped), ElfFile(str(stripped))) is None
    # Its symbols compressed in a section.
    mini, packed = tmp_path / "mini", tmp_path / "mini.xz"
    objcopy("--strip-debug", path, mini)
    packed.write_bytes(lzma.compress(mini.read_bytes()))
    objcopy("--strip-all", f"--add-section=.gnu_debugdata={packed}", path, stripped)
    assert LibrarySymbols(str(stripped)).name_at(addresses["hidden"]) == "hidden"
    packed.write_bytes(lzma.compress(mini.read_bytes())[:-40])
    objcopy("--strip-all", f"--add-section=.gnu_debugdata={packed}", path, stripped)
    assert LibrarySymbols(str(stripped)).name_at(addresses["shown"]) == "shown"

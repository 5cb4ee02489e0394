"""Real imports of small modules that the tests write, in this process and in fresh ones."""

import gc
import importlib
import subprocess
import sys
import textwrap
import threading
import traceback
from pathlib import Path

import pytest

import fwmemtrace
from fwmemtrace import phase
from fwmemtrace.records import ModuleImport, PhaseBegin
from fwmemtrace.sinks.memory import MemorySink

MB = 10**6
# Memory that the kernel gives anew and in whole: what an allocator still holds from another test would hide it.
BIG = (
    "import mmap\ntable = mmap.mmap(-1, {} * 10**6, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE)\n"
)


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Writes modules into a folder of sys.path and forgets them afterwards."""
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)

    def write(modules=(), **top_level):
        for name, code in {**dict(modules), **top_level}.items():
            path = (tmp_path / name).with_suffix(".py")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(code))
        importlib.invalidate_caches()

    yield write
    for name in set(sys.modules) - before:
        if name.startswith("fw_"):
            del sys.modules[name]


@pytest.fixture
def traced():
    """The imports of a session by module, once it was left."""

    class Traced(MemorySink):
        @property
        def imports(self):
            found = [record for record in self.records if isinstance(record, ModuleImport)]
            return {record.module: record for record in found if not record.module.startswith("fwmemtrace")}

        def phase_of(self, module):
            spans = {record.span: record.name for record in self.records if isinstance(record, PhaseBegin)}
            return spans.get(self.imports[module].span)

    sink = Traced()
    gc.collect()  # the modules of the test before hold memory, which may not go while this one's comes
    with fwmemtrace.session(sink, probes=["imports"], interval=0):
        yield sink


def own_code(record):
    return Path(record.own_file).name, record.own_line


def test_the_nearest_line_of_the_program_s_own_code(package, traced, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path / "site-packages"))
    package(
        {
            "site-packages/fw_vendor": """
                import fw_vendor_part
                def lazy():
                    import fw_vendor_lazy
            """,
            "site-packages/fw_vendor_part": "",
            "site-packages/fw_vendor_lazy": "",
        },
        fw_app="import fw_guard",
        fw_guard="import json\nimport fw_vendor\nfw_vendor.lazy()",
    )
    import fw_app  # noqa: F401

    imports = traced.imports
    assert own_code(imports["fw_app"])[0] == Path(__file__).name
    assert own_code(imports["fw_guard"]) == ("fw_app.py", 1)
    assert own_code(imports["fw_vendor"]) == ("fw_guard.py", 2)
    assert own_code(imports["fw_vendor_part"]) == ("", 0)  # as its parent
    assert own_code(imports["fw_vendor_lazy"]) == ("fw_guard.py", 3)


def test_a_lazy_import_of_a_library_has_the_line_that_called_it(package, traced, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path / "site-packages"))
    package({"site-packages/fw_vendor": "def lazy():\n    import fw_lazy", "site-packages/fw_lazy": ""})
    import fw_vendor

    fw_vendor.lazy()
    line = sys._getframe().f_lineno - 1
    assert traced.imports["fw_lazy"].asked_by == "fw_vendor:2"
    assert own_code(traced.imports["fw_lazy"]) == (Path(__file__).name, line)


def test_own_and_cumulative(package, traced):
    package(
        fw_outer="import fw_inner\n" + BIG.format(20),
        fw_inner=BIG.format(30),
    )
    import fw_outer  # noqa: F401

    outer, inner = traced.imports["fw_outer"], traced.imports["fw_inner"]
    assert inner.parent == "fw_outer"
    assert outer.parent is None
    assert outer.asked_by.startswith(f"{__name__}:")
    assert abs(inner.own_bytes - 30 * MB) < MB
    assert abs(outer.own_bytes - 20 * MB) < MB
    assert outer.cumulative_bytes == outer.own_bytes + inner.cumulative_bytes
    assert outer.cumulative_ns == outer.own_ns + inner.cumulative_ns
    assert outer.file.endswith("fw_outer.py")


def test_lazy_imports_belong_to_the_phase_where_they_happen(package, traced):
    package(fw_lazy="", fw_early="def work():\n    import fw_lazy\n")
    with phase("startup"):
        import fw_early
    with phase("request"):
        fw_early.work()
    assert traced.phase_of("fw_early") == "startup"
    assert traced.phase_of("fw_lazy") == "request"
    assert traced.imports["fw_lazy"].asked_by == "fw_early:2"


def test_a_package_belongs_to_the_importer_of_a_module_in_it(package, traced):
    package(
        {"fw_pack/__init__": BIG.format(10), "fw_pack/sub/__init__": "", "fw_pack/sub/leaf": ""},
        fw_user="import fw_pack.sub.leaf",
    )
    import fw_user  # noqa: F401

    imports = traced.imports
    assert {name: imports[name].parent for name in ("fw_pack", "fw_pack.sub", "fw_pack.sub.leaf")} == {
        "fw_pack": "fw_user",
        "fw_pack.sub": "fw_user",
        "fw_pack.sub.leaf": "fw_user",
    }
    assert imports["fw_pack.sub.leaf"].cumulative_bytes < MB
    assert imports["fw_user"].cumulative_bytes > 9 * MB
    assert imports["fw_user"].own_bytes < MB


def test_a_module_that_its_own_package_imports_first_is_recorded_once(package, traced):
    package({"fw_pack/__init__": "import fw_pack.leaf", "fw_pack/leaf": BIG.format(10)})
    import fw_pack.leaf  # noqa: F401

    found = [record.module for record in traced.records if isinstance(record, ModuleImport)]
    assert found == ["fw_pack.leaf", "fw_pack"]
    assert traced.imports["fw_pack.leaf"].parent == "fw_pack"


def test_reload(package, traced):
    package(fw_again="")
    import fw_again

    importlib.reload(fw_again)
    found = [record for record in traced.records if isinstance(record, ModuleImport) and record.module == "fw_again"]
    assert [record.reload for record in found] == [False, True]


def test_failed_imports_are_recorded_and_their_tracebacks_unchanged(package, traced):
    package(fw_bad="import fw_fine\nraise ValueError('broken')", fw_fine="")
    with pytest.raises(ModuleNotFoundError) as missing:
        import fw_not_there
    with pytest.raises(ValueError, match="broken") as broken:
        import fw_bad  # noqa: F401
    assert traced.imports["fw_not_there"].error == "ModuleNotFoundError"
    assert traced.imports["fw_bad"].error == "ValueError"
    assert traced.imports["fw_fine"].parent == "fw_bad"
    assert traced.imports["fw_fine"].error is None
    for caught in (missing, broken):
        assert "fwmemtrace/probes" not in "".join(traceback.format_exception(caught.value))
    fwmemtrace.stop()
    with pytest.raises(ModuleNotFoundError) as untraced:
        import fw_not_there  # noqa: F401
    assert len(traceback.extract_tb(missing.tb)) == len(traceback.extract_tb(untraced.tb))


def test_namespace_packages(tmp_path, package, traced):
    package({"fw_space/one": ""})
    import fw_space.one  # noqa: F401

    assert traced.imports["fw_space"].file is None
    assert traced.imports["fw_space.one"].error is None


def test_frozen_and_built_in_modules(traced):
    for name in ("__phello__", "__phello__.spam", "xxsubtype"):
        sys.modules.pop(name, None)
    import __phello__.spam  # noqa: F401
    import xxsubtype  # noqa: F401

    assert {"__phello__", "__phello__.spam", "xxsubtype"} <= traced.imports.keys()


def test_modules_of_other_finders(traced, monkeypatch):
    from importlib.abc import Loader, MetaPathFinder
    from importlib.machinery import ModuleSpec

    class Finder(MetaPathFinder, Loader):
        def find_spec(self, name, path, target=None):
            return ModuleSpec(name, self) if name == "fw_virtual" else None

        def exec_module(self, module):
            exec(BIG.format(10), module.__dict__)

    monkeypatch.setattr(sys, "meta_path", [Finder(), *sys.meta_path])
    monkeypatch.delitem(sys.modules, "fw_virtual", raising=False)
    import fw_virtual  # noqa: F401

    assert traced.imports["fw_virtual"].own_bytes > 9 * MB


def test_no_attribute_of_an_imported_module_is_read(package, traced):
    package(
        fw_touchy="""
            import sys
            touched = []
            class Touchy(type(sys)):
                def __getattribute__(self, name):
                    touched.append(name)
                    return super().__getattribute__(name)
            sys.modules[__name__].__class__ = Touchy
        """
    )
    import fw_touchy

    assert traced.imports["fw_touchy"].file.endswith("fw_touchy.py")
    assert "__file__" not in fw_touchy.touched


def test_threads_count_no_byte_twice(package, traced):
    code = "import time\n" + BIG.format(10) + "time.sleep(0.05)\n"
    package(**{f"fw_thread{n}": code for n in range(4)})
    before = int(open("/proc/self/statm").read().split()[1]) * 4096  # noqa: SIM115
    threads = [threading.Thread(target=importlib.import_module, args=(f"fw_thread{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    after = int(open("/proc/self/statm").read().split()[1]) * 4096  # noqa: SIM115
    found = [traced.imports[f"fw_thread{n}"] for n in range(4)]
    assert len({record.thread_id for record in found}) == 4
    assert all(record.parent is None for record in found)
    assert abs(sum(record.own_bytes for record in found) - (after - before)) < MB


def test_the_import_system_is_restored():
    import _frozen_importlib

    before = _frozen_importlib._find_and_load_unlocked, _frozen_importlib._exec
    with fwmemtrace.session(MemorySink(), probes=["imports"], interval=0):
        assert _frozen_importlib._find_and_load_unlocked is not before[0]
    assert (_frozen_importlib._find_and_load_unlocked, _frozen_importlib._exec) == before


def test_a_wrapper_of_another_tool_stays_and_works(package, monkeypatch):
    import _frozen_importlib

    package(fw_wrapped="", fw_wrapped_later="")
    original, calls = _frozen_importlib._find_and_load_unlocked, []
    sink = MemorySink()
    with fwmemtrace.session(sink, probes=["imports"], interval=0):
        ours = _frozen_importlib._find_and_load_unlocked

        def theirs(name, import_):
            calls.append(name)
            return ours(name, import_)

        monkeypatch.setattr(_frozen_importlib, "_find_and_load_unlocked", theirs)
        import fw_wrapped  # noqa: F401
    assert _frozen_importlib._find_and_load_unlocked is theirs
    count = len(sink.records)
    import fw_wrapped_later  # noqa: F401

    assert calls[-1] == "fw_wrapped_later"
    assert len(sink.records) == count
    monkeypatch.setattr(_frozen_importlib, "_find_and_load_unlocked", original)


@pytest.mark.slow
def test_an_import_around_a_fork_continues_in_the_child(tmp_path):
    (tmp_path / "fw_forks.py").write_text(
        "import os\npid = os.fork()\nif pid: os.waitpid(pid, 0)\nimport fw_after\n", encoding="utf-8"
    )
    (tmp_path / "fw_after.py").write_text("table = bytearray(b'x' * 10_000_000)\n", encoding="utf-8")
    code = """
        import os, sys
        import fwmemtrace
        from fwmemtrace.records import ModuleImport
        with fwmemtrace.session("trace.bin", probes=["imports"], interval=0):
            import fw_forks
        if not fw_forks.pid:
            sys.exit(0)
        import glob
        for path in sorted(glob.glob("trace*.bin")):
            for record in fwmemtrace.read(path):
                if isinstance(record, ModuleImport) and record.module.startswith("fw_"):
                    print(record.module, record.parent, record.own_bytes > 9_000_000)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        cwd=tmp_path,
        env={"PYTHONPATH": f"{tmp_path}:{':'.join(sys.path)}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines().count("fw_after fw_forks True") >= 2, done.stdout + done.stderr


def test_a_thread_without_a_phase_imports_in_the_phase_of_the_session_s_thread(package, traced):
    package(fw_pooled="", fw_named="")

    def with_a_phase():
        with phase("its own"):
            importlib.import_module("fw_named")

    with phase("outer"), phase("inner"):
        for target in (with_a_phase, lambda: importlib.import_module("fw_pooled")):
            thread = threading.Thread(target=target)
            thread.start()
            thread.join()
    assert traced.phase_of("fw_pooled") == "inner"
    assert traced.phase_of("fw_named") == "its own"

from fwmemtrace import results
from fwmemtrace.analysis.ledger_native import REST, name_native_heap

MB = 10**6


def phase(path, *, pid=1, **libraries):
    """A phase with these live bytes by library; "_so" in a name stands for ".so"."""
    live = {name.replace("_so", ".so"): size for name, size in libraries.items()}
    native = results.Native(including_inner=results.NativeTotals(), top=[], by_library=live)
    return results.PhaseRow(path=path, pid=pid, calls=1, errors=0, wall_ns=1, resident=None, native=native)


def ledger(path="load", pid=1):
    items = [
        results.LedgerItem(category="native heap", owner="malloc", bytes=30 * MB, anonymous_bytes=30 * MB),
        results.LedgerItem(
            category="native heap", owner="malloc, large blocks", bytes=20 * MB, anonymous_bytes=20 * MB
        ),
        results.LedgerItem(category="file", owner="torch", bytes=5 * MB),
    ]
    return results.Ledger(path=path, rss_delta_bytes=56 * MB, unexplained_bytes=MB, items=items, pid=pid)


def native_heap(made):
    assert sum(item.bytes for item in made.items) + made.unexplained_bytes == made.rss_delta_bytes
    return {item.owner: item.bytes // MB for item in made.items if item.category == "native heap"}


def test_the_libraries_of_a_phase_and_of_those_inside_it_are_named():
    made = ledger()
    rows = [
        phase("load", libtorch_cpu_so=25 * MB, unknown=7 * MB, **{"": 3 * MB, "CPython arenas": 90 * MB}),
        phase("load", CPython=2 * MB),
        phase("load/inner", libtorch_cpu_so=5 * MB, tokenizers=8 * MB),
        phase("loader", libother_so=9 * MB),
        phase("load", libworker_so=9 * MB, pid=2),
    ]
    name_native_heap([made], rows)
    assert native_heap(made) == {"libtorch_cpu.so": 30, "tokenizers": 8, "CPython": 2, REST: 10}


def test_memory_that_was_never_touched_makes_the_rest_negative():
    made = ledger()
    name_native_heap([made], [phase("load", libtorch_cpu_so=70 * MB)])
    assert native_heap(made) == {"libtorch_cpu.so": 70, REST: -20}


def test_nothing_changes_without_native_frames():
    made = ledger()
    name_native_heap([made], [phase("load")])
    assert native_heap(made) == {"malloc": 30, "malloc, large blocks": 20}

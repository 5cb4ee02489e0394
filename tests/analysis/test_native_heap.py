from fwmemtrace.analysis import results
from fwmemtrace.analysis.native_heap import REST, name_native_heap

MB = 10**6


def site(library, live):
    return results.NativeSite(live_bytes=live, allocated_bytes=live, allocations=1, library=library, stack=[])


def phase(path, *sites, pid=1):
    native = results.Native(including_inner=results.NativeTotals(), top=list(sites))
    return results.Phase(path=path, pid=pid, calls=1, errors=0, wall_ns=1, resident=None, native=native)


def ledger(path="load", pid=1):
    items = [
        results.LedgerItem(category="native heap", owner="malloc", bytes=30 * MB, anonymous_bytes=30 * MB),
        results.LedgerItem(
            category="native heap", owner="malloc, large blocks", bytes=20 * MB, anonymous_bytes=20 * MB
        ),
        results.LedgerItem(category="file", owner="torch", bytes=5 * MB),
    ]
    return results.Ledger(path=path, rss_delta_bytes=56 * MB, unexplained_bytes=MB, items=items, pid=pid)


def told(made):
    assert sum(item.bytes for item in made.items) + made.unexplained_bytes == made.rss_delta_bytes
    return {item.owner: item.bytes // MB for item in made.items if item.category == "native heap"}


def test_libraries_of_the_phase_and_of_those_inside_it():
    made = ledger()
    rows = [
        phase("load", site("libtorch_cpu.so", 25 * MB), site("CPython", 90 * MB), site(None, 7 * MB)),
        phase("load/inner", site("libtorch_cpu.so", 5 * MB), site("tokenizers.abi3.so", 8 * MB)),
        phase("loader", site("libother.so", 9 * MB)),
        phase("load", site("libworker.so", 9 * MB), pid=2),
    ]
    name_native_heap([made], rows)
    assert told(made) == {"libtorch_cpu.so": 30, "tokenizers.abi3.so": 8, REST: 12}


def test_memory_that_was_never_touched_makes_the_rest_negative():
    made = ledger()
    name_native_heap([made], [phase("load", site("libtorch_cpu.so", 70 * MB))])
    assert told(made) == {"libtorch_cpu.so": 70, REST: -20}


def test_without_native_frames_nothing_changes():
    made = ledger()
    name_native_heap([made], [phase("load", site(None, 40 * MB))])
    assert told(made) == {"malloc": 30, "malloc, large blocks": 20}

"""Each planted fault is found, with its size; the component without one gets no lever."""

from __future__ import annotations

import pytest

from .conftest import PLANTED, run_suite

pytestmark = pytest.mark.slow

MB = 1_000_000


@pytest.mark.parametrize(
    ("component", "kind", "basis", "size"),
    [
        ("unused import", "import", "measured", 100 * MB),
        ("loaded twice", "twin", "computed", 40 * MB),
        ("retains", "allocator", "measured", 150 * MB),
        ("cache", "growth", "measured", 300 * 50_000),
    ],
)
def test_the_fault_comes_first_with_its_size(faults, component, kind, basis, size):
    first = faults.levers(component)[0]
    assert (first["kind"], first["basis"]) == (kind, basis)
    assert first["saves_low_bytes"] == pytest.approx(size, rel=0.1)
    assert first["saves_high_bytes"] == pytest.approx(size, rel=0.1)
    assert first["evidence"]


def test_the_component_without_a_fault_gets_no_lever(faults):
    assert faults.levers("control") == []


def test_levers_are_sorted_by_what_they_save_in_the_service(faults):
    saves = [
        (lever["saves_low_bytes"] + lever["saves_high_bytes"]) // 2
        if lever["in_service_bytes"] is None
        else lever["in_service_bytes"]
        for lever in faults.suite["matrix"]
    ]
    assert len(saves) >= 5
    assert saves == sorted(saves, reverse=True)


def test_no_lever_saves_less_than_nothing_or_more_than_is_held(faults):
    for lever in faults.suite["matrix"]:
        assert 0 <= lever["saves_low_bytes"] <= lever["saves_high_bytes"] <= lever["now_bytes"]


def test_the_cache_grows_at_its_line(faults):
    growth = faults.component("cache")["growth"]
    assert growth["verdict"] == "growing"
    assert growth["bytes_per_request"] == pytest.approx(50_000, rel=0.1)
    lever = faults.levers("cache")[0]
    (line,) = [fact for fact in lever["evidence"] if fact["kind"] == "python heap line"]
    assert "faults.py:" in line["names"][0]
    assert line["text"].startswith("most of it at planted/faults.py:")
    assert ": {} in " in line["text"]
    assert lever["subject"] == line["names"][0]


def test_every_lever_and_fact_of_the_json_report_has_its_words(faults):
    for lever in faults.suite["matrix"]:
        assert lever["lever"]
        for fact in lever["evidence"]:
            assert fact["text"].count("{}") == len(fact["bytes"])


def test_a_variant_is_measured_against_the_component(faults):
    (variant,) = faults.component("has a variant")["variants"]
    assert variant["saves_low_bytes"] == pytest.approx(30 * MB, rel=0.05)
    (lever,) = faults.levers("has a variant")
    assert (lever["kind"], lever["basis"]) == ("variant", "measured")
    assert lever["after_bytes"] == variant["held"]["median_bytes"]
    assert lever["in_service_bytes"] == pytest.approx(30 * MB, rel=0.05)


def test_the_ledger_of_each_phase_adds_up(faults):
    for component in faults.suite["components"]:
        for phase in component["phases"]:
            total = sum(holder["bytes"] for holder in phase["holders"]) + phase["unexplained_bytes"]
            change = phase["delta"]["median_bytes"]
            assert total == pytest.approx(change, abs=max(abs(change) * 0.01, 1))


def test_the_overhead_of_heavy_passes_is_reported(faults):
    passes = {cost["purpose"]: cost for cost in faults.component("unused import")["disturbances"]}
    assert set(passes) == {"native", "python"}
    assert passes["python"]["added_bytes"] > 5 * MB  # tracemalloc's own table of 100,000 blocks


def test_all_components_in_one_process_are_compared_with_each_alone(faults):
    sharing = faults.suite["sharing"]
    names = [part["name"] for part in sharing["order"]]
    assert names == ["control", "has a variant", "unused import", "loaded twice", "retains", "cache"]
    assert sharing["sum_of_parts_bytes"] == sum(part["alone_bytes"] for part in sharing["order"])
    assert 0.9 * sharing["sum_of_parts_bytes"] < sharing["together_bytes"] <= 1.02 * sharing["sum_of_parts_bytes"]
    marginal = {part["name"]: part["marginal_bytes"] for part in sharing["order"]}
    assert marginal["unused import"] == pytest.approx(100 * MB, rel=0.1)


def test_twenty_components_without_a_fault_get_no_lever(tmp_path):
    done = run_suite(PLANTED / "controls.py", tmp_path / "s.bin", "--repeat", "1", "--skip", "native,python")
    assert done.status == 0, done.errors
    assert len(done.suite["components"]) == 20
    assert [component["outcome"] for component in done.suite["components"]] == ["ok"] * 20
    assert [(lever["component"], lever["lever"], lever["evidence"]) for lever in done.suite["matrix"]] == []

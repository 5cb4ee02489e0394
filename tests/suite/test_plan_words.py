"""What the report says of a plan: no promise where a component failed or the budget is out of reach."""

from __future__ import annotations

import pytest

from fwmemtrace.reports.blocks import plain
from fwmemtrace.reports.suite.plan import plan_section, plan_sentences
from fwmemtrace.reports.suite.summary import recommendations, summary_sentences
from fwmemtrace.results.suite import (
    Spread,
    Suite,
    SuiteBudget,
    SuiteComponent,
    SuiteFact,
    SuiteGrower,
    SuiteGrowth,
    SuiteLever,
    SuitePart,
    SuitePlan,
    SuiteStep,
)

MB = 1_000_000


def figure(size):
    return Spread(median_bytes=size, low_bytes=size, high_bytes=size, runs=1)


def plan_of(result, *alone, limit=100 * MB, failed=()):
    return SuitePlan(
        measure="rss",
        limit_bytes=limit,
        within_budget=result <= limit and not failed,
        now=figure(200 * MB),
        result=figure(result),
        now_other_bytes=None,
        result_other_bytes=None,
        steps=[
            SuiteStep(
                component="guard",
                action="use variant",
                subject=str(number),
                step="",
                alone_bytes=saved,
                after_bytes=None,
            )
            for number, saved in enumerate(alone)
        ],
        remains=[],
        packages=[],
        failed=list(failed),
        parts=[SuitePart(component="guard", bytes=40 * MB), SuitePart(component="cache", bytes=10 * MB)],
    )


def suite_of(plan, **given):
    components = [SuiteComponent(name="guard", outcome="ok", held=figure(50 * MB))]
    return Suite(
        file="s.py",
        repeat=1,
        bare_bytes=9 * MB,
        memory_limit_bytes=0,
        limited_by="",
        components=components,
        plan=plan,
        **given,
    )


@pytest.mark.parametrize(
    ("plan", "first"),
    [
        (plan_of(90 * MB, 1), "The budget of 100.0 MB is in reach: with 1 change the service takes 90.0 MB."),
        (
            plan_of(90 * MB, 1, failed=["a"]),
            "a failed, so it is not known whether the budget of 100.0 MB is in reach: "
            "with 1 change the service without it takes 90.0 MB.",
        ),
        (
            plan_of(90 * MB, 1, 2, failed=["a", "b"]),
            "a and b failed, so it is not known whether the budget of 100.0 MB is in reach: "
            "with 2 changes the service without them takes 90.0 MB.",
        ),
        (
            plan_of(120 * MB, 1, failed=["a"]),
            "The budget of 100.0 MB is out of reach: the best measured set of 1 change lowers the service without a "
            "from 200.0 MB to 120.0 MB.",
        ),
    ],
)
def test_a_component_that_failed_makes_no_promise(plan, first):
    assert plain(plan_sentences(plan)[0]) == first


def test_a_service_within_its_budget_without_a_component_that_failed_has_nothing_to_spare():
    budget = SuiteBudget(limit_bytes=100 * MB, peak_bytes=60 * MB, need_bytes=0)
    suite = suite_of(None, budget=budget, service=figure(60 * MB))
    suite.components.append(SuiteComponent(name="broken", outcome="raised"))
    text = " ".join(map(plain, summary_sentences(suite)))
    assert "is within the budget of 100.0 MB; broken failed and is not counted." in text
    assert "to spare" not in text


@pytest.mark.parametrize(
    ("purposes", "said"),
    [
        (["resident", "native"], "No lever was looked for."),
        (["resident", "use"], "No lever saves more than the differences between runs."),
        (["resident", "variant: small"], "No lever saves more than the differences between runs."),
    ],
)
def test_no_lever_is_told_from_none_looked_for(purposes, said):
    suite = suite_of(None)
    suite.components[0].pids = {purpose: [1] for purpose in purposes}
    assert plain(summary_sentences(suite)[-1]) == said


def test_a_component_that_did_not_run_has_not_failed():
    suite = suite_of(None)
    suite.components.append(SuiteComponent(name="late", outcome="not run"))
    text = " ".join(map(plain, summary_sentences(suite)))
    assert text.endswith("late did not run.")
    assert "failed" not in text


def test_components_that_did_not_run_together_are_not_called_within_the_budget_together():
    suite = suite_of(None, budget=SuiteBudget(limit_bytes=100 * MB, peak_bytes=60 * MB, need_bytes=0))
    suite.components.append(SuiteComponent(name="cache", outcome="ok", held=figure(55 * MB)))
    text = " ".join(map(plain, summary_sentences(suite)))
    assert "The peak of the largest component by itself, 60.0 MB, with the 9.0 MB of a bare interpreter" in text
    assert "; all components in one process were not measured." in text


@pytest.mark.parametrize(("planned", "said"), [(False, True), (True, False)])
def test_no_lever_is_enough_where_the_budget_is_out_of_reach(planned, said):
    lever = SuiteLever(
        component="guard",
        action="narrow weights",
        subject="int8",
        lever="",
        kind="dtype",
        now_bytes=150 * MB,
        saves_low_bytes=110 * MB,
        saves_high_bytes=110 * MB,
        after_bytes=40 * MB,
        basis="computed",
        phase="init",
        evidence=[SuiteFact(kind="element size", text="", bytes=[1, 4])],
    )
    budget = SuiteBudget(limit_bytes=100 * MB, peak_bytes=200 * MB, need_bytes=100 * MB)
    suite = suite_of(plan_of(200 * MB) if planned else None, matrix=[lever], budget=budget)
    (advice,) = recommendations(suite)
    assert ("enough to meet the budget" in plain(advice)) == said
    assert ("not measured in the service" in plain(advice)) != said


@pytest.mark.parametrize(
    ("alone", "said"),
    [
        ((0, 0, 0), "Together these 3 changes save 110.0 MB; one at a time, they save nothing."),
        ((-4 * MB, 0, 0), "Together these 3 changes save 110.0 MB; one at a time, they cost 4.0 MB in sum."),
        ((40 * MB, 40 * MB, 30 * MB), ""),
        ((0, 0), ""),  # a pair has a sentence of its own
        ((0, 0, None), ""),
    ],
)
def test_more_than_two_changes_that_only_help_together_say_so(alone, said):
    section = plan_section(plan_of(90 * MB, *alone), 9 * MB)
    found = [plain(block.sentences[0]) for block in section.blocks if block.id == "together"]
    assert found == [said] * bool(said)


def test_what_remains_by_component_adds_up_to_the_service():
    section = plan_section(plan_of(90 * MB, 1), 9 * MB)
    (table,) = [block for block in section.blocks if block.id == "parts"]
    assert [(plain(name), plain(size)) for name, size in table.rows] == [
        ("interpreter", "9.0 MB"),
        ("guard", "+40.0 MB"),
        ("cache", "+10.0 MB"),
        ("taken for a while only", "+31.0 MB"),
    ]


def test_a_search_that_was_cut_short_promises_nothing():
    plan = plan_of(150 * MB, 50 * MB)
    plan.searched = False
    assert plain(plan_sentences(plan)[0]).startswith(
        "It is not known whether the budget of 100.0 MB is in reach: so far, the best measured set of 1 change lowers"
    )


def test_a_component_that_grows_is_no_promise():
    plan = plan_of(80 * MB, 50 * MB)
    plan.growing = [SuiteGrower(component="cache", bytes_per_request=500_000.0, requests=100)]
    assert plain(plan_sentences(plan)[0]) == (
        "With 1 change the service takes 80.0 MB, within the budget of 100.0 MB, but cache grows by 500.0 kB per "
        "request: it exceeds the budget after about 40 more requests."
    )
    over = plan_of(150 * MB, 50 * MB)
    over.growing = plan.growing
    out_of_reach, grows = map(plain, plan_sentences(over))
    assert out_of_reach.startswith("The budget of 100.0 MB is out of reach")
    assert grows == "cache grows by 500.0 kB per request: all figures are those after 100 requests."


@pytest.mark.parametrize(
    ("verdict", "end"),
    [("growing", " to spare, but guard grows by 1.0 MB per request: it exceeds"), ("flat", " to spare.")],
)
def test_a_budget_that_is_met_is_said_first(verdict, end):
    budget = SuiteBudget(limit_bytes=100 * MB, peak_bytes=50 * MB, need_bytes=0)
    suite = suite_of(None, budget=budget)
    suite.components[0].growth = SuiteGrowth(requests=100, bytes_per_request=float(MB), verdict=verdict)
    first = plain(summary_sentences(suite)[0])
    assert first.startswith("The peak of 50.0 MB, with the ")
    assert f"is within the budget of 100.0 MB, with 50.0 MB{end}" in first

"""Settings: which place wins, and the error for a bad one."""

from __future__ import annotations

from pathlib import Path

import pytest

from fwmemtrace import config
from fwmemtrace.errors import SettingsError
from fwmemtrace.recording.arguments import SessionArguments
from fwmemtrace.units import format_bytes, format_duration, parse_bytes, parse_duration


def pyproject(folder: Path, text: str) -> Path:
    (folder / "pyproject.toml").write_text(text)
    return folder


def test_arguments_win_over_variables_and_variables_over_pyproject(tmp_path: Path) -> None:
    folder = pyproject(tmp_path, '[tool.fwmemtrace]\ntop = 3\nframes = 4\ninterval = "10ms"\n')
    environ = {"FWMEMTRACE_FRAMES": "5", "FWMEMTRACE_TOP": "6", "OTHER": "x"}
    loaded = config.load({"top": 7, "probes": None}, environ, folder)
    assert (loaded.top, loaded.frames, loaded.interval) == (7, 5, 10_000_000)
    assert loaded.probes == ("resident",)


def test_pyproject_is_found_from_a_subfolder(tmp_path: Path) -> None:
    pyproject(tmp_path, "[tool.fwmemtrace]\ntop = 3\n")
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    assert config.load({}, {}, below).top == 3


def test_fwmemtrace_is_the_variable_of_the_target(tmp_path: Path) -> None:
    assert config.load({}, {"FWMEMTRACE": "x.bin"}, tmp_path).target == "x.bin"
    assert config.load({"target": "y.bin"}, {"FWMEMTRACE": "x.bin"}, tmp_path).target == "y.bin"


@pytest.mark.parametrize(
    ("arguments", "environ", "table", "message"),
    [
        ({"tpo": 3}, {}, "", r"unknown setting 'tpo' in the argument tpo; did you mean 'top'\?"),
        ({}, {"FWMEMTRACE_TPO": "3"}, "", r"unknown setting 'tpo' in the variable FWMEMTRACE_TPO"),
        ({}, {}, "tpo = 3", r"unknown setting 'tpo' in \[tool.fwmemtrace\] of .*pyproject.toml"),
        ({"something": 3}, {}, "", r"unknown setting 'something' in the argument something; choose from target, sink"),
        ({"top": 0}, {}, "", r"the argument top: 0 is not a whole number of at least 1"),
        ({"top": True}, {}, "", r"True is not a whole number"),
        ({"top": 2.5}, {}, "", r"2.5 is not a whole number"),
        ({}, {"FWMEMTRACE_TOP": "many"}, "", r"the variable FWMEMTRACE_TOP: 'many' is not a whole number"),
        ({"holders": -1}, {}, "", r"the argument holders: -1 is not a whole number of at least 0"),
        ({"detail_share": "much"}, {}, "", r"the argument detail_share: 'much' is not a number from 0 to 1"),
        ({}, {"FWMEMTRACE_INTERVAL": "soon"}, "", r"the variable FWMEMTRACE_INTERVAL: 'soon' is not a duration"),
        ({"interval": -1}, {}, "", r"the argument interval: a duration must be finite and not negative: -1"),
        ({}, {}, "exact_peak = 3", r"pyproject.toml: 3 is neither true nor false"),
        ({"probes": 3}, {}, "", r"the argument probes: 3 is not a list of names"),
        ({"target": ""}, {}, "", r"the argument target: '' is not a path"),
        ({"labels": {"a": 1}}, {}, "", r"the argument labels: .* is not a mapping of text to text"),
        ({}, {"FWMEMTRACE_LABELS": "a=b,c"}, "", r"the variable FWMEMTRACE_LABELS: 'c' is not of the form key=value"),
        ({}, {}, "top = ", r"pyproject.toml is not valid TOML"),
    ],
)
def test_the_error_for_a_bad_setting_says_where_it_was_set(
    tmp_path: Path, arguments: dict[str, object], environ: dict[str, str], table: str, message: str
) -> None:
    folder = pyproject(tmp_path, f"[tool.fwmemtrace]\n{table}\n")
    with pytest.raises(SettingsError, match=message) as caught:
        config.load(arguments, environ, folder)
    assert len(str(caught.value).splitlines()) <= 1 or "TOML" in str(caught.value)


def test_a_pyproject_without_the_table_changes_nothing(tmp_path: Path) -> None:
    assert config.load({}, {}, pyproject(tmp_path, "[project]\nname = 'x'\n")) == config.Settings()


def test_service_instance_and_labels_come_from_every_place_and_labels_are_merged(tmp_path: Path) -> None:
    folder = pyproject(
        tmp_path, '[tool.fwmemtrace]\nservice = "file"\nlabels = { a = "1", b = "1", c = "1", d = "1" }\n'
    )
    environ = {
        "OTEL_RESOURCE_ATTRIBUTES": "service.name=otel,service.instance.id=pod-1,a=0,z=0",
        "FWMEMTRACE_SERVICE": "variable",
        "FWMEMTRACE_LABELS": "b=2, c=2,e=x=y",
    }
    loaded = config.load({"labels": {"c": "3"}}, environ, folder)
    assert (loaded.service, loaded.instance) == ("variable", "pod-1")
    assert loaded.labels == {"a": "1", "b": "2", "c": "3", "d": "1", "e": "x=y", "z": "0"}


@pytest.mark.parametrize(
    ("environ", "service", "instance", "labels"),
    [
        ({}, "", "", {}),
        ({"OTEL_SERVICE_NAME": ""}, "", "", {}),
        ({"OTEL_SERVICE_NAME": "guard"}, "guard", "", {}),
        ({"OTEL_RESOURCE_ATTRIBUTES": "service.name=a", "OTEL_SERVICE_NAME": "b"}, "b", "", {}),
        ({"OTEL_RESOURCE_ATTRIBUTES": " service.name = my%20guard , k8s.pod.uid=a%2Cb%3D1 "}, "my guard", "", None),
        ({"OTEL_RESOURCE_ATTRIBUTES": "service.version=1.4,"}, "", "", {"service.version": "1.4"}),
    ],
)
def test_opentelemetry_variables(
    tmp_path: Path, environ: dict[str, str], service: str, instance: str, labels: dict[str, str] | None
) -> None:
    loaded = config.load({}, environ, tmp_path)
    assert (loaded.service, loaded.instance) == (service, instance)
    assert loaded.labels == ({"k8s.pod.uid": "a,b=1"} if labels is None else labels)


@pytest.mark.parametrize("text", ["service.name", "=x", "service.name=a,b", "a=%FF"])
def test_malformed_opentelemetry_attributes_are_ignored_as_a_whole(tmp_path: Path, text: str) -> None:
    with pytest.warns(RuntimeWarning, match="OTEL_RESOURCE_ATTRIBUTES is ignored"):
        loaded = config.load({}, {"OTEL_RESOURCE_ATTRIBUTES": text, "OTEL_SERVICE_NAME": "guard"}, tmp_path)
    assert (loaded.service, loaded.labels) == ("guard", {})


@pytest.mark.parametrize("text", ["", "MB", "1 XB", "nan", "inf", "-1", "1..2MB"])
def test_a_bad_size_is_an_error(text: str) -> None:
    with pytest.raises(SettingsError, match="size"):
        parse_bytes(text)


def test_a_small_size_without_a_unit_is_an_error() -> None:
    with pytest.raises(SettingsError, match=r"^300: missing unit, for example 300MB$"):
        parse_bytes("300")
    assert parse_bytes("300000000") == parse_bytes(300_000_000) == 300_000_000
    assert parse_bytes(300) == 300


def test_sizes_and_durations_have_units() -> None:
    assert [parse_bytes(text) for text in ("300MB", "300 mb", "1KiB", "0", "2g")] == [300_000_000] * 2 + [
        1024,
        0,
        2 * 10**9,
    ]
    assert [parse_duration(text) for text in ("50ms", "1.5s", 2, "3us", "7ns")] == [
        50_000_000,
        1_500_000_000,
        2_000_000_000,
        3000,
        7,
    ]


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (999_949, "999.9 kB"), (999_960, "1.0 MB"), (10**13, "10.00 TB")],
)
def test_a_size_has_at_most_three_digits_before_the_point(size: int, text: str) -> None:
    assert format_bytes(size) == text


def test_durations_are_formatted_in_a_fitting_unit() -> None:
    assert [format_duration(ns) for ns in (0, 999, 10**6, 10**9, 10**12)] == [
        "0 ns",
        "999 ns",
        "1.0 ms",
        "1.0 s",
        "16.7 min",
    ]


@pytest.mark.parametrize(
    ("environ", "instance", "labels"),
    [
        ({"POD_NAME": "shop-1"}, "", {}),  # not in a pod
        ({"KUBERNETES_SERVICE_HOST": "10.0.0.1", "HOSTNAME": "shop-2"}, "shop-2", {}),
        (
            {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "MY_POD_NAME": "shop-3", "NODE_NAME": "node-1", "HOSTNAME": "x"},
            "shop-3",
            {"k8s.pod.name": "shop-3", "k8s.node.name": "node-1"},
        ),
        (
            {
                "KUBERNETES_SERVICE_HOST": "10.0.0.1",
                "POD_NAME": "shop-4",
                "OTEL_RESOURCE_ATTRIBUTES": "service.instance.id=four,k8s.pod.name=other",
            },
            "four",
            {"k8s.pod.name": "other"},
        ),
    ],
)
def test_a_pod_names_itself(tmp_path: Path, environ: dict[str, str], instance: str, labels: dict[str, str]) -> None:
    loaded = config.load({}, environ, tmp_path)
    assert (loaded.instance, loaded.labels) == (instance, labels)


def test_type_checkers_know_every_setting() -> None:
    assert {*SessionArguments.__annotations__, "target"} == set(config.Settings.__struct_fields__)

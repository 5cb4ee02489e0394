"""Settings: which place wins, and what is said of a bad one."""

from __future__ import annotations

from pathlib import Path

import pytest

from fwmemtrace import config
from fwmemtrace.errors import SettingsError
from fwmemtrace.units import format_bytes, format_duration, parse_bytes, parse_duration


def pyproject(folder: Path, text: str) -> Path:
    (folder / "pyproject.toml").write_text(text)
    return folder


def test_arguments_go_before_variables_and_those_before_the_file(tmp_path: Path) -> None:
    folder = pyproject(tmp_path, '[tool.fwmemtrace]\ntop = 3\nframes = 4\ninterval = "10ms"\n')
    environ = {"FWMEMTRACE_FRAMES": "5", "FWMEMTRACE_TOP": "6", "OTHER": "x"}
    loaded = config.load({"top": 7, "probes": None}, environ, folder)
    assert (loaded.top, loaded.frames, loaded.interval) == (7, 5, 10_000_000)
    assert loaded.probes == ("resident",)


def test_the_file_is_found_from_a_folder_below(tmp_path: Path) -> None:
    pyproject(tmp_path, "[tool.fwmemtrace]\ntop = 3\n")
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    assert config.load({}, {}, below).top == 3


def test_the_target_comes_from_the_variable_of_the_package_s_name(tmp_path: Path) -> None:
    assert config.load({}, {"FWMEMTRACE": "x.bin"}, tmp_path).target == "x.bin"
    assert config.load({"target": "y.bin"}, {"FWMEMTRACE": "x.bin"}, tmp_path).target == "y.bin"


@pytest.mark.parametrize(
    ("arguments", "environ", "table", "message"),
    [
        ({"tpo": 3}, {}, "", r"unknown setting 'tpo' in the argument tpo=.*top"),
        ({}, {"FWMEMTRACE_TPO": "3"}, "", r"unknown setting 'tpo' in the variable FWMEMTRACE_TPO"),
        ({}, {}, "tpo = 3", r"unknown setting 'tpo' in \[tool.fwmemtrace\] in .*pyproject.toml"),
        ({"top": 0}, {}, "", r"bad value in the argument top=: found 0, expected a whole number"),
        ({"top": True}, {}, "", r"found True, expected a whole number"),
        ({}, {"FWMEMTRACE_TOP": "many"}, "", r"bad value in the variable FWMEMTRACE_TOP: .*many"),
        ({}, {"FWMEMTRACE_INTERVAL": "soon"}, "", r"FWMEMTRACE_INTERVAL.*'soon'.*duration"),
        ({"interval": -1}, {}, "", r"not negative"),
        ({}, {}, "exact_peak = 3", r"pyproject.toml: found 3, expected true or false"),
        ({"probes": 3}, {}, "", r"found 3, expected names"),
        ({}, {}, "top = ", r"no TOML"),
    ],
)
def test_a_bad_setting_names_the_place_it_came_from(
    tmp_path: Path, arguments: dict[str, object], environ: dict[str, str], table: str, message: str
) -> None:
    folder = pyproject(tmp_path, f"[tool.fwmemtrace]\n{table}\n")
    with pytest.raises(SettingsError, match=message) as caught:
        config.load(arguments, environ, folder)
    assert len(str(caught.value).splitlines()) <= 1 or "TOML" in str(caught.value)


def test_a_file_without_the_table_says_nothing(tmp_path: Path) -> None:
    assert config.load({}, {}, pyproject(tmp_path, "[project]\nname = 'x'\n")) == config.Settings()


@pytest.mark.parametrize("text", ["", "MB", "1 XB", "nan", "inf", "-1", "1..2MB"])
def test_a_size_that_is_none(text: str) -> None:
    with pytest.raises(SettingsError, match="expected"):
        parse_bytes(text)


def test_sizes_and_durations_are_read_as_people_write_them() -> None:
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
def test_a_size_never_has_four_figures_before_the_point(size: int, text: str) -> None:
    assert format_bytes(size) == text


def test_durations_for_people() -> None:
    assert [format_duration(ns) for ns in (0, 999, 10**6, 10**9, 10**12)] == [
        "0 ns",
        "999 ns",
        "1.0 ms",
        "1.0 s",
        "16.7 min",
    ]

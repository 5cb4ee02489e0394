"""The questions to a fleet, each an ibis expression: the figures are the same on every engine.

All sizes are in bytes. Quantiles of phases, of which there are many millions, are read from histograms: each is the
largest value of its bucket of 128 KiB, which is less than the kernel's own inaccuracy. Those of processes interpolate
between rows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import ibis
import ibis.expr.types as ir
from ibis import _

from .engines import Fleet

_ROWS = 20
_BUCKET = 128 * 1024
_LEAST_GROWTH = 0.03  # of a peak; smaller differences between versions are not shown,
_LEAST_BYTES = 1_000_000  # nor smaller ones than this
_DEVIATIONS = 4.0  # of the median's standard error, for a difference to be no noise
_OUTLYING = 5.0  # deviations from the other replicas
_PER_IQR = 1 / 1.349  # a normal distribution's standard deviation by its interquartile range
_PER_MEDIAN = 1.2533  # the standard error of a median, by that of a mean


class Question(NamedTuple):
    """A question: its name in the JSON, its title, and what answers it."""

    name: str
    title: str
    ask: Callable[[Fleet], ir.Table | None]


def services(fleet: Fleet) -> ir.Table:
    """Which service holds most."""
    return _by_peak(fleet.processes, ["service"])


def versions(fleet: Fleet) -> ir.Table:
    """Which version holds most."""
    return _by_peak(fleet.processes, ["service", "version"])


def hosts(fleet: Fleet) -> ir.Table:
    """Which host holds most: the peaks of its processes of one day together."""
    daily = fleet.processes.group_by(["host", "day"]).agg(
        processes=_.count(), peak_bytes=_.peak_bytes.sum(), end_bytes=_.end_bytes.sum()
    )
    return (
        daily.group_by("host")
        .agg(
            days=_.count(),
            processes=_.processes.sum(),
            mean_peak_bytes=_.peak_bytes.mean(),
            peak_bytes=_.peak_bytes.max(),
        )
        .order_by(ibis.desc("peak_bytes"), "host")
        .limit(_ROWS)
    )


def phases(fleet: Fleet) -> ir.Table | None:
    """Which phase peaks highest."""
    if fleet.phases is None:
        return None
    keys = ["service", "path"]
    quantiles = {"p50_bytes": 0.5, "p95_bytes": 0.95, "p99_bytes": 0.99, "peak_bytes": 1.0}
    return (
        _quantiles(_named(fleet.phases), keys, _.peak_bytes, quantiles)
        .order_by(ibis.desc("peak_bytes"), *keys)
        .limit(_ROWS)
    )


def kept(fleet: Fleet) -> ir.Table | None:
    """Which phase keeps most, by the sum of its RSS changes."""
    if fleet.phases is None:
        return None
    return (
        _named(fleet.phases)
        .group_by(["service", "path"])
        .agg(
            processes=_.count(),
            calls=_.calls.sum(),
            delta_bytes=_.delta_bytes.sum(),
            bytes_per_process=_.delta_bytes.mean(),
        )
        .order_by(ibis.desc("delta_bytes"), "service", "path")
        .limit(_ROWS)
    )


def grown(fleet: Fleet) -> ir.Table | None:
    """Which phase's peak above its start grew from one version to the next, beyond noise."""
    if fleet.phases is None:
        return None
    first_seen = fleet.processes.group_by(["service", "version"]).agg(first_ns=_.started_unix_ns.min())
    peaks = (
        _quantiles(
            _named(fleet.phases),
            ["service", "path", "version"],
            _.peak_bytes - _.before_bytes,
            {"low": 0.25, "median": 0.5, "high": 0.75},
        )
        .mutate(spread=(_.high - _.low) * _PER_IQR)
        .join(first_seen, ["service", "version"])
    )
    window = ibis.window(group_by=["service", "path"], order_by=["first_ns", "version"])
    steps = peaks.mutate(
        error=_.spread * _PER_MEDIAN / _.processes.cast("float64").sqrt(),
        before=_.median.lag().over(window),
        from_version=_.version.lag().over(window),
    ).mutate(error_before=_.error.lag().over(window))
    grew = _.grew_bytes
    return (
        steps.filter(_.before.notnull())
        .mutate(
            grew_bytes=_.median - _.before,
            noise_bytes=((_.error * _.error + _.error_before * _.error_before).sqrt()) * _DEVIATIONS,
        )
        .filter((grew > _.noise_bytes) & (grew > _LEAST_BYTES) & (grew > _.before * _LEAST_GROWTH))
        .select(
            "service", "path", "from_version", "version", "processes", "before", "median", "grew_bytes", "noise_bytes"
        )
        .rename(before_bytes="before", after_bytes="median")
        .order_by(ibis.desc("grew_bytes"), "service", "path", "version")
        .limit(_ROWS)
    )


def outliers(fleet: Fleet) -> ir.Table:
    """Which replica peaks far above the others of its service and version."""
    replicas = fleet.processes.group_by(["service", "version", "host", "instance"]).agg(
        processes=_.count(), peak_bytes=_.peak_bytes.quantile(0.5)
    )
    usual = replicas.group_by(["service", "version"]).agg(
        replicas=_.count(),
        usual_bytes=_.peak_bytes.quantile(0.5),
        spread_bytes=(_.peak_bytes.quantile(0.75) - _.peak_bytes.quantile(0.25)) * _PER_IQR,
    )
    return (
        replicas.join(usual, ["service", "version"])
        .mutate(above_bytes=_.peak_bytes - _.usual_bytes)
        .filter(
            (_.replicas >= 4)
            & (_.above_bytes > _.spread_bytes * _OUTLYING)
            & (_.above_bytes > _.usual_bytes * _LEAST_GROWTH)
        )
        .select("service", "version", "host", "instance", "processes", "peak_bytes", "usual_bytes", "above_bytes")
        .order_by(ibis.desc("above_bytes"), "service", "version", "host", "instance")
        .limit(_ROWS)
    )


def imports(fleet: Fleet) -> ir.Table | None:
    """Which package's imports cost the fleet how much in a mean day."""
    if fleet.imports is None:
        return None
    by_process = fleet.imports.group_by(["process", "day", "package"]).agg(own_bytes=_.own_bytes.sum())
    return _per_day(by_process, ["package"], "own_bytes")


def owners(fleet: Fleet) -> ir.Table | None:
    """Which owner of memory costs the fleet how much in a mean day, when each process was at its largest."""
    return None if fleet.owners is None else _per_day(fleet.owners, ["category", "owner"], "bytes")


def next_killed(fleet: Fleet) -> ir.Table:
    """Which process reaches its limit next, at the growth of the second half of its trace."""
    left = _.limit_bytes - _.limit_used_bytes
    return (
        fleet.processes.filter(_.limit_bytes.notnull() & (_.growth_bytes_per_hour > 0))
        .mutate(hours_left=left / _.growth_bytes_per_hour)
        .select(
            "service",
            "host",
            "instance",
            "version",
            "day",
            "hours_left",
            "limit_bytes",
            "limit_used_bytes",
            "growth_bytes_per_hour",
        )
        .order_by("hours_left", "service", "host", "instance", "day")
        .limit(_ROWS)
    )


def killed(fleet: Fleet) -> ir.Table:
    """Which phase was running when processes ended without closing their trace."""
    return (
        fleet.processes.filter(~_.closed)
        .group_by(["service", "version", "last_phase"])
        .agg(processes=_.count(), peak_bytes=_.peak_bytes.max())
        .order_by(ibis.desc("processes"), ibis.desc("peak_bytes"), "service", "version", "last_phase")
        .limit(_ROWS)
    )


QUESTIONS = (
    Question("services", "Services by peak RSS", services),
    Question("versions", "Versions by peak RSS", versions),
    Question("hosts", "Hosts by RSS of their processes in one day", hosts),
    Question("phases", "Phases by peak RSS", phases),
    Question("kept", "Phases by RSS that they keep", kept),
    Question("grown", "Growth from version to version, beyond noise", grown),
    Question("outliers", "Outliers among replicas", outliers),
    Question("imports", "Imports, a mean day", imports),
    Question("owners", "Owners of memory, a mean day", owners),
    Question("next_killed", "Processes that reach their limit next", next_killed),
    Question("killed", "Phases in which processes were killed", killed),
)


def _named(table: ir.Table) -> ir.Table:
    return table.filter(_.path != "")  # what happened outside any phase


def _quantiles(table: ir.Table, keys: list[str], value: ir.Value, quantiles: dict[str, float]) -> ir.Table:
    """Return quantiles of a value by keys, and the number of `processes`; memory does not grow with the rows."""
    histogram = (
        table.mutate(value=value)
        .mutate(bucket=(_.value / _BUCKET).floor().cast("int64"))
        .group_by([*keys, "bucket"])
        .agg(rows=_.count(), value=_.value.max())
    )
    up_to_here = ibis.cumulative_window(group_by=keys, order_by="bucket")
    of_all = ibis.window(group_by=keys)
    ranked = histogram.mutate(rank=_.rows.sum().over(up_to_here), all_rows=_.rows.sum().over(of_all))
    return ranked.group_by(keys).agg(
        processes=_.rows.sum(),
        **{name: _.value.min(where=_.rank >= _.all_rows * share) for name, share in quantiles.items()},
    )


def _by_peak(table: ir.Table, keys: list[str]) -> ir.Table:
    return (
        table.group_by(keys)
        .agg(
            processes=_.count(),
            p50_bytes=_.peak_bytes.quantile(0.5),
            p95_bytes=_.peak_bytes.quantile(0.95),
            p99_bytes=_.peak_bytes.quantile(0.99),
            peak_bytes=_.peak_bytes.max(),
        )
        .order_by(ibis.desc("peak_bytes"), *keys)
        .limit(_ROWS)
    )


def _per_day(table: ir.Table, keys: list[str], size: str) -> ir.Table:
    daily = table.group_by([*keys, "day"]).agg(
        processes=_.process.nunique(), bytes=_[size].sum(), bytes_per_process=_[size].mean()
    )
    return (
        daily.group_by(keys)
        .agg(
            days=_.count(),
            processes=_.processes.sum(),
            bytes_per_day=_.bytes.mean(),
            bytes_per_process=_.bytes_per_process.mean(),
        )
        .order_by(ibis.desc("bytes_per_day"), *keys)
        .limit(_ROWS)
    )

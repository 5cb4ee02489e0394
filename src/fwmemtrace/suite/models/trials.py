"""Tries the models of components: finds them in one process, and runs each way in a process of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import msgspec

from ...analysis.suite.model_levers import model_change
from ...recording.session import Session
from ...records import SuiteModel, SuiteModelWay, SuiteRun
from ..passes import Pass, Passes, component_pass
from ..protocol import ModelForm
from .ways import FOUND, RESULT, WAYS, FoundModel, WayResult


class ModelTrials:
    """The trials of all models.

    Args:
        passes: runs the processes.
        recording: the suite's own session.
        folder: where the files of the models go; they are large.
        timeout: seconds that one trial may take.
    """

    def __init__(self, passes: Passes, recording: Session, folder: Path, *, timeout: float) -> None:
        self._passes = passes
        self._recording = recording
        self._folder = folder
        self._timeout = timeout

    def run(self, components: Mapping[int, str]) -> list[SuiteModel]:
        """Tries the models of components, given by position and name, and records the results.

        Passes know from then on how to run each of them in each way that works.
        """
        tried = []
        for position, name in components.items():
            for model in self._find(position, name):
                tried.append(result := self._try(position, name, model))
                self._recording.record(result)
                for way in result.ways[1:]:
                    form = ModelForm(
                        position=position,
                        component=name,
                        name=model.name,
                        way=way.way,
                        folder=model.folder,
                        calls=model.calls,
                    )
                    if not way.problem:
                        self._passes.forms[model_change(result, way)] = form
        return tried

    def _find(self, position: int, name: str) -> list[FoundModel]:
        folder = self._folder / f"models-{position}"
        folder.mkdir()
        finding = component_pass(position, name, "models", ("resident",), timeout=self._timeout)
        self._passes.run([replace(finding, folder=str(folder))])
        file = folder / FOUND
        return msgspec.json.decode(file.read_bytes(), type=list[FoundModel]) if file.exists() else []

    def _try(self, position: int, name: str, model: FoundModel) -> SuiteModel:
        ways = [way for way in WAYS if way not in model.problems]
        done = self._passes.run([self._pass(position, name, model, way) for way in ways], at_once=1)  # they are timed
        results = {way: self._result(model, way, one.run) for way, one in zip(ways, done, strict=True)}
        return SuiteModel(
            component=name,
            name=model.name,
            parameters=model.parameters,
            bytes=model.bytes,
            dtype=model.dtype,
            calls=model.calls,
            ways=[results.get(way) or SuiteModelWay(way, model.problems[way]) for way in WAYS],
        )

    def _pass(self, position: int, name: str, model: FoundModel, way: str) -> Pass:
        return Pass(
            positions=(position,),
            component=name,
            purpose="model",
            probes=(),
            variant=f"{model.name} {way}",
            timeout=self._timeout,
            folder=model.folder,
            way=way,
            calls=model.calls,
        )

    @staticmethod
    def _result(model: FoundModel, way: str, run: SuiteRun) -> SuiteModelWay:
        file = Path(model.folder, RESULT.format(way))
        if run.outcome != "ok" or not file.exists():
            return SuiteModelWay(way, f"{run.outcome}: {run.message}")
        result = msgspec.json.decode(file.read_bytes(), type=WayResult)
        return SuiteModelWay(
            way,
            "",
            result.held_bytes,
            result.peak_bytes,
            result.call_ns,
            result.largest_difference,
            result.cosine,
        )

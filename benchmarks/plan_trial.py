"""The plan of a suite, carried out: what each of its changes promises, and what the service then takes.

    python -m benchmarks.plan_trial              finds the plan of examples/guard_suite.py, and carries it out
    python -m benchmarks.plan_trial SUITE.bin    carries out the plan in the trace of an earlier run of that suite

The changes are made one after another in a copy of the example, in the order of the plan. Each time, `fwmemtrace run`
measures the peak of a program that runs all components, as a service would.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from shutil import copyfile

import fwmemtrace
from benchmarks.harness import ROOT, Row, table
from fwmemtrace.results.suite import SuitePlan, SuiteStep

EXAMPLES = ROOT / "examples"
FILES = ("guard.py", "guard_suite.py", "prompts.txt")
BUDGET = "300MB"
_TOLERANCE = 0.1
_LEAST_BYTES = 5_000_000  # of a saving: less is lost among the differences between runs
_RUNS = 2

_SERVICE = """
import gc
from guard_suite import components
kept = []
for component in components:
    kept.append(made := component.init())
    component.request(made, component.inputs[0])
    for number in range(getattr(component, "batch", 100)):
        component.request(made, component.inputs[number % len(component.inputs)])
gc.collect()
"""
_NAMED = """
components = [component for component in components if component.name in {names!r}]
named = {{component.name: component for component in components}}
"""
_VARIANT = "named[{component!r}].init = named[{component!r}].variants[{subject!r}]\n"
_ONNX_VALIDATOR = """
class OnnxValidator:
    def __init__(self):
        import numpy
        import onnxruntime
        from tokenizers import Tokenizer

        self._numpy = numpy
        self._tokenizer = Tokenizer.from_file(made("nli") + "/tokenizer.json")
        self._tokenizer.enable_padding(pad_id=self._tokenizer.token_to_id("<pad>"), pad_token="<pad>")
        self._session = onnxruntime.InferenceSession({graph!r}, providers=["CPUExecutionProvider"])

    def check(self, text):
        batch = self._tokenizer.encode_batch([(text, hypothesis) for hypothesis in HYPOTHESES])
        ids = self._numpy.array([encoding.ids for encoding in batch])
        mask = self._numpy.array([encoding.attention_mask for encoding in batch])
        logits = self._session.run(None, {{"input_ids": ids, "attention_mask": mask}})[0]
        likely = self._numpy.exp(logits - logits.max(axis=1, keepdims=True))
        return float((likely / likely.sum(axis=1, keepdims=True))[:, 2].max())


named["NLI validator"].init = OnnxValidator
"""
_EXPORT = """
import sys
import torch
from onnxruntime.quantization import quantize_dynamic
from guard_suite import Validator
validator, float32, int8 = Validator(attn_implementation="eager"), sys.argv[1], sys.argv[2]

class Logits(torch.nn.Module):
    def forward(self, ids, mask):
        return validator._model(input_ids=ids, attention_mask=mask, use_cache=False).logits

ids = torch.ones((2, 40), dtype=torch.int64)
names = ["input_ids", "attention_mask"]
axes = {name: {0: "pairs", 1: "tokens"} for name in names}
with torch.no_grad():
    torch.onnx.export(
        Logits(), (ids, ids.clone()), float32, input_names=names, dynamic_axes=axes, dynamo=False
    )
quantize_dynamic(float32, int8)
"""
_NARROW = """
def narrow():
    import torch
    return Validator("nli-fp16", dtype=torch.{dtype})

named["NLI validator"].init = narrow
"""
_TRIMMED = """
import ctypes
from functools import wraps

def trimming(init):
    @wraps(init)
    def made():
        instance = init()
        ctypes.CDLL(None).malloc_trim(0)
        return instance
    return made

for component in components:
    component.init = trimming(component.init)
"""
# In place of an edit of a library, or of one's own call of it.
_DEFERRED = "from fwmemtrace.suite.deferred import Deferral\nDeferral([{subject!r}], str).install()\n"
_OPTION = "from fwmemtrace.suite.library_options import LibraryOptions\nLibraryOptions([{subject!r}]).install()\n"


class Copy:
    """A copy of the example.

    Args:
        folder: where it is made.
        names: the components that the suite ran.
    """

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        self._folder = folder
        self._variables: dict[str, str] = {}
        for name in FILES:
            copyfile(EXAMPLES / name, folder / name)
        suite = folder / "guard_suite.py"
        suite.write_text(suite.read_text().partition('if __name__ == "__main__":')[0] + _NAMED.format(names=names))
        (folder / "service.py").write_text(_SERVICE)

    def apply(self, step: SuiteStep) -> None:
        """Make one change of the plan."""
        known: dict[str, Callable[[SuiteStep], None]] = {
            "use variant": lambda step: self._add(_VARIANT.format(component=step.component, subject=step.subject)),
            "run model": self._run_model,
            "remove import": lambda step: self._add_first(_DEFERRED.format(subject=step.subject)),
            "set option": lambda step: self._add_first(_OPTION.format(subject=step.subject)),
            "set variable": self._set_variable,
            "trim allocator": lambda step: self._add(_TRIMMED),
        }
        if step.action not in known:
            raise SystemExit(f"cannot carry out {step.action} {step.subject}; add it to {__file__}")
        known[step.action](step)

    def peak(self) -> int:
        """Return the peak RSS of the service in bytes, as `fwmemtrace run` measures it."""
        trace = self._folder / "run.bin"
        command = [sys.executable, "-m", "fwmemtrace", "run", "-fqo", str(trace), "service.py"]
        subprocess.run(command, cwd=self._folder, check=True, env={**os.environ, **self._variables})
        (process, *_) = fwmemtrace.read(trace).summary().trace.processes
        trace.unlink()
        return process.peak_bytes

    def _set_variable(self, step: SuiteStep) -> None:
        name, _, value = step.subject.partition("=")
        self._variables[name] = value

    def _run_model(self, step: SuiteStep) -> None:
        way = step.subject.partition(": ")[2]
        if step.component != "NLI validator":
            raise SystemExit(f"cannot run the model of {step.component} as {way}; add it to {__file__}")
        if not way.startswith("ONNX Runtime"):
            self._add(_NARROW.format(dtype=way.partition(" ")[0]))
            return
        files = [self._folder / name for name in ("nli.onnx", "nli-int8.onnx")]
        if not files[1].exists():
            script = self._folder / "export.py"
            script.write_text(_EXPORT)
            subprocess.run([sys.executable, str(script), *map(str, files)], cwd=self._folder, check=True)
        self._add(_ONNX_VALIDATOR.format(graph=str(files["int8" in way])))

    def _add(self, text: str) -> None:
        suite = self._folder / "guard_suite.py"
        suite.write_text(suite.read_text() + text)

    def _add_first(self, text: str) -> None:
        service = self._folder / "service.py"
        service.write_text(text + service.read_text())


def carried_out(plan: SuitePlan, names: Sequence[str], folder: Path) -> Iterator[Row]:
    """Make the changes of a plan one after another, and compare what each saves with what it promises."""
    copy = Copy(folder, names)
    first = before = _peak(copy)
    promised_before = plan.now.median_bytes
    for number, step in enumerate(plan.steps, 1):
        copy.apply(step)
        last = number == len(plan.steps)
        promised_after = plan.result.median_bytes if last else step.after_bytes
        if promised_after is None:
            continue  # what the next one promises includes this one
        after = _peak(copy)
        name = f"{step.component}: {step.action} {step.subject}".strip()
        yield from _row(f"{name}: saved / promised", before - after, promised_before - promised_after)
        before, promised_before = after, promised_after
    whole = plan.now.median_bytes - plan.result.median_bytes
    yield from _row("all changes of the plan: saved / promised", first - before, whole)


def _peak(copy: Copy) -> int:
    return min(copy.peak() for _ in range(_RUNS))


def _row(name: str, saved: int, promised: int) -> Iterator[Row]:
    if promised >= _LEAST_BYTES:
        yield Row(name, saved, promised, saved / promised, _TOLERANCE, "B", "within")


def run() -> list[Row]:
    """Find the plan and carry it out."""
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder, "suite.bin")
        suite = [str(EXAMPLES / "guard_suite.py"), "--budget", BUDGET, "--try-models", "--skip", "native,python"]
        subprocess.run(
            [sys.executable, "-m", "fwmemtrace", "suite", *suite, "--repeat", "2", "-o", str(trace)],
            stdout=subprocess.DEVNULL,
            check=False,  # the service exceeds its budget
        )
        return of_trace(trace)


def of_trace(trace: Path) -> list[Row]:
    """Carry out the plan of a trace."""
    suite = fwmemtrace.read(trace).summary().suite
    if suite is None or suite.plan is None:
        raise SystemExit(f"{trace} has no plan")
    names = [component.name for component in suite.components]
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("GUARD_MODELS", str(EXAMPLES / "models"))
    with tempfile.TemporaryDirectory() as folder:
        return list(carried_out(suite.plan, names, Path(folder)))


if __name__ == "__main__":
    rows = of_trace(Path(sys.argv[1])) if len(sys.argv) > 1 else run()
    print(table(rows))
    sys.exit(0 if all(row.reached for row in rows) else 1)

"""How far a suite came that did not run to its end, in words."""

from __future__ import annotations

from ...results.suite import SuiteUnfinished
from ..blocks import Sentence, counted, enumerate_words
from .words import Words

# What is not measured where processes of a purpose have not run.
_MISSING = {
    "resident": "RSS of the components",
    "use": "the use of imports",
    "variant": "variants",
    "trial": "trials of changes",
    "deferred": "trials of changes",
    "arenas": "trials of changes",
    "model": "models",
    "together": "all components in one process",
    "plan": "the plan",
    "forks": "forked workers",
    "native": "native memory",
    "python": "the Python heap",
}


def unfinished_sentence(unfinished: SuiteUnfinished) -> Sentence:
    """Returns what ended a suite early, and what was not, or not all of it, measured by then."""
    by, after = unfinished.stopped_by, [" after ", *counted(unfinished.processes, "run")]
    words: Words = ["The suite stopped", *after, f" ({by})"]
    if by.startswith("SIG"):
        words = ["The suite was interrupted by ", by, *after]
    elif not by:
        words = ["The suite has not ended", *after, ": it still runs, was killed, or could not write its trace"]
    if missing := dict.fromkeys(_MISSING[purpose] for purpose in unfinished.missing if purpose in _MISSING):
        words += ["; still to be measured: ", *enumerate_words([[name] for name in missing])]
    return [*words, "."]

"""The example's embedding guard, with few requests."""

import sys
from pathlib import Path

from fwmemtrace.suite import Component

sys.path.insert(0, str(Path(__file__).parents[3] / "examples"))

from guard import PROMPTS, EmbeddingDetector, read_prompts

TEXTS = [text for _, text in read_prompts(PROMPTS)][:5]


def copied():
    """The detector with its weights copied out of the mapped file."""
    detector = EmbeddingDetector()
    for parameter in detector._model.parameters():
        parameter.data = parameter.data.clone()
    return detector


def check(detector, text):
    return detector.check([text])


components = [
    Component("mapped", EmbeddingDetector, check, TEXTS, batch=5),
    Component("copied", copied, check, TEXTS, batch=5),
]

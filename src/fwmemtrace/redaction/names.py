"""Tells by its name whether a value is a secret.

Words decide, not parts of them: `api_key` and `dbPassword` are secret, `max_tokens=512`, `tokenizer` and `keyboard` are
not.
"""

from __future__ import annotations


def _words_of(text: str) -> frozenset[str]:
    return frozenset(text.split())


_SECRET = _words_of(
    "apikey auth authorization bearer cookie creds credential credentials csrf cvc cvv iban jwt key otp passcode "
    "passkey passphrase passwd password passwort psk pw pwd secret secrets ssn token totp xsrf"
)
_SECRET_ENDS = (
    "password", "passwd", "passphrase", "secret", "token", "apikey", "credentials", "privatekey", "secretkey",
    "accesskey", "authkey", "signingkey", "cookie", "storepass", "keypass", "dbpass", "userpass", "rootpass",
)  # fmt: skip
_SECRET_PAIRS = {
    ("card", "number"), ("credit", "card"), ("account", "number"), ("mfa", "code"), ("recovery", "code"),
    ("verification", "code"), ("backup", "code"), ("magic", "link"),
}  # fmt: skip
_SECRET_TEXTS = _words_of("hmac keys pass sas sid sig signature tokens")  # a number by that name is none
_SESSION_ENDS = ("sessionid", "sessid")
# Words behind a secret one that make it something else: a secret's name, place, length.
_HARMLESS_ENDS = _words_of(
    "age alg algorithm budget changed check class count counts dir embedding embeddings enabled error errors expired "
    "expires expiry field file folder format id ids idx index len length limit limits loss mask method mode name names "
    "num number path policy prefix provider rate required reset scope service size sizes state status strength ttl "
    "type types url usage version"
)
_HARMLESS_KEYS = _words_of("cache dict foreign group partition primary public shard sort")
# Words before "token", "tokens" and "pass": what models read, and rounds of work.
_OF_MODELS = _words_of(
    "backward bos cls completion current eos eot first forward image input last mask max min new next num output pad "
    "per prev prompt second sep special stop text third total unk warmup"
)


def rank(name: str) -> int:
    """Return 2 for a name of a secret, 1 for one of a secret unless it is a number, 0 for any other."""
    words = _words(name)
    if not words:
        return 0
    last, pair = words[-1], tuple(words[-2:])
    if pair == ("session", "id") or last.endswith(_SESSION_ENDS):
        return 1
    if pair in _SECRET_PAIRS:
        return 2
    if last in _HARMLESS_ENDS or (len(words) > 1 and last in ("token", "tokens", "pass") and words[-2] in _OF_MODELS):
        return 0
    if last == "key":  # alone, it is the key of a dict or cache more often than a secret
        return 0 if len(words) == 1 or _HARMLESS_KEYS.intersection(words) else 2
    if any((word in _SECRET and word != "key") or word.endswith(_SECRET_ENDS) for word in words):
        return 2
    return 1 if last in _SECRET_TEXTS and words != ["keys"] else 0


def _words(name: str) -> list[str]:
    """Split a name such as `--api-key`, `dbPassword` or `AWS_SECRET_KEY` into its words, in lower case."""
    spaced = []
    before = ""
    for character in name[:200]:
        if not character.isalnum():
            spaced.append(" ")
        else:
            if character.isupper() and before.islower():
                spaced.append(" ")
            spaced.append(character)
        before = character
    return "".join(spaced).lower().split()


def is_number(text: str) -> bool:
    """Return whether a text is a number, or another value that tells nothing: true, false or none."""
    try:
        float(text)
    except ValueError:
        return text.lower() in ("true", "false", "none")
    return True

"""Keeps secrets out of traces: the values of options and attributes that are named like secrets, and text like tokens.

Words decide about a name, not parts of them: `api_key` and `dbPassword` are secret, `max_tokens=512`, `tokenizer` and
`keyboard` are not. The expressions for text are compiled when a text first looks as if it could match one, since `re`
is large for a process that has not loaded it.
"""

from __future__ import annotations

from .errors import SettingsError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re
    from collections.abc import Mapping, Sequence

    from .values import Scalar

REDACTED = "[redacted]"


def _words_of(text: str) -> frozenset[str]:
    return frozenset(text.split())


_SECRET = _words_of(
    "apikey auth authorization bearer cookie creds credential credentials csrf cvc cvv iban jwt key otp passcode "
    "passkey passphrase passwd password passwort psk pw pwd secret secrets ssn token totp xsrf"
)
_SECRET_ENDS = (
    "password", "passwd", "passphrase", "secret", "token", "apikey", "credentials", "privatekey", "secretkey",
    "accesskey", "authkey", "signingkey", "cookie",
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
# What well-known tokens begin with; 16 characters or more follow.
_TOKEN_STARTS = (
    "sk-", "sk_live_", "sk_test_", "rk_live_", "rk_test_", "pk_live_", "pk_test_", "whsec_",
    "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "glrt-", "gldt-", "glptt-", "glsa_",
    "AIza", "ya29.", "GOCSPX-", "hf_", "npm_", "pypi-", "dckr_pat_", "hvs.", "hvb.", "hvr.", "dop_v1_", "dp.pt.",
    "shpat_", "shpss_", "lin_api_", "sq0csp-", "sq0atp-", "pul-", "dapi", "NRAK-", "ATATT3", "figd_", "sntrys_",
    "sntryu_", "fm2_", "fo1_", "phx_", "sbp_", "r8_", "gsk_", "xai-", "pplx-", "AGE-SECRET-KEY-1",
    "hooks.slack.com/services/", "discord.com/api/webhooks/", "discordapp.com/api/webhooks/",
)  # fmt: skip
# One of these, or of those above, is in every text that one of the expressions matches.
_HINTS = (
    "://", "-----BEGIN", "earer ", "EARER ", "ookie",
    "xox", "AKIA", "ASIA", "eyJ", "SG.", "SK", "1//0", ":AA", "k_live_", "k_test_",
)  # fmt: skip
_NAMED_HINTS = (
    "token", "secret", "pass", "pwd", "key", "cred", "auth", "cookie", "jwt", "sig", "bearer", "psk", "sess", "sid",
    "csrf", "xsrf", "card", "cvv", "cvc", "ssn", "iban", "hmac", "otp", "number", "code", "link",
)  # fmt: skip
_SPOKEN_HINTS = ("password", "passwd", "passphrase", "secret", "token", " key ")
_USERS = (" -u", " --user ")
_SHAPES = (
    r"[srp]k_(?:live|test)_\w{10,}",
    r"xox[a-z]-[\w-]{10,}",
    r"(?:AKIA|ASIA)[0-9A-Z]{16}",
    r"eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*",
    r"SG\.[\w-]{16,}\.[\w-]{16,}",
    r"SK[0-9a-f]{32}",
    r"1//0[\w-]{20,}",
    r"\d{8,10}:AA[\w-]{30,}",
)
_CARDS = {"3": (15, 16), "4": (13, 16, 19), "5": (16,), "6": (16,)}  # digits of a card's number, by the first one
_DIGITS = b"0123456789"
_FEWEST_CARD_DIGITS = 13
_SHORTEST_RANDOM = 20  # characters of a word that may be a token by its looks
_LEAST_CHANGES = 0.45  # between capitals, small letters and digits, for each character: random ones have 0.6
_MOST_KNOWN = 1024  # results that are kept for the next time
_LONGEST_KNOWN = 64  # characters of a text whose result is kept


class Redactor:
    """Replaces secrets by `REDACTED`.

    Args:
        patterns: regular expressions besides the built-in rules: what matches in a text is replaced, and a name in
            which one is found is that of a secret.

    Raises:
        SettingsError: if a pattern is no regular expression.
    """

    def __init__(self, patterns: Sequence[str] = ()) -> None:
        self._own = [_compiled(pattern) for pattern in patterns]
        self._built_in: _TextRules | None = None
        self._names: dict[str, int] = {}
        self._harmless: set[tuple[str, Scalar]] = set()

    def attributes(self, attributes: dict[str, Scalar]) -> dict[str, Scalar]:
        """Return attributes without secrets; the same dict if it has none that were not seen before."""
        harmless, names = self._harmless, self._names
        for name, value in attributes.items():
            # Numbers by their names only, as True is as good as 1 to a set.
            if names.get(name) != 0 if value.__class__ is not str else (name, value) not in harmless:
                break
        else:
            return attributes
        kept = {name: self.value(name, value) for name, value in attributes.items()}
        if len(self._harmless) >= _MOST_KNOWN:
            self._harmless.clear()
        for pair in attributes.items():
            if isinstance(pair[1], str) and len(pair[1]) <= _LONGEST_KNOWN and kept[pair[0]] is pair[1]:
                self._harmless.add(pair)
        return kept

    def labels(self, labels: Mapping[str, str]) -> dict[str, str]:
        """Return labels without secrets."""
        return {name: str(self.value(name, value)) for name, value in labels.items()}

    def value(self, name: str, value: Scalar) -> Scalar:
        """Return the value of an option or attribute of that name without secrets."""
        if isinstance(value, bool):
            return value
        if self._is_secret(name, value):
            return REDACTED
        return self.text(value) if isinstance(value, str) else value

    def arguments(self, words: Sequence[str]) -> list[str]:
        """Return a command line without secrets: `--name value`, `--name=value`, `NAME=value`, and text like tokens."""
        kept: list[str] = []
        option = ""
        for word in words:
            start, equals, value = word.partition("=")
            name = start.lstrip("-")
            is_option = start != name
            if option and not word.startswith("--") and self._is_secret_option(option, word):
                word = REDACTED
            elif option in ("u", "user") and ":" in word and not _is_number(word.partition(":")[2]):
                word = f"{word.partition(':')[0]}:{REDACTED}"
            elif equals and is_option and name == "key":
                word = f"{start}={REDACTED}"
            elif equals and name.replace("-", "").replace(".", "").replace("_", "").isalnum():
                word = f"{start}={self.value(name, value)}"
            else:
                word = self.text(word)
            kept.append(word)
            option = name if is_option and not equals else ""
        return kept

    def text(self, text: str) -> str:
        """Return a text without credentials in URLs, values of names like `password=`, and well-known tokens."""
        for pattern in self._own:
            text = pattern.sub(REDACTED, text)
        has = text.__contains__
        hinted = any(map(has, _HINTS)) or any(map(has, _TOKEN_STARTS))
        is_named = "=" in text or ":" in text or ("-" in text and " " in text)
        is_spoken = " " in text and _mentions(text, _SPOKEN_HINTS)
        is_user = text.startswith("-u") or any(map(has, _USERS))
        if hinted or is_spoken or is_user or (is_named and _mentions(text, _NAMED_HINTS)):
            if self._built_in is None:
                try:
                    self._built_in = _TextRules()
                except (AttributeError, ImportError):  # a signal handler's text, in the middle of the import of `re`
                    return REDACTED
            text = self._built_in.apply(text)
        return _without_random_words(_without_card_numbers(text))

    def _is_secret_option(self, name: str, value: str) -> bool:
        if name == "p":  # a port, plugin or path for others
            return not _is_number(value) and not any(mark in value for mark in ":,/.")
        return name == "key" or self._is_secret(name, value)

    def _is_secret(self, name: str, value: Scalar) -> bool:
        rank = self._names.get(name)
        if rank is None:
            rank = 2 if any(pattern.search(name) for pattern in self._own) else _rank(name)
            if len(self._names) >= _MOST_KNOWN:
                self._names.clear()
            self._names[name] = rank
        return rank == 2 or (rank == 1 and isinstance(value, str) and not _is_number(value))


class _TextRules:
    """The built-in expressions, compiled."""

    def __init__(self) -> None:
        import re

        self._keys = re.compile(
            r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY(?: BLOCK)?-----.*?(?:-----END [A-Z ]{0,30}-----|\Z)", re.S
        )
        # A password may contain what ends a host; what follows a host and a port may contain an "@".
        user, password = r"[^/\s?#\"'<>]+@", r"[^/\s?#\"'<>:@]*:(?!\d{1,5}[/?#])[^\s\"'<>]+@"
        self._urls = re.compile(rf"(?i)\b([a-z][a-z0-9+.-]{{0,30}}://)(?:{password}|{user})")
        self._queries = re.compile(r"([?&](?:key=(?=[^&\s\"'<>]{8})|code=(?=[^&\s\"'<>]{12})))[^&\s\"'<>]+")
        self._cookies = re.compile(r"(?i)\b((?:set-)?cookie\s{0,3}:\s{0,3})[^\n\"']+")
        self._options = re.compile(r"(?<!\S)(--?[A-Za-z][\w-]{1,63})(\s+)([^\s-]\S*)")
        # As in "curl -u me:word", "mysql -pword", "the password is 'word'", "token word1234 has expired".
        self._users = re.compile(r"(?<!\S)(-u ?|--user[ =])([^\s:/]+):(?!\d+(?!\S))([^\s\"']+)")
        self._short = re.compile(
            r"(\b(?:mysql\w*|mariadb\w*|sshpass|docker login)\s(?:[^|;&]*?\s)?-p\s?)([^\s\"'-][^\s\"']*)"
        )
        spoken = (
            r"(?i)\b((?:password|passwd|passphrase|secret|token|(?:api|access|private) key)\s{1,3}(?:is\s|was\s|of\s)?)"
        )
        mixed = r"(?=[\w.+/~!@#$%^&*-]*[a-z])(?=[\w.+/~!@#$%^&*-]*\d)[\w.+/~!@#$%^&*-]{8,}"
        self._spoken = re.compile(rf"{spoken}(?:'[^']+'|\"[^\"]+\"|{mixed})")
        self._bearer = re.compile(r"(?i)\b(bearer\s+)[\w.~+/=-]{8,}")
        starts = "|".join(map(re.escape, _TOKEN_STARTS))
        # Other names begin so too, `sk-learn-pipeline` for one. Tokens have long runs, or capitals and digits.
        drawn = r"(?=[\w./-]{0,200}?[A-Za-z0-9]{16}|(?=[\w./-]{0,200}?\d)[\w./-]{0,200}?[A-Z])"
        self._shapes = re.compile(rf"\b(?:{'|'.join(_SHAPES)}|(?:{starts}){drawn}[\w./-]{{16,}})", re.A)
        self._named = re.compile(
            r"""(?x) (?<![\w.-]) [\w.-]{1,64} (?= \\* ["']? \s{0,3} [=:] ) (?! :// )"""  # what stands before "=" or ":"
        )
        self._value = re.compile(
            r"""(?ix) ( \\* ["']? \s{0,3} [=:] \s{0,3} ) (?: (?:bearer|basic|digest|token) \s+ )?
            (?: \\+" (.*?) \\+" | "([^"]*)" | '([^']*)' | ([^\s,;&"'}\])]+) )"""
        )

    def apply(self, text: str) -> str:
        text = self._keys.sub(REDACTED, text)
        text = self._urls.sub(rf"\1{REDACTED}@", text)
        text = self._queries.sub(rf"\1{REDACTED}", text)
        text = self._cookies.sub(rf"\1{REDACTED}", text)
        text = self._options.sub(_without_value, text)
        text = self._users.sub(rf"\1\2:{REDACTED}", text)
        text = self._short.sub(rf"\1{REDACTED}", text)
        text = self._spoken.sub(rf"\1{REDACTED}", text)
        text = self._without_named_values(text)
        text = self._bearer.sub(rf"\1{REDACTED}", text)
        return self._shapes.sub(REDACTED, text)

    def _without_named_values(self, text: str) -> str:
        pieces, at = [], 0
        for name in self._named.finditer(text):
            rank = _rank(name[0]) if name.start() >= at else 0
            value = self._value.match(text, name.end()) if rank else None
            if value is None or text.startswith(REDACTED, value.end(1)):
                continue
            if rank == 1 and _is_number(value[value.lastindex or 1]):
                continue
            pieces += [text[at : value.end(1)], REDACTED]
            at = value.end()
        return "".join([*pieces, text[at:]])


def _without_value(option: re.Match[str]) -> str:
    """Return an option within a text, such as that of `sh -c`, without its value if that is a secret."""
    name, space, value = option.groups()
    rank = _rank(name)
    return option[0] if not rank or (rank == 1 and _is_number(value)) else f"{name}{space}{REDACTED}"


def _without_random_words(text: str) -> str:
    """Return a text without words that look as if they had been drawn: tokens that no rule knows."""
    if len(text) < _SHORTEST_RANDOM or text.islower() or not any(map(text.__contains__, "0123456789")):
        return text
    spaced = "".join(character if character.isalnum() else " " for character in text)
    words = set(spaced.split())
    if "/" in text or "+" in text:  # base64 may have both
        joined = "".join(character if character.isalnum() or character in "/+" else " " for character in text)
        words.update(word for word in joined.split() if len(word) >= 2 * _SHORTEST_RANDOM)
    for word in sorted(words, key=len, reverse=True):
        if len(word) >= _SHORTEST_RANDOM and _looks_random(word):
            text = text.replace(word, REDACTED)
    return text


def _without_card_numbers(text: str) -> str:
    """Return a text without numbers of payment cards: of a card's length, with the right check digit (ISO/IEC 7812)."""
    if len(text) < _FEWEST_CARD_DIGITS:
        return text
    encoded = text.encode("ascii", "replace")
    if len(encoded) - len(encoded.translate(None, _DIGITS)) < _FEWEST_CARD_DIGITS:
        return text
    found = []
    for word in "".join(character if character in "0123456789 -" else "x" for character in text).split("x"):
        digits = word.replace(" ", "").replace("-", "")
        if len(digits) in _CARDS.get(digits[:1], ()) and _checks(digits):
            found.append(word.strip(" -"))
    for number in found:
        text = text.replace(number, REDACTED)
    return text


def _checks(digits: str) -> bool:
    """Whether the check digit is that of Luhn's sum."""
    doubled = [int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(digits))]
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0


def _looks_random(word: str) -> bool:
    kinds = [0 if letter.isdecimal() else 1 if letter.isupper() else 2 for letter in word if letter.isalnum()]
    changes = sum(kind != after for kind, after in zip(kinds, kinds[1:], strict=False))  # noqa: RUF007  (`pairwise` is in a module to import)
    return len(set(kinds)) == 3 and changes >= _LEAST_CHANGES * len(word)


def _rank(name: str) -> int:
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


def _mentions(text: str, hints: Sequence[str]) -> bool:
    return any(map(text.lower().__contains__, hints))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return text.lower() in ("true", "false", "none")
    return True


def _compiled(pattern: str) -> re.Pattern[str]:
    import re

    try:
        return re.compile(pattern)
    except re.error as error:
        raise SettingsError(f"{pattern!r} is not a regular expression: {error}") from error

"""Regular expressions for secrets in texts.

Loaded when a text first looks as if one of them could match: `re` is large for a process that has not loaded it.
"""

from __future__ import annotations

import re

from .hints import TOKEN_STARTS
from .names import is_number, rank
from .unnamed import REDACTED

_SHAPES = (
    r"[srp]k_(?:live|test)_\w{10,}",
    r"xox[a-z]-[\w-]{10,}",
    r"(?:AKIA|ASIA)[0-9A-Z]{16}",
    r"eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*",
    r"SG\.[\w-]{16,}\.[\w-]{16,}",
    r"SK[0-9a-f]{32}",
    r"1//0[\w-]{20,}",
    r"(?:bot)?\d{8,10}:AA[\w-]{30,}",
)


class TextRules:
    """The built-in expressions, compiled."""

    def __init__(self) -> None:
        self._keys = re.compile(
            r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY(?: BLOCK)?-----.*?(?:-----END [A-Z ]{0,30}-----|\Z)", re.S
        )
        # A password may contain what ends a host; what follows a host and a port may contain an "@".
        user, password = r"[^/\s?#\"'<>]+@", r"[^/\s?#\"'<>:@]*:(?!\d{1,5}[/?#])[^\s\"'<>]+@"
        self._urls = re.compile(rf"(?i)\b([a-z][a-z0-9+.-]{{0,30}}://)(?:{password}|{user})")
        self._queries = re.compile(r"([?&](?:key=(?=[^&\s\"'<>]{8})|code=(?=[^&\s\"'<>]{12})))[^&\s\"'<>]+")
        header = r"(?:(?:set-)?cookie|(?:proxy-)?authorization)"
        self._headers = re.compile(rf"(?i)\b({header}\s{{0,3}}:\s{{0,3}})[^\n\"']+")
        self._elements = re.compile(r"<([\w.-]{1,64})>([^<]+)(?=</)")
        self._options = re.compile(r"(?<!\S)(--?[A-Za-z][\w-]{1,63})(\s+)([^\s-]\S*)")
        # As in "curl -u me:word", "mysql -pword", "the password is 'word'", "token word1234 has expired".
        self._users = re.compile(r"(?<!\S)(-[uU] ?|--(?:proxy-)?user[ =])([^\s:/]+):(?!\d+(?!\S))([^\s\"']+)")
        self._short = re.compile(
            r"(\b(?:mysql\w*|mariadb\w*|sshpass|docker login)\s(?:[^|;&]*?\s)?-p\s?)([^\s\"'-][^\s\"']*)"
        )
        spoken = r"(?:password|passwd|passphrase|secret|token|(?:api|access|private) ?key:?)\s{1,3}(?:is\s|was\s|of\s)?"
        mixed = r"(?=[\w.+/~!@#$%^&*-]*[a-z])(?=[\w.+/~!@#$%^&*-]*\d)[\w.+/~!@#$%^&*-]{8,}"
        self._spoken = re.compile(rf"(?i)\b({spoken})(?:'[^']+'|\"[^\"]+\"|{mixed})")
        self._bearer = re.compile(r"(?i)\b(bearer\s+)[\w.~+/=-]{8,}")
        starts = "|".join(map(re.escape, TOKEN_STARTS))
        # Other names begin so too, `sk-learn-pipeline` for one. Tokens have long runs, or capitals and digits.
        drawn = r"(?=[\w./-]{0,200}?[A-Za-z0-9]{16}|(?=[\w./-]{0,200}?\d)[\w./-]{0,200}?[A-Z])"
        self._shapes = re.compile(rf"\b(?:{'|'.join(_SHAPES)}|(?:{starts}){drawn}[\w./-]{{16,}})", re.A)
        self._named = re.compile(
            r"""(?x) (?<![\w.-]) [\w.-]{1,64} (?= \\* ["']? \s{0,3} [=:] ) (?! :// )"""  # what stands before "=" or ":"
        )
        self._value = re.compile(
            r"""(?ix) ( \\* ["']? \s{0,3} (?: := | => | [=:] ) \s{0,3} ) (?: (?:bearer|basic|digest|token) \s+ )?
            (?: \\+" (.*?) \\+"
              | (?: \w{1,30}\( )? [bru]{0,2} (?: "((?:[^"\\]|\\.)*)" | '((?:[^'\\]|\\.)*)' )  # as b'...', Secret('...')
              | ([^\s,;&"'}\])]+) )"""
        )

    def apply(self, text: str) -> str:
        """Return a text without what one of them finds."""
        text = self._keys.sub(REDACTED, text)
        text = self._urls.sub(rf"\1{REDACTED}@", text)
        text = self._queries.sub(rf"\1{REDACTED}", text)
        text = self._headers.sub(rf"\1{REDACTED}", text)
        text = self._elements.sub(_without_content, text)
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
            secrecy = rank(name[0]) if name.start() >= at else 0
            value = self._value.match(text, name.end()) if secrecy else None
            if value is None or text.startswith(REDACTED, value.end(1)):
                continue
            if secrecy == 1 and is_number(value[value.lastindex or 1]):
                continue
            pieces += [text[at : value.end(1)], REDACTED]
            at = value.end()
        return "".join([*pieces, text[at:]])


def _without_value(option: re.Match[str]) -> str:
    """Return an option within a text, such as that of `sh -c`, without its value if that is a secret."""
    name, space, value = option.groups()
    secrecy = rank(name)
    return option[0] if not secrecy or (secrecy == 1 and is_number(value)) else f"{name}{space}{REDACTED}"


def _without_content(element: re.Match[str]) -> str:
    """Return an element of XML up to its end tag, without its content if that is a secret."""
    name, content = element.groups()
    secrecy = rank(name)
    return element[0] if not secrecy or (secrecy == 1 and is_number(content)) else f"<{name}>{REDACTED}"

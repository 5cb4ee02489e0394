"""Shortens the symbols of C, C++ and Rust functions to the names that people know them by."""

from __future__ import annotations

import re
from contextlib import redirect_stdout
from functools import lru_cache

_CACHED = 4096  # names: the same functions are in most stacks
# Symbols of Rust's older mangling leave a C++ demangler with these escapes, and with a hash at the end.
_HASH = re.compile(r"::h[0-9a-f]{16}$")
_ESCAPES = (("..", "::"), ("$LT$", "<"), ("$GT$", ">"), ("$u20$", " "), ("$RF$", "&"), ("$BP$", "*"), ("$C$", ","))
_NEWER = "_R"  # the prefix of its newer mangling, which C++ demanglers leave alone
_NAMELESS, _BRACED = "(anonymous namespace)", "{anonymous}"


@lru_cache(_CACHED)
def short_name(symbol: str) -> str:
    """Return a symbol without template arguments, parameters and return type.

    Args:
        symbol: a demangled symbol; Rust's may be mangled.

    >>> short_name("void at::native::fill_<long>(at::Tensor&, c10::Scalar const&)")
    'at::native::fill_'
    >>> short_name("(anonymous namespace)::grow(unsigned long) [clone .isra.0]")
    '(anonymous namespace)::grow'
    >>> short_name("operator new(unsigned long)"), short_name("tokenizers::models::load::h0123456789abcdef")
    ('operator new', 'tokenizers::models::load')
    >>> short_name("_$LT$alloc..vec..Vec$LT$T$GT$$u20$as$u20$core..clone..Clone$GT$::clone::h0123456789abcdef")
    'alloc::vec::Vec::clone'
    """
    if symbol.startswith(_NEWER):
        return _rust(_demangled(symbol))
    if "$" in symbol:
        for escaped, meant in _ESCAPES:
            symbol = symbol.replace(escaped, meant)
        symbol = symbol.removeprefix("_") if symbol.startswith("_<") else symbol
    symbol = _HASH.sub("", symbol)
    if symbol.startswith("<") and ">::" in symbol:
        return _rust(symbol)
    symbol = symbol.replace(_NAMELESS, _BRACED)
    if "operator" in symbol:
        name = symbol.partition("(")[0] or symbol
    else:
        name = _outside(symbol.partition("(")[0] if "<" not in symbol else symbol).rpartition(" ")[2] or symbol
    return name.replace(_BRACED, _NAMELESS)


def _outside(text: str) -> str:
    """Return the text outside of angle brackets, up to the first parenthesis there."""
    kept = []
    depth = 0
    for char in text:
        if char == "<":
            depth += 1
        elif char == ">":
            depth -= 1
        elif depth == 0:
            if char == "(":
                break
            kept.append(char)
    return "".join(kept)


def _demangled(symbol: str) -> str:
    try:
        from rust_demangler import demangle

        with redirect_stdout(None):  # it prints symbols that it cannot demangle
            return str(demangle(symbol))
    except Exception:  # not installed, or not able to demangle this one
        return symbol


def _rust(symbol: str) -> str:
    """Return a Rust path without type arguments; a trait's method by the type that it is implemented for."""
    while symbol.startswith("<"):  # a closure's type is itself inside such a method
        own, rest = _bracketed(symbol)
        symbol = own + rest
    return _outside(symbol.replace("::<", "<")).strip() or symbol


def _bracketed(symbol: str) -> tuple[str, str]:
    """Return the text in the angle brackets at the beginning, up to " as ", and the text behind them."""
    depth = trait = 0
    for place, char in enumerate(symbol):
        depth += (char == "<") - (char == ">" and symbol[place - 1] != "-")
        if depth == 0:
            return symbol[1 : trait or place], symbol[place + 1 :]
        if depth == 1 and not trait and symbol.startswith(" as ", place):
            trait = place
    return symbol[1:], ""

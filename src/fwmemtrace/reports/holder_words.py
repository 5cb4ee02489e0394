"""What keeps an object of a growing type alive, as a sentence."""

from __future__ import annotations

from .. import results
from .blocks import Code, Inline


def holder_words(holder: results.Holder) -> list[Inline]:
    """Returns a chain of references in words.

    >>> from fwmemtrace.reports.blocks import plain
    >>> steps = [("builtins.module", "", "app"), ("builtins.list", ".SEEN", ""), ("app.Item", "[9]", "")]
    >>> chain = [results.HolderStep(type=kind, link=link, name=name) for kind, link, name in steps]
    >>> holder = results.Holder(
    ...     type="app.Item", count=10, delta_count=10, path="request", root="module", chain=chain, words=""
    ... )
    >>> plain(holder_words(holder))
    'app.Item is held by module app: .SEEN (list), [9] (app.Item)'
    """
    kind, chain = Code(holder.type), holder.chain
    first = Code(step_name(chain[0])) if chain else Code("")
    rest = Code(", ".join(f"{step.link.strip()} ({step_name(step)})" for step in chain[1:]))
    note = f" ({holder.note})" if holder.note else ""
    match holder.root:
        case "module":
            return [kind, " is held by ", first, ": ", rest, note]
        case "cycle":
            return [kind, " is in a reference cycle that only the garbage collector frees: ", first, ", ", rest, note]
        case "unseen":
            via: list[Inline] = []
            if len(chain) > 1:
                via = [" through ", first, ", ", rest]
            return [kind, " is held", *via, " by a local variable of a running function or by C code", note]
        case _:
            return ["No reference to ", kind, " was found", note]


def step_name(step: results.HolderStep) -> str:
    """Returns an object of the chain by its type and name."""
    kind = step.type.removeprefix("builtins.")
    return f"{kind} {step.name}" if step.name else kind

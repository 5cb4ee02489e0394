"""Tells quickly whether a text may have a secret that one of the expressions in `text_rules` finds."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

# What well-known tokens begin with; 16 characters or more follow.
TOKEN_STARTS = (
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
    "csrf", "xsrf", "pw", "sas", "card", "cvv", "cvc", "ssn", "iban", "hmac", "otp", "number", "code", "link",
)  # fmt: skip
_SPOKEN_HINTS = ("password", "passwd", "passphrase", "secret", "token", "apikey ", " key ", " key:")
_USERS = (" -u", " -U", "-user ")


def may_match(text: str) -> bool:
    """Return whether one of the expressions may match; False is certain."""
    has = text.__contains__
    if any(map(has, _HINTS)) or any(map(has, TOKEN_STARTS)) or text.startswith(("-u", "-U")) or any(map(has, _USERS)):
        return True
    if " " in text and _mentions(text, _SPOKEN_HINTS):
        return True
    is_named = "=" in text or ":" in text or "</" in text or ("-" in text and " " in text)
    return is_named and _mentions(text, _NAMED_HINTS)


def _mentions(text: str, hints: Sequence[str]) -> bool:
    return any(map(text.lower().__contains__, hints))

"""Formats bytes, durations and counts as text, and parses text such as `300MB`. Nothing else in the package does."""

from __future__ import annotations

from .errors import SettingsError

# Decimal units besides the binary ones that the kernel counts in. Reports print decimal MB (10**6), which is also what
# "300MB" means.
_SIZES = {
    "": 1,
    "B": 1,
    "K": 10**3,
    "KB": 10**3,
    "M": 10**6,
    "MB": 10**6,
    "G": 10**9,
    "GB": 10**9,
    "T": 10**12,
    "TB": 10**12,
    "KI": 2**10,
    "KIB": 2**10,
    "MI": 2**20,
    "MIB": 2**20,
    "GI": 2**30,
    "GIB": 2**30,
    "TI": 2**40,
    "TIB": 2**40,
}
# A smaller number without a unit is more likely a mistake than a size in bytes.
_SMALLEST_WITHOUT_UNIT = 1_000_000
_DURATIONS = {"": 10**9, "S": 10**9, "MS": 10**6, "US": 10**3, "NS": 1, "M": 60 * 10**9}


def parse_bytes(text: str | int) -> int:
    """Parse a size such as `"300MB"`, `"1.5 GiB"` or `300000000`.

    Args:
        text: a number and a unit: B, kB, MB, GB, TB (powers of 1000) or KiB, MiB, GiB, TiB (powers of 1024), in upper
            or lower case. A number alone is bytes, in text only from a million on.

    Returns:
        The size in bytes.

    Raises:
        SettingsError: if there is no number, the unit is missing or unknown, or the size is negative.

    >>> parse_bytes("300MB"), parse_bytes("1.5 GiB"), parse_bytes(4096)
    (300000000, 1610612736, 4096)
    """
    size = float(text) if isinstance(text, int) else _scaled(text, _SIZES, "a size, such as 300MB or 1.5GiB")
    if size < 0:
        raise SettingsError(f"a size cannot be negative: {text!r}")
    if isinstance(text, str) and 0 < size < _SMALLEST_WITHOUT_UNIT and text.strip()[-1].isdigit():
        raise SettingsError(f"{text}: missing unit, for example {text.strip()}MB")
    return round(size)


def parse_share_or_bytes(text: str) -> float | int:
    """Parse a share such as `"5%"`, which gives a float, or a size such as `"20MB"`, which gives an int of bytes.

    Raises:
        SettingsError: if it is neither, the unit is missing, or it is negative.

    >>> parse_share_or_bytes("5%"), parse_share_or_bytes("20MB")
    (0.05, 20000000)
    """
    number, percent, rest = text.strip().partition("%")
    if not percent:
        return parse_bytes(text)
    try:
        share = float(number) / 100
    except ValueError:
        share = -1.0
    if rest or not 0 <= share < float("inf"):
        raise SettingsError(f"{text!r} is not a percentage, such as 5%")
    return share


def parse_duration(text: str | float) -> int:
    """Parse a duration such as `"50ms"`, `"1.5s"` or `0.05` (seconds).

    Returns:
        The duration in nanoseconds.

    Raises:
        SettingsError: if there is no number, the unit is unknown, or the duration is negative.

    >>> parse_duration("50ms"), parse_duration(0.05)
    (50000000, 50000000)
    """
    if isinstance(text, str):
        duration = _scaled(text, _DURATIONS, "a duration, such as 50ms or 1.5s")
    else:
        duration = float(text) * 1e9
    if not 0 <= duration < float("inf"):
        raise SettingsError(f"a duration must be finite and not negative: {text!r}")
    return round(duration)


def _scaled(text: str, units: dict[str, int], expected: str) -> float:
    stripped = text.strip()
    number = stripped.rstrip("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ ")
    unit = stripped[len(number) :].strip().upper()
    try:
        value = float(number)
    except ValueError:
        value = float("nan")
    if unit not in units or value != value or value in (float("inf"), float("-inf")):
        raise SettingsError(f"{text!r} is not {expected}")
    return value * units[unit]


def format_bytes(size: float, *, signed: bool = False) -> str:
    """Format a size in decimal units, to three or four digits.

    >>> format_bytes(1_300_000_000), format_bytes(90_868_376, signed=True), format_bytes(-1500), format_bytes(12)
    ('1.30 GB', '+90.9 MB', '-1.5 kB', '12 B')
    """
    sign = "-" if size < 0 else "+" if signed and size > 0 else ""
    size = abs(size)
    if size < 999.5:
        return f"{sign}{size:.0f} B"
    for unit, digits in (("kB", 1), ("MB", 1), ("GB", 2)):
        size /= 1000
        if size < 999.95:
            return f"{sign}{size:.{digits}f} {unit}"
    return f"{sign}{size / 1000:.2f} TB"


def format_duration(duration_ns: float) -> str:
    """Format a duration.

    >>> format_duration(850), format_duration(1_500_000), format_duration(75_000_000_000)
    ('850 ns', '1.5 ms', '75.0 s')
    """
    if abs(duration_ns) < 1000:
        return f"{duration_ns:.0f} ns"
    if abs(duration_ns) < 999_950:
        return f"{duration_ns / 1e3:.1f} us"
    if abs(duration_ns) < 999_950_000:
        return f"{duration_ns / 1e6:.1f} ms"
    if abs(duration_ns) < 600e9:
        return f"{duration_ns / 1e9:.1f} s"
    return f"{duration_ns / 60e9:.1f} min"


def format_count(count: float, *, signed: bool = False) -> str:
    """Format a count with separators between thousands.

    >>> format_count(1234567), format_count(12, signed=True)
    ('1,234,567', '+12')
    """
    return f"{count:+,.0f}" if signed and count else f"{count:,.0f}"

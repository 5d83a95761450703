"""Numbers as people write them: 35e9, 35_000_000_000, "500M", "1.5 B".

Suffixes K (or k), M, B, T are 10^3, 10^6, 10^9, 10^12. Other letters are refused: m may be milli or
million. The text is rounded to a double once, suffix included, so "1.1M" is exactly 1100000.
"""

from __future__ import annotations

import math
import re

EXPONENTS = {"": 0, "K": 3, "k": 3, "M": 6, "B": 9, "T": 12}
PATTERN = r"^[+-]?([0-9]+(_[0-9]+)*(\.([0-9]+(_[0-9]+)*)?)?|\.[0-9]+)([eE][+-]?[0-9]{1,4})? ?[KkMBT]?$"
_NUMBER = re.compile(
    r"(?P<digits>[+-]?(?:[0-9]+(?:_[0-9]+)*(?:\.(?:[0-9]+(?:_[0-9]+)*)?)?|\.[0-9]+))"
    r"(?:[eE](?P<exponent>[+-]?[0-9]{1,4}))?\s?(?P<suffix>[KkMBT]?)"
)
_TOO_LONG = 400  # characters; the longest double written out has about 330
LARGEST = 1e18  # of any figure: more tokens than all machines together write in decades
_EXACT = 2**53


def parse_number(value: object) -> float:
    """A finite double from a number or its text. Raises ValueError with the rule that was broken."""
    if isinstance(value, bool):
        raise ValueError("must be a number, not true or false")
    if isinstance(value, int | float):
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
    elif isinstance(value, str):
        number = _from_text(value.strip())
    else:
        raise ValueError("must be a number")
    if not math.isfinite(number):
        raise ValueError("must be a finite number")
    return number + 0.0  # -0.0 becomes 0.0


def parse_whole(value: object) -> int:
    """A whole number, `1e3` and `2K` included. Raises ValueError."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    number = parse_number(value)
    if not number.is_integer() or abs(number) > _EXACT:
        raise ValueError("must be a whole number")
    return int(number)


def parse_flag(value: object) -> bool:
    """YAML's words for true and false, here and nowhere else (`regions: [NO]` is Norway)."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        word = value.lower()
        if word in ("true", "yes", "on"):
            return True
        if word in ("false", "no", "off"):
            return False
    raise ValueError("must be true or false")


def _from_text(text: str) -> float:
    if text.lower().lstrip("+-.") in ("nan", "inf", "infinity"):
        raise ValueError("must be a finite number")
    match = _NUMBER.fullmatch(text) if len(text) <= _TOO_LONG else None
    if match is None:
        raise ValueError(f"must be a number{_advice(text)}")
    digits = match["digits"].replace("_", "")
    exponent = int(match["exponent"] or 0) + EXPONENTS[match["suffix"]]
    number = float(f"{digits}e{exponent}")
    if number == 0 and any(digit in digits for digit in "123456789"):
        raise ValueError("is too small for a double")
    return number


def _advice(text: str) -> str:
    if re.fullmatch(r"[0-9]{1,3}(,[0-9]{3})+(\.[0-9]+)?", text):
        return f": write {text.replace(',', '_')}"
    if re.fullmatch(r"[0-9._]+ ?[mbtgG]", text):
        upper = {"g": "B", "m": "M", "b": "B", "t": "T"}[text[-1].lower()]
        return f": the suffixes are K, M, B and T, so write {text[:-1].strip()}{upper} if you mean that"
    if text.endswith("%"):
        return ": write a share between 0 and 1 instead of a percentage"
    if text.startswith(("$", "€")):
        return ": write it without the currency sign, in USD"
    return ""

"""The ways in which a workbook may show a value. The first is that which its format asks for, the last the plainest."""

import datetime
import re
from decimal import ROUND_HALF_UP, Decimal

# The parts of a format that stand for a date's or a time's, longest first.
DATES = {
    "yyyy": "%Y", "yy": "%y", "mmmm": "%B", "mmm": "%b", "dddd": "%A", "ddd": "%a", "dd": "%d",
    "hh": "%H", "ss": "%S", "am/pm": "%p", "a/p": "%p", "y": "%Y",
}
TOKEN = re.compile(r"am/pm|a/p|y+|m+|d+|h+|s+(?:\.0+)?|.", re.IGNORECASE | re.DOTALL)
# Colours, languages and conditions; the width of a character; one that is repeated.
DECORATION = re.compile(r"\[(?!h|m|s)[^\]]*\]|_.|\*.")


def spellings(value, code: str | None) -> list[str]:
    if value is None:
        return []
    if isinstance(value, bool):
        return [str(value).upper()]
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time, datetime.timedelta)):
        return _moments(value, code or "")
    if isinstance(value, (int, float)):
        return _numbers(value, code or "General")
    return [str(value)]


def _moments(value, code: str) -> list[str]:
    plain = str(value).removesuffix(" 00:00:00")
    ways = [] if isinstance(value, datetime.timedelta) else [_shown_moment(value, DECORATION.sub("", code).split(";")[0])]
    if isinstance(value, datetime.datetime):
        ways += [f"{value:%Y-%m-%d %H:%M:%S}", f"{value:%Y-%m-%dT%H:%M:%S}", f"{value:%Y-%m-%d %H:%M}", f"{value:%Y-%m-%d}"]
        ways += [f"{value.month}/{value.day}/{value:%y}", f"{value.month}/{value.day}/{value:%Y}", f"{value:%H:%M:%S}"]
    return [*ways, plain.lstrip("0") or plain, plain[:5] if isinstance(value, datetime.time) else plain, plain]


def _shown_moment(value, code: str) -> str:
    said, before = [], ""
    tokens = TOKEN.findall(code.replace('"', "").replace("\\", ""))
    for place, token in enumerate(tokens):
        small = token.lower()
        after = next((other.lower() for other in tokens[place + 1 :] if other[0].lower() in "ymdhs"), "")
        is_minute = before.startswith("h") or after.startswith("s")
        if small in ("m", "mm"):
            number = getattr(value, "minute" if is_minute else "month", 0)
            said.append(f"{number:0{len(small)}}")
        elif small in ("d", "h", "s"):
            number = getattr(value, {"d": "day", "h": "hour", "s": "second"}[small], 0)
            said.append(str((number % 12 or 12) if small == "h" and "am/pm" in code.lower() else number))
        elif small == "hh" and "am/pm" in code.lower():
            said.append(f"{value:%I}" if hasattr(value, "hour") else "")
        elif small in DATES and not (isinstance(value, datetime.time) and small[0] in "yd"):
            said.append(value.strftime(DATES[small]))
        else:
            said.append(token)
        before = small if small[0] in "ymdhs" else before
    return "".join(said)


def _numbers(value: float, code: str) -> list[str]:
    plain = f"{value:.15g}"
    sections = DECORATION.sub("", code).split(";")
    section = sections[1] if value < 0 and len(sections) > 1 else sections[0]
    if not re.search("[0#]", section) or re.search("[E/?]", section):
        return [plain]
    return [_shown_number(value, section), plain]


def _shown_number(value: float, section: str) -> str:
    digits = re.search(r"[0#,]+(?:\.([0#]+))?", section)
    places, most = (len((digits[1] or "").rstrip("#")), len(digits[1] or ""))
    # Excel has fifteen digits, and rounds halves away from zero.
    number = Decimal(f"{abs(value):.15g}") * (100 if "%" in section else 1)
    said = f"{number.quantize(Decimal(1).scaleb(-most), ROUND_HALF_UP):{',' if ',' in digits[0] else ''}f}"
    for _ in range(most - places):
        said = said.removesuffix("0")
    said = said.removesuffix(".").zfill(len(digits[0]) if digits[0].startswith("0") and "," not in digits[0] else 1)
    sign = "-" if value < 0 and "(" not in section and "-" not in section else ""
    return sign + section.replace('"', "").replace("\\", "").replace(digits[0], said, 1)

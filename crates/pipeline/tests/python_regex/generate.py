"""Writes cases.json: patterns at random, texts, and what Python's `re.finditer` finds, in bytes.

    python3 generate.py

Left out is `\\B` on an empty text, where versions of Python differ. Of the rest the pipeline refuses a few: it repeats no
look-around.
"""

import json
import random
import re
import signal
from pathlib import Path

CASES = 2200
TEXT = "aabbc é\nAé1_"
QUANTIFIERS = ["", "", "", "*", "+", "?", "*?", "+?", "??", "{2}", "{1,2}", "{0,2}?", "{2,}", "{,2}"]
CHARACTERS = [".", r"\s", r"\w", r"\d", r"\W", r"\S", "[ab]", "[^a]", r"[a-c\s]", r"\n", "(?s:.)"]
PLACES = ["^", "$", r"\b", r"\B", r"\Z", r"\A", "(?m:^)", "(?m:$)"]
BEHIND = ["a", "ab", "[ab]", r"\s", "a|b", r"\b", "a(?=b)", "a{2}"]
# Longer than any of these texts takes, but for a pattern that runs away.
PATIENCE = 0.2

random.seed(7)


class RunsAway(Exception):
    pass


def atom(depth):
    kind = random.random()
    if kind < 0.35 or depth == 0:
        return random.choice("abcé"), True
    if kind < 0.45:
        return random.choice(CHARACTERS), True
    if kind < 0.52:
        return random.choice(PLACES), False
    if kind < 0.56:
        return random.choice([r"\1", "(?(1)a|b)"]), True
    opening = random.choice(["(", "(?:", "(?=", "(?!", "(?<=", "(?<!", "(?>", "(?i:"])
    if opening in ("(?<=", "(?<!"):
        return opening + random.choice(BEHIND) + ")", False
    return opening + pattern(depth - 1) + ")", opening not in ("(?=", "(?!")


def piece(depth):
    text, repeatable = atom(depth)
    return text + random.choice(QUANTIFIERS) if repeatable else text


def pattern(depth):
    branches = random.choice([1, 1, 1, 2, 3])
    return "|".join("".join(piece(depth) for _ in range(random.randint(1, 3))) for _ in range(branches))


def give_up(*_):
    raise RunsAway


def found(compiled, text):
    """The places of each match and its groups, in bytes; None for a group that took no part."""
    at = [len(text[:position].encode()) for position in range(len(text) + 1)]
    place = lambda start, end: None if start < 0 else [at[start], at[end]]
    groups = range(compiled.groups + 1)
    return [[place(*match.span(group)) for group in groups] for match in compiled.finditer(text)]


def main():
    signal.signal(signal.SIGALRM, give_up)
    cases = []
    while len(cases) < CASES:
        given = pattern(2)
        text = "".join(random.choice(TEXT) for _ in range(random.randint(0, 9)))
        if not text and r"\B" in given:
            continue
        signal.setitimer(signal.ITIMER_REAL, PATIENCE)
        try:
            cases.append([given, text, found(re.compile(given), text)])
        except (re.error, RunsAway):
            pass
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    lines = ",\n".join(json.dumps(case, ensure_ascii=False, separators=(",", ":")) for case in cases)
    Path(__file__).with_name("cases.json").write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main()

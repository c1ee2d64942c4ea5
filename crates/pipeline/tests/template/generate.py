"""Writes cases.json: what Python's string.Template makes of many templates.

    python3 generate.py > cases.json

Only the standard library is needed (3.9 and later agree). A case is [template, result, error]: with
`chunk` and `fields` as in FIELDS, either the result, or null and Python's message. For an unknown
name the message is the name.
"""

import json
import random
from string import Template

FIELDS = {"chunk": "the $chunk", "title": "Tïtle", "_id2": "7", "Title": "other", "loading_retries": "0"}

CHOSEN = [
    "", "$chunk", "${chunk}", "$$", "$$chunk", "$$$chunk", "$chunk$title", "$title: $chunk!", "${title}x",
    "$titlex", "$_id2", "$Title", "$TITLE", "$", "$ ", "a$", "$1", "${", "${}", "${chunk", "${ chunk}",
    "${chunk }", "$-", "$é", "$ſ", "$\u212a", "$chunké", "$chunk\u0301", "${chunké}", "$none", "${none}",
    "a\nb $", "a\r\nb$!", "a\x0b$", "a\x0c$", "a\x1c$", "a\x1d$", "a\x1e$", "a\x1f$", "a\x85é$", "a\u2028$",
    "a\u2029$", "\n\n$", "\r\r\n\n$", "\r$", "é\U0001f600$", "$chunk-$title", "$chunk.$title", "$loading_retries",
    "{$chunk}", "${chunk}}", "$$$$", "$$$", "$chunk$", "100$$ $chunk",
]
PARTS = ["$", "$$", "{", "}", "chunk", "title", "_id2", "no", " ", "\n", "\r\n", "é", "1", "-", "$chunk", "${title}"]


def substituted(template):
    try:
        return [template, Template(template).substitute(FIELDS), None]
    except KeyError as error:
        return [template, None, error.args[0]]
    except ValueError as error:
        return [template, None, str(error)]


def main():
    rng = random.Random(1)
    templates = CHOSEN + ["".join(rng.choice(PARTS) for _ in range(rng.randint(1, 7))) for _ in range(400)]
    lines = ",\n".join(json.dumps(substituted(template)) for template in dict.fromkeys(templates))
    print(f'{{"fields":{json.dumps(FIELDS)},\n"cases":[\n{lines}\n]}}')


main()

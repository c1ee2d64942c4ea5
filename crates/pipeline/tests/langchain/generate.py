"""Writes cases.json: what LangChain's two splitters make of many texts.

    python3 -m venv venv
    venv/bin/pip install langchain-text-splitters==1.1.3
    venv/bin/python generate.py > cases.json

The splitters are called as pgai calls them. Another seed or number of cases, for a longer run that
is not committed, are the arguments: `generate.py 7 20000`; the environment variable LANGCHAIN_CASES
names such a file to the test.

A case is [text, size, overlap, separators, is_regex, chunks]. `text` and `separators` are indices
into `texts` and `separators`; separators are a string for the character splitter, a list for the
recursive one. `chunks` is a list of strings, or of [start, end] in code points where the chunk is
that slice of the text (it nearly always is, and this keeps the file small); null where Python raises.
"""

import importlib.metadata
import json
import logging
import random
import re
import sys
import warnings

from langchain_text_splitters import CharacterTextSplitter, RecursiveCharacterTextSplitter

VERSION = "1.1.3"
PGAI_SEPARATORS = ["\n\n", "\n", ".", "?", "!", " ", ""]

MARKDOWN = """# Vectorizers

A *vectorizer* keeps `embeddings` in step with rows.  It reads each row once; a change
is read again. What happens if the provider is down? It waits, and tries again!

## Setup

1. Install the extension.
2. Create a vectorizer:

   ```sql
   SELECT ai.create_vectorizer(
       'blog'::regclass,
       loading => ai.loading_column('contents'),
       chunking => ai.chunking_recursive_character_text_splitter(128, 10)
   );
   ```

| Column | Type | Meaning |
|--------|------|---------|
| id     | int  | the key |
| body   | text | what is embedded |

> Quotations, too. They go on
> for two lines.

Größe, naïveté — “quoted” … 你好，世界。これは文です。нет проблем! \U0001f469\u200d\U0001f4bb and e\u0301.


- item one
    - nested item with a [link](https://example.com/a?b=c#d)
- item two\r
- item three\r
\r
***

Last paragraph without a newline at the end"""

PROSE = """It was late. The ferry had left without them, and nobody on the pier knew when the next one
would come. "Tomorrow," said the keeper; "perhaps." They sat down on their trunks.

So the night went by: first the gulls, then the rain, then nothing at all. Who would have thought it?
In the morning a boat came!  Nobody was on board.\tThey waited..."""

ALPHABETS = [
    "ab .\n",
    "abc  .?!\n\n",
    "aé\u0301 \u00a0\u3000\n\r\u2028\u0085",
    "xy\x1c\x1d\x1e\x1f \t\x0b\x0c\n",
    "\U0001f600\U0001f469\u200d\U0001f4bb\ufe0f 你好。\n",
    "a,b;c-\r\n",
    "  \n\n\t",
    "word",
    "0123 .,-\n",
]

LITERALS = ["\n\n", "\n", " ", "", ".", ",", "\r\n", "ab", "a", "\x1c", "\u3000", "。", "\u0301",
            "\U0001f469", "(", "\\s+", "[", "$", "  ", "\u2028", "-", "a b"]
REGEXES = [r"\s+", r"\s", r"\n+", r"\n\n+", r"[.?!]\s+", r"[.?!]", r"\b", r"\B", r"\w+", r"\W+", r"\W", r"\d+",
           r"\D+", r"\S+", r"[^\w]", r"[\s,]+", r"[^\S\n]+", r"a*", r"x?", r"|a", r"$", r"^", r"(?m)^", r"(?m)$",
           r"\n(?=[A-Z#-])", r"(?<=[.?!])\s", r"(?<!\d)\.", r"(?=#)", r"(?i)the", r"\n#{1,6} ", r"a{,2}b",
           r"a{2,}", r"\Z", r"\A", r"[\x1c-\x1f]", r"\.", r"[a-c]+?", r"(?:a|b)c?", r"[]a]", r"[a\]]", r"[\w.-]+",
           r"[&~|-]", r"\t|\r\n|\n", r"\u3000", r"\x20", r"(?s:.)", r".", r"...", r"(?x) \. \s # stop", r"\n\s*\n",
           r"[^a-z\s]", r"(a|b)", r"(a)|b", r"(\s)(\s)", r"(?P<stop>[.])\s", r"\*\*\*+\n", r"---+", r"`{3}",
           r"[\u4e00-\u9fff]", r"\\", r"(?i:QU)", r"a(?!b)", r"(?>a+)b", ""]
# What begins with a look-around is not put back between pieces; what has one elsewhere is.
LOOKAROUNDS = [r"(?=#)", r"(?=\n)", r"(?<=[.?!])\s", r"(?<=\n)", r"(?<!\d)\.", r"(?!\n)\s", r"(?=a)a", r"(?=a)|b", r"\n(?=[A-Z#-])",
               r"(?:(?=\n))", r"((?=#))", r"\b"]


def random_text(rng, longest):
    alphabet = rng.choice(ALPHABETS) if rng.random() < 0.7 else "".join(rng.sample(ALPHABETS, 2))
    words = ["".join(rng.choice(alphabet) for _ in range(rng.randint(0, 9))) for _ in range(rng.randint(0, longest // 5))]
    return rng.choice(["", " ", "\n", "\n\n", ". "]).join(words)[:longest]


def random_sizes(rng, text):
    kind = rng.random()
    size = rng.randint(1, 4) if kind < 0.1 else rng.randint(1, 40) if kind < 0.6 else rng.randint(2, max(3, len(text) * 2 // 3))
    overlap = rng.choice([0, 0, size, size + 1, size // 2, size // 2, rng.randint(0, size), rng.randint(0, size), size - 1])
    if overlap > size and rng.random() < 0.7:
        overlap = 0
    return size, overlap


def random_separators(rng, is_regex):
    pool = REGEXES if is_regex else LITERALS
    if rng.random() < 0.4:
        return rng.choice(pool)
    if not is_regex and rng.random() < 0.4:
        return rng.choice([PGAI_SEPARATORS, PGAI_SEPARATORS, []])
    return [rng.choice(pool) for _ in range(rng.randint(1, 5))]


def split(text, size, overlap, separators, is_regex):
    try:
        options = dict(chunk_size=size, chunk_overlap=overlap, is_separator_regex=is_regex)
        if isinstance(separators, str):
            return CharacterTextSplitter(separator=separators, **options).split_text(text)
        return RecursiveCharacterTextSplitter(separators=separators, **options).split_text(text)
    except (ValueError, TypeError, IndexError, re.error):
        return None


def packed(text, chunks):
    """Chunks as slices of the text where they are."""
    result, start = [], 0
    for chunk in chunks:
        at = text.find(chunk, start)
        at = text.find(chunk) if at < 0 else at
        short = at < 0 or len(chunk) < 6
        result.append(chunk if short else [at, at + len(chunk)])
        start = max(at, start)
    return result


def index_of(values, value):
    key = json.dumps(value)
    return values.setdefault(key, (len(values), value))[0]


def main(seed=1, count=3600):
    assert importlib.metadata.version("langchain-text-splitters") == VERSION
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    rng = random.Random(seed)
    documents = [MARKDOWN, PROSE, MARKDOWN.replace("\n", "\r\n"), MARKDOWN + "\n" + PROSE, PROSE + "\n"]
    short = [random_text(rng, rng.choice([8, 60, 160, 160])) for _ in range(max(600, count // 10))] + ["", " ", "\n\n", "a"]
    texts, separators, cases = {}, {}, []
    for _ in range(count):
        text = rng.choice(documents) if rng.random() < 0.08 else rng.choice(short)
        is_regex = rng.random() < 0.3
        size, overlap = random_sizes(rng, text)
        if text in documents:
            size, overlap = size % 300 + 40, min(overlap, 30)
        chosen = random_separators(rng, is_regex)
        # re.sub and re.split know an alternative flag position only up to Python 3.10.
        if is_regex and isinstance(chosen, list):
            chosen = [s for s in chosen if not re.match(r"\(\?[a-z]+\)", s)] or ["\\s+"]
        chunks = split(text, size, overlap, chosen, is_regex)
        cases.append([index_of(texts, text), size, overlap, index_of(separators, chosen), is_regex,
                      None if chunks is None else packed(text, chunks)])
    for chosen in LOOKAROUNDS:
        for text in [PROSE, *(rng.choice(short) for _ in range(4))]:
            for separators_of in [chosen, [chosen, " "]]:
                size, overlap = rng.choice([(20, 0), (40, 10), (8, 4)])
                chunks = split(text, size, overlap, separators_of, True)
                cases.append([index_of(texts, text), size, overlap, index_of(separators, separators_of), True,
                              None if chunks is None else packed(text, chunks)])
    lines = ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases)
    dump = lambda values: ",\n".join(json.dumps(value, ensure_ascii=False) for _, value in values.values())
    print(f'{{"version":"{VERSION}","seed":{seed},\n"texts":[\n{dump(texts)}\n],\n"separators":[\n{dump(separators)}\n],\n"cases":[\n{lines}\n]}}')


main(*map(int, sys.argv[1:]))

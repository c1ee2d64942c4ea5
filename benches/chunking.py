"""The CPU that chunking takes: beside LangChain's own splitters on the same texts, and as a text grows.

    make bench ARGS=chunking

The texts are the sources and the documentation in this repository, and the Python sources of the standard library of the
interpreter that runs the bench. LangChain is the version that pgai uses, called as pgai calls it. Ours is called in SQL, by
`ai.chunk_text_recursively` and `ai.chunk_text`, and what the session takes for it is counted whole, its rows included; what the
chunkers alone take is among the pure benches (`make bench-pure`). The bench fails if one chunk differs.

Then each chunker of ours takes texts of 1, 2, 4 and 8 million characters. One whose time grows with the text, and no faster,
takes as much for a character of the longest as of the shortest.
"""

import hashlib
import json
import sysconfig
import tempfile
from pathlib import Path

from pgai_dev import places
from pgai_dev.console import Failure
from support.cluster import Cluster
from support.pgai import Pgai

from process_cpu import cpu_seconds as cpu_so_far

LANGCHAIN = Path(__file__).with_name("langchain_splitters.py")
SIZES = [(800, 400), (2000, 0)]
# Enough for some seconds of LangChain's.
MOST_CHARACTERS = 12_000_000
# Each is timed so often, and the fastest counts: what disturbs it only adds.
TIMES = 3
LENGTHS = [1_000_000, 2_000_000, 4_000_000, 8_000_000]
OURS = {
    "recursive": "ai.chunk_text_recursively(body, {size}, {overlap}, ARRAY[E'\\n\\n', E'\\n', '.', '?', '!', ' ', ''])",
    "character": "ai.chunk_text(body, {size}, {overlap})",
}
CHUNKERS = {
    "recursive": "ai.chunking_recursive_character_text_splitter(800, 400)",
    "character": "ai.chunking_character_text_splitter(800, 400)",
    "text_splitter, characters": "ai.chunking_text_splitter(800)",
    "text_splitter, tokens": "ai.chunking_text_splitter(200, unit => 'tokens')",
    "text_splitter, Markdown": "ai.chunking_text_splitter(800, format => 'markdown')",
    "markdown": "ai.chunking_markdown(800)",
}


def chunking(cluster: Cluster) -> None:
    db = cluster.create_database("bench_chunking")
    try:
        db.sql("CREATE EXTENSION pgai_rs CASCADE; CREATE TABLE given (id int PRIMARY KEY, body text STORAGE EXTERNAL)")
        with db.connect() as session:
            beside_langchain(session, texts())
            as_texts_grow(session)
    finally:
        db.drop()


def texts() -> list[str]:
    """Returns texts of many lengths, always in the same order."""
    standard_library = Path(sysconfig.get_path("stdlib"))
    paths = [path for ending in ("md", "rs", "sql") for path in sorted(places.ROOT.rglob(f"*.{ending}"))]
    paths += [path for path in sorted(standard_library.rglob("*.py")) if "site-packages" not in path.parts]

    found, characters = [], 0
    for path in paths:
        try:
            # As a text of Postgres has it.
            text = path.read_bytes().decode().replace("\0", "")
        except UnicodeDecodeError:
            # Tests of the standard library's, in other encodings.
            continue
        found.append(text)
        characters += len(text)
        if characters > MOST_CHARACTERS:
            break
    return found


def beside_langchain(session, given: list[str]) -> None:
    fill(session, given)
    cases = [(splitter, size, overlap) for splitter in OURS for size, overlap in SIZES]
    theirs = langchains(given, cases)

    characters = sum(map(len, given))
    print(f"{len(given):,} texts of {characters / 1e6:.1f} million characters, LangChain's splitters {theirs['version']} and ours")
    for case, (seconds, chunks, digest) in zip(cases, theirs["cases"]):
        splitter, size, overlap = case
        call = OURS[splitter].format(size=size, overlap=overlap)
        own = cpu_seconds(session, f"SELECT count(chunk) FROM given, {call}")
        if digest_of(session, call) != digest:
            raise Failure(f"the chunks of {splitter} with {size} characters and an overlap of {overlap} are not LangChain's")
        what = f"{splitter}, {size} characters, overlap {overlap} ({chunks:,} chunks)"
        print(f"  {what:<62} {seconds:6.2f} s of CPU, {own:6.2f} s: {seconds / own:,.1f} times as fast", flush=True)


def fill(session, given: list[str]) -> None:
    session.execute("TRUNCATE given")
    with session.cursor().copy("COPY given FROM STDIN") as rows:
        for row in enumerate(given):
            rows.write_row(row)


def langchains(given: list[str], cases: list[tuple]) -> dict:
    """Returns LangChain's version and, for each case, its CPU seconds, its number of chunks and their digest."""
    with tempfile.TemporaryDirectory() as directory:
        order = Path(directory, "order.json")
        order.write_text(json.dumps({"texts": given, "cases": cases, "times": TIMES}))
        return json.loads(Pgai().python(LANGCHAIN, str(order)))


def cpu_seconds(session, statement: str) -> float:
    [pid] = session.execute("SELECT pg_backend_pid()").fetchone()
    taken = []
    for _ in range(TIMES):
        # Chunks are cut in a thread, so that the session can be interrupted.
        before, _ = cpu_so_far(pid)
        session.execute(statement).fetchall()
        after, _ = cpu_so_far(pid)
        taken.append(after - before)
    return min(taken)


def digest_of(session, call: str) -> str:
    """Returns the digest of all chunks, with where one ends and which text it is of."""
    digest = hashlib.sha256()
    for number, chunk in session.execute(f"SELECT id, chunk FROM given, {call} ORDER BY id, seq"):
        digest.update(f"{number}:{len(chunk)}:{chunk}".encode())
    return digest.hexdigest()


def as_texts_grow(session) -> None:
    text = "\n\n".join(path.read_text() for path in sorted(places.ROOT.rglob("*.md")))
    text = text * (LENGTHS[-1] // len(text) + 1)
    lengths = ", ".join(f"{length // 1_000_000}" for length in LENGTHS)
    print(f"Texts of {lengths} million characters: nanoseconds of CPU a character")
    for name, config in CHUNKERS.items():
        taken = []
        for length in LENGTHS:
            fill(session, [text[:length]])
            seconds = cpu_seconds(session, f"SELECT count(chunk) FROM given, ai._chunks(body, {config})")
            taken.append(f"{1e9 * seconds / length:8.1f}")
        print(f"  {name:<28} {' '.join(taken)}", flush=True)

"""Documents in S3, found by meaning, kept in step by a worker inside Postgres.

    demo.py              the whole story, then stops everything
    demo.py --elsewhere  the story on servers that run already, which go on running
    demo.py --psql       starts what the story left and opens psql in it
    demo.py --clean      removes what the demo made
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[1:1] = [str(ROOT / "tools"), str(ROOT / "tests")]

from pgai_dev import places
from pgai_dev.console import Failure, say
from support.wait import INTERVAL, eventually

import elsewhere
import house
from show import Progress, cited, code, heading, hit

# More than this without any progress, and the demo gives up.
PATIENCE = 300

QUESTIONS = (
    "How do I keep attackers from smuggling SQL into my queries?",
    "Where can I ask people for help when I am stuck?",
    "What did the mortar shells look like at night?",
    "Which tool finds malicious macros in a document?",
)
SEARCH = """
    SELECT title, s.citation->>'page' AS page, s.chunk, s.distance
    FROM ai.search('documents', %s, %s, mode => 'vector') AS s JOIN document_embeddings USING (embedding_uuid)
    ORDER BY s.rank
"""
# Names, which say little to a model.
NAMES = (
    "What was CVE-2020-7471?",
    "What does SECURE_HSTS_SECONDS do?",
    "General Pemberton",
)
HYBRID_SEARCH = """
    SELECT uri, citation->>'page' AS page, citation->'headings' AS headings, chunk, arms
    FROM ai.search('documents', %s, %s, mode => 'hybrid')
    ORDER BY rank
"""


def main() -> None:
    if "--clean" in sys.argv:
        house.clean()
        say(f"Removed {places.DEMO}. What was downloaded and built for the demo and the tests alike stays")
        say(f"in {places.CACHE}; removing that directory as well leaves nothing of pgai_rs.")
        return
    if "--elsewhere" in sys.argv:
        home = elsewhere.Elsewhere()
        with home.open():
            tell(home, home.database())
        return
    openai = bool(os.environ.get("OPENAI"))
    if openai and not os.environ.get("OPENAI_API_KEY"):
        raise Failure("OPENAI=1 needs the key in the environment variable OPENAI_API_KEY")
    home = house.House(openai)
    with home.open():
        database = home.database()
        if "--psql" in sys.argv:
            psql(home)
        else:
            tell(home, database)
    if "--psql" not in sys.argv:
        say_goodbye(openai)


def tell(home: house.House | elsewhere.Elsewhere, database) -> None:
    create(home, database)
    wait_until_embedded(database)
    ask(database)
    keep_in_step(home, database)
    ask_by_names(database)


def create(home: house.House | elsewhere.Elsewhere, database) -> None:
    heading(f"{len(home.documents)} documents lie in the bucket s3://{house.BUCKET} (a part of Django's documentation, two PDFs and a Word document).")
    model = "'text-embedding-3-small', 768" if home.openai else "'all-MiniLM-L6-v2', 384"
    statements = [
        "CREATE EXTENSION IF NOT EXISTS pgai_rs CASCADE",
        "CREATE TABLE IF NOT EXISTS document (id int PRIMARY KEY, title text, uri text)",
        f"""
        SELECT ai.create_vectorizer('document'::regclass,
            name          => 'documents',
            loading       => ai.loading_uri(column_name => 'uri'),
            embedding     => ai.embedding_openai({model}),
            chunking      => ai.chunking_markdown(800),
            destination   => ai.destination_table('document_embeddings', citation => true),
            search        => ai.search_hybrid(),
            if_not_exists => true)
        """,
    ]
    for statement in statements:
        code(statement)
        with database.connect() as connection:
            connection.execute(statement)
    with database.connect(autocommit=False) as connection:
        connection.cursor().executemany(
            "INSERT INTO document VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
            [(number, item.title, home.bucket.uri(item.key)) for number, item in enumerate(home.documents, 1)],
        )


def wait_until_embedded(database) -> None:
    total = database.value("SELECT count(*) FROM document")
    heading("The worker loads, splits and embeds them:")
    progress = Progress(total)
    last, since = None, time.monotonic()
    while True:
        pending, done, chunks = database.sql(
            """
            SELECT ai.vectorizer_queue_pending('documents', true), count(DISTINCT id), count(*)
            FROM document_embeddings
            """
        )[0]
        progress.show(done, chunks)
        if pending == 0:
            break
        if (pending, chunks) != last:
            last, since = (pending, chunks), time.monotonic()
        elif time.monotonic() - since > PATIENCE:
            progress.end()
            raise RuntimeError(f"no progress for {PATIENCE} s; {pending} documents are pending")
        time.sleep(0.2)
    progress.end()
    if done < total:
        errors = database.sql("SELECT message, details FROM ai.vectorizer_errors LIMIT 3")
        raise RuntimeError(f"{total - done} documents could not be embedded: {errors}")


def ask(database) -> None:
    heading("Four questions, to documentation, to a PDF and to a Word document:")
    code(SEARCH.replace("%s, %s", "'your question', 3"))
    for question in QUESTIONS:
        heading(question)
        for rank, row in enumerate(database.sql(SEARCH, [question, 3]), 1):
            hit(rank, *row)


def keep_in_step(home: house.House | elsewhere.Elsewhere, database) -> None:
    heading("It stays in step with the table and the bucket. A document is added, rewritten and deleted:")
    key, number = "office.txt", 0
    question = "When can I visit the office?"
    say(f"  Asked each time: {question}")

    def first() -> str:
        return database.sql(SEARCH, [question, 1])[0][2]

    def change(text: str | None, statement: str) -> None:
        if text:
            say(f"    (put into the bucket as {key}: {text})")
            home.bucket.put(key, text)
        database.sql(statement)
        start = time.monotonic()
        wanted = (lambda: first() == text) if text else (lambda: not chunks())
        eventually(wanted, timeout=60, what="the change to be found")
        code(statement)
        # Not a benchmark: each look asks the model, too, and there is a pause between looks.
        say(f"      after {max(time.monotonic() - start, INTERVAL):.2f} s the best answer is: {' '.join(first().split())[:70]}")

    def chunks() -> int:
        return database.value("SELECT count(*) FROM document_embeddings WHERE id = %s", [number])

    database.sql("DELETE FROM document WHERE id = %s", [number])
    uri = home.bucket.uri(key)
    change("Visitors are welcome at our office on Mondays.", f"INSERT INTO document VALUES ({number}, 'Office', '{uri}')")
    change("Our office receives visitors on Fridays only.", f"UPDATE document SET title = 'The office' WHERE id = {number}")
    change(None, f"DELETE FROM document WHERE id = {number}")


def ask_by_names(database) -> None:
    heading("Names are found by words beside vectors. Each answer says where it stands, and on which place either has found it:")
    code(HYBRID_SEARCH.replace("%s, %s", "'your question', 3"))
    ready = "SELECT b.words_ready FROM ai._vectorizer_binding b JOIN ai.vectorizer v ON v.id = b.vectorizer_id WHERE v.name = 'documents'"
    eventually(lambda: database.value(ready), timeout=PATIENCE, what="the words of all chunks")
    for question in NAMES:
        heading(question)
        for rank, row in enumerate(database.sql(HYBRID_SEARCH, [question, 3]), 1):
            cited(rank, *row)


def say_goodbye(openai: bool) -> None:
    heading("Everything is stopped again; nothing is left running.")
    say("  make demo-psql    starts it all again in seconds and opens psql; leaving psql stops it")
    say("  make demo         tells the story again; nothing is embedded twice")
    say("  make clean-demo   removes what the demo made")
    if os.environ.get("OPENAI_API_KEY") and not openai:
        say("  make demo OPENAI=1   does the same with OpenAI's text-embedding-3-small, for about half a US cent")
    elif not openai:
        say("  With OPENAI_API_KEY in the environment, `make demo OPENAI=1` uses OpenAI's text-embedding-3-small.")


def psql(home: house.House) -> None:
    cluster = home.cluster
    heading("Try for example:")
    code(
        """
        SELECT * FROM ai.vectorizer_status;
        SELECT score, chunk, uri, citation, arms FROM ai.search('documents', 'your question', 3);
        SELECT * FROM ai.explain_search('documents', 'your question', 3);
        """
    )
    command = [str(cluster.bindir / "psql"), "-h", cluster.host, "-U", "postgres", "demo"]
    say(f"\nFrom another terminal, as long as this psql is open: {' '.join(command)}")
    say(f"The bucket: s3://{house.BUCKET} at {home.s3.url}, with any key. Leaving psql stops everything.\n")
    # A Ctrl-C cancels a query in psql and is nothing to us.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    subprocess.run(command, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        main()
    except Failure as failure:
        sys.exit(f"\npgai_rs: {failure}")
    except KeyboardInterrupt:
        sys.exit("\nInterrupted; everything is stopped. `make demo` goes on from here.")

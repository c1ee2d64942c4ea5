"""ai.explain_vectorizer says what a vectorizer would come to, before it exists: as what it comes to afterwards, within 5 %."""

import random

import psycopg
import pytest
from support import egress, vectorizer
from support.wait import settles

WORDS = "the quick brown fox jumps over lazy dogs while rain falls on quiet hills beyond river town night".split()
CHARACTERS = "ai.chunking_recursive_character_text_splitter(200, 40)"


def prose(random: random.Random, words: int) -> str:
    return " ".join(random.choice(WORDS) for _ in range(words)) + "."


def skewed(random: random.Random) -> list[str]:
    """Many short texts and a few very long ones, which have most of the bytes."""
    return [prose(random, int(random.paretovariate(0.9) * 8) % 20_000 + 1) for _ in range(1_500)]


def alike(random: random.Random) -> list[str]:
    return [prose(random, random.randint(80, 120)) for _ in range(1_200)]


def mixed(random: random.Random) -> list[str | None]:
    """Prose, code, other scripts, empty rows, and rows without a document, sorted by kind as they would be in a table."""
    code = ["\n".join(f"    let value_{n} = call({n}, \"{prose(random, 3)}\");" for n in range(random.randint(1, 60))) for _ in range(400)]
    other = ["".join(random.choice("的一是不了人我在有他这为之大来以个中上们") for _ in range(random.randint(1, 900))) + "。" for _ in range(400)]
    return alike(random)[:500] + code + other + [None] * 100 + [""] * 50 + ["ok"] * 300


def short(random: random.Random) -> list[str]:
    # No two are equal, which would be sent once.
    return [f"{n} {prose(random, random.randint(1, 6))}" for n in range(3_000)]


def long(random: random.Random) -> list[str]:
    return [prose(random, random.randint(4_000, 12_000)) for _ in range(40)]


def mostly_empty(random: random.Random) -> list[str | None]:
    return [prose(random, 100) if random.random() < 0.1 else None for _ in range(4_000)]


def growing(random: random.Random) -> list[str]:
    """The later a row, the longer its text, as with what people learn to write more into."""
    return [prose(random, n // 6 + 1) for n in range(1_500)]


def lists(random: random.Random) -> list[str]:
    return ["\n".join(f"- {prose(random, random.randint(2, 9))}" for _ in range(random.randint(1, 40))) for _ in range(900)]


def two_scripts(random: random.Random) -> list[str]:
    """Every other text takes twice as many bytes a character."""
    cyrillic = str.maketrans("abcdefghijklmnopqrstuvwxyz", "абцдефгхийклмнопярстувщхыз")
    return [text.translate(cyrillic) if n % 2 else text for n, text in enumerate(alike(random))]


def records(random: random.Random) -> list[str]:
    """JSON, which has few places to cut at."""
    return ["{" + ", ".join(f'"{random.choice(WORDS)}_{n}": {random.random()}' for n in range(random.randint(1, 50))) + "}" for _ in range(1_200)]


CORPORA = [skewed, alike, mixed, short, long, mostly_empty, growing, lists, two_scripts, records]


def explained(db, arguments: str, **options) -> dict[str, tuple]:
    rows = db.sql(f"SELECT measure, amount, spread, note FROM ai.explain_vectorizer({arguments})", **options)
    return {measure: rest for measure, *rest in rows}


def declaration(url: str, **more: str) -> str:
    arguments = {
        "source": "'document'::regclass",
        "loading": "ai.loading_column('body')",
        "embedding": f"ai.embedding_openai('stub', 8, base_url => '{url}')",
        "chunking": CHARACTERS,
    } | more
    return ", ".join(f"{name} => {value}" for name, value in arguments.items())


def is_near(found: float, wanted: float, part: float = 0.05) -> bool:
    return abs(found - wanted) <= part * wanted


def billed(stub) -> int:
    """Returns the tokens that the stub has billed."""
    return sum(sum(len(text.encode()) for text in request.inputs) // 4 for request in list(stub.requests))


@pytest.fixture
def priced(cluster_factory, stub):
    """A database whose worker writes down each second what was used, and that knows what the stub costs."""
    conf = egress.settings(stub.url) | {"pgai_rs.heartbeat_interval": "1s", "pgai_rs.poll_interval": "1s"}
    cluster = cluster_factory(conf=conf)
    db = cluster.create_database("priced")
    db.sql("CREATE EXTENSION pgai_rs CASCADE; CREATE TABLE document (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, body text)")
    db.sql("INSERT INTO ai.model_override (model, server, usd_per_million_tokens, tokens_per_minute) VALUES ('openai/stub', %s, 0.5, 60000)",
           [stub.url.removesuffix("/v1")])
    return db


def fill(db, texts: list[str | None]) -> None:
    with db.connect() as session, session.cursor().copy("COPY document (body) FROM STDIN") as copy:
        for text in texts:
            copy.write_row([text])
    db.sql("ANALYZE document")


@pytest.mark.parametrize("corpus", CORPORA, ids=lambda corpus: corpus.__name__)
def test_it_comes_near_the_bill(priced, stub, corpus):
    db = priced
    fill(db, corpus(random.Random(7)))
    # The rate at which the stub bills is learned from another vectorizer.
    db.sql("CREATE TABLE other (id int PRIMARY KEY, body text)")
    for n, text in enumerate(alike(random.Random(8))[:400]):
        db.sql("INSERT INTO other VALUES (%s, %s)", [n, text])
    vectorizer.create(db, stub.url, "other", chunking="ai.chunking_none()")
    vectorizer.idle(db)
    before = billed(stub)
    settles(lambda: db.sql("SELECT sum(tokens)::int8, sum(billed_bytes) > 100000 FROM ai.vectorizer_usage"), [(before, True)])
    stub.forget()

    told = explained(db, declaration(stub.url))
    assert stub.requests == []
    assert db.value("SELECT count(*) FROM ai.vectorizer") == 1

    vectorizer.create(db, stub.url, chunking=CHARACTERS)
    vectorizer.idle(db)
    chunks, rows = db.sql("SELECT count(*), count(DISTINCT id) FROM document_embedding_store")[0]
    inputs = sum(len(request.inputs) for request in stub.requests)
    tokens = billed(stub)
    settles(lambda: db.value("SELECT sum(tokens)::int8 FROM ai.vectorizer_usage"), before + tokens)
    wanted = {"chunks": chunks, "tokens": tokens, "usd": tokens * 0.5 / 1e6, "seconds_at_provider": tokens / 1000,
              "bytes": db.value("SELECT sum(octet_length(body)) FROM document")}
    off = {measure: (told[measure], amount) for measure, amount in wanted.items() if not is_near(told[measure][0], amount)}
    assert not off
    # Inputs that are equal and come together are sent once.
    assert told["inputs"][0] * 1.05 >= inputs
    assert told["rows"][0] == db.value("SELECT count(body) FROM document") >= rows
    assert told["requests"][0] <= len(stub.requests)
    # The spread holds what it comes to, but for what chance makes of one test in twenty.
    assert abs(told["chunks"][0] - chunks) <= 3 * told["chunks"][1] + 1


def test_a_small_table_is_looked_at_as_a_whole(priced, stub):
    fill(priced, [f"row {n}" for n in range(20)])
    told = explained(priced, declaration(stub.url))
    assert (told["chunks"][0], told["chunks"][1], told["rows"][0]) == (20, 0, 20)
    assert told["usd"][2].startswith("openai/stub at 0.5 USD")
    assert "cl100k_base, which is not" in told["tokens"][2]


@pytest.mark.parametrize("dimensions", [384, 768, 1536])
def test_the_store_and_its_index_have_the_size_that_is_said(priced, stub, dimensions):
    fill(priced, alike(random.Random(3))[:600])
    embedding = f"ai.embedding_openai('stub', {dimensions}, base_url => '{stub.url}')"
    indexing = "ai.indexing_hnsw(min_rows => 1)"
    told = explained(priced, declaration(stub.url, embedding=embedding, indexing=indexing))
    vectorizer.create(priced, stub.url, embedding=embedding, chunking=CHARACTERS, indexing=indexing)
    vectorizer.idle(priced)
    look = "SELECT count(*) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indisvalid AND c.relam = (SELECT oid FROM pg_am WHERE amname = 'hnsw')"
    settles(lambda: priced.value(look), 1)
    size, index = priced.sql("""
        SELECT pg_total_relation_size('document_embedding_store') - pg_relation_size(i.indexrelid), pg_relation_size(i.indexrelid)
        FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
        WHERE c.relam = (SELECT oid FROM pg_am WHERE amname = 'hnsw')""")[0]
    assert is_near(told["store_bytes"][0], size, 0.15) and is_near(told["index_bytes"][0], index, 0.15), (told, size, index)


def test_a_vectorizer_that_exists_is_explained_by_its_name(priced, stub):
    fill(priced, [f"row {n}|more" for n in range(20)])
    vectorizer.create(priced, stub.url, name="'rows'")
    vectorizer.idle(priced)
    assert explained(priced, "'rows'")["chunks"][0] == priced.value("SELECT count(*) FROM document_embedding_store") == 40
    with pytest.raises(psycopg.errors.UndefinedObject):
        explained(priced, "'no such'")


def test_a_change_is_explained_before_it_is_made(priced, stub):
    fill(priced, ["one|two", "three"])
    vectorizer.create(priced, stub.url, name="'there'")
    vectorizer.idle(priced)
    stub.forget()
    assert explained(priced, "'there', chunking => ai.chunking_none()")["chunks"][0] == 2
    larger = explained(priced, f"'there', embedding => ai.embedding_openai('other', 1500, base_url => '{stub.url}')")
    assert larger["store_bytes"][0] > explained(priced, "'there'")["store_bytes"][0]
    with pytest.raises(psycopg.errors.RaiseException, match="dimensions"):
        explained(priced, "'there', embedding => '{}'")
    assert stub.requests == []
    assert priced.value("SELECT count(*) FROM ai.vectorizer") == 1


def test_nothing_is_written(priced, stub):
    fill(priced, ["a text"])
    with priced.connect(autocommit=False) as session:
        session.execute("SET TRANSACTION READ ONLY")
        [(chunks,)] = session.execute(
            f"SELECT amount FROM ai.explain_vectorizer({declaration(stub.url)}) WHERE measure = 'chunks'").fetchall()
    assert chunks == 1 and stub.requests == []


def test_a_model_without_a_price_is_said(priced, stub):
    fill(priced, ["a text"])
    other = f"ai.embedding_openai('other', 8, base_url => '{stub.url}')"
    with priced.connect() as session:
        notices = []
        session.add_notice_handler(lambda notice: notices.append(notice.message_primary))
        [(usd,)] = session.execute(
            f"SELECT amount FROM ai.explain_vectorizer({declaration(stub.url, embedding=other)}) WHERE measure = 'usd'").fetchall()
    assert usd is None
    assert notices == [f"no price is known of the model openai/other at {stub.url.removesuffix('/v1')}"]


def test_documents_are_loaded_parsed_and_cut_as_the_worker_does(priced, stub, bucket):
    """With one that would be set aside."""
    for n in range(12):
        bucket.put(f"{n}.md", "\n\n".join(f"# Part {part}\n\n{prose(random.Random(n), 60)}" for part in range(5)))
    bucket.put("broken.pdf", "%PDF-1.7 broken")
    for name in [*(f"{n}.md" for n in range(12)), "broken.pdf"]:
        priced.sql("INSERT INTO document (body) VALUES (%s)", [bucket.uri(name)])
    told = explained(priced, declaration(stub.url, loading="ai.loading_uri('body')"))
    vectorizer.create(priced, stub.url, loading="ai.loading_uri('body')", chunking=CHARACTERS)
    vectorizer.idle(priced)
    assert told["chunks"][0] == priced.value("SELECT count(*) FROM document_embedding_store") > 40
    assert (told["set_aside"][0], told["set_aside"][2]) == (1, "for damaged_document")


def test_it_is_for_whoever_may_declare_it(priced, stub):
    db = priced
    fill(db, ["a text"])
    db.sql("CREATE ROLE mallory LOGIN; SELECT ai.grant_vectorizer_usage('mallory'); GRANT SELECT ON document TO mallory")
    vectorizer.create(db, stub.url, name="'rows'")
    with pytest.raises(psycopg.Error, match="only a superuser or the owner of the source"):
        explained(db, declaration(stub.url), user="mallory")
    with pytest.raises(psycopg.Error, match="query returned no rows|must be owner"):
        explained(db, "'rows'", user="mallory")

    db.sql("CREATE SCHEMA AUTHORIZATION mallory; CREATE TABLE mallory.document (id int PRIMARY KEY, body text)")
    db.sql("ALTER TABLE mallory.document OWNER TO mallory")
    own = {"source": "'mallory.document'::regclass"}
    assert explained(db, declaration(stub.url, **own), user="mallory")["rows"][0] == 0
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        explained(db, declaration("http://elsewhere.example/v1", **own), user="mallory")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        explained(db, declaration(stub.url, loading="ai.loading_uri('body')", **own), user="mallory")


def test_nothing_of_a_tables_owner_runs_as_who_explains(priced, stub):
    """A superuser explains a table of somebody else's, whose policy is evaluated when it is read."""
    db = priced
    db.sql("CREATE ROLE mallory LOGIN; SELECT ai.grant_vectorizer_usage('mallory'); CREATE SCHEMA AUTHORIZATION mallory")
    db.sql("""
        CREATE TABLE mallory.document (id int PRIMARY KEY, body text);
        INSERT INTO mallory.document VALUES (1, 'a text');
        CREATE FUNCTION mallory.look() RETURNS bool LANGUAGE plpgsql AS
            $$ BEGIN RAISE WARNING 'as %', current_user; RETURN true; END $$;
        CREATE POLICY look ON mallory.document USING (mallory.look());
        ALTER TABLE mallory.document ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY
    """, user="mallory")
    arguments = declaration(stub.url, source="'mallory.document'::regclass")
    with db.connect() as session:
        told = []
        session.add_notice_handler(lambda notice: told.append(notice.message_primary))
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"):
            session.execute(f"SELECT * FROM ai.explain_vectorizer({arguments})")
    assert "as postgres" not in told


def test_it_can_be_cancelled(priced, stub):
    fill(priced, [prose(random.Random(5), 3_000) for _ in range(2_000)])
    arguments = declaration(stub.url, sample_rows="2000", chunking="ai.chunking_text_splitter(200, unit => 'tokens')")
    with pytest.raises(psycopg.errors.QueryCanceled):
        priced.sql(f"SET statement_timeout = '300ms'; SELECT * FROM ai.explain_vectorizer({arguments})")

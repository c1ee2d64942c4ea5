"""Documents that were made to do harm, through the whole worker: each costs no more than itself."""

from hostile_files import cases
from support import documents, vectorizer
from support.wait import eventually, settles

# The worker loads no more of a document.
LARGEST = 1 << 20
# With a document of each type, and each harm that is done to one.
SEED = 1
CODES = {
    *("damaged_document", "document_too_complex", "empty_document", "encrypted_document", "needs_ocr", "unknown_encoding"),
    *("unsupported_type", "text_too_large", "parser_timed_out", "parser_out_of_memory", "too_large"),
}
TABLE = "CREATE TABLE {} (id int PRIMARY KEY, uri text)"
WORKER = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'pgai_rs worker'"


def hostile(bucket) -> list[str]:
    """The addresses of the documents."""
    made = ((case, case.make()) for case in cases(SEED))
    return [
        bucket.put(f"{number}-{case.name}", content)
        for number, (case, content) in enumerate(made)
        if 0 < len(content) <= LARGEST
    ]


def test_hostile_documents_harm_nobody(cluster_factory, bucket, stub):
    db = cluster_factory(conf={"pgai_rs.max_document_size": "1MB", "pgai_rs.parse_timeout": "20s"}).create_database("hostile")
    db.sql("CREATE EXTENSION pgai_rs CASCADE")
    for table in ("hostile", "neighbour"):
        db.sql(TABLE.format(table))
    uris = hostile(bucket)
    with db.connect() as connection, connection.cursor() as cursor:
        cursor.executemany("INSERT INTO hostile VALUES (%s, %s)", list(enumerate(uris)))
    arguments = {"loading": "ai.loading_uri('uri')", "chunking": "ai.chunking_none()"}
    vectorizer.create(db, stub.url, "hostile", **arguments)
    worker = eventually(lambda: db.sql(WORKER), what="the worker")

    # While they are read.
    vectorizer.create(db, stub.url, "neighbour", **arguments)
    db.sql("INSERT INTO neighbour VALUES (1, %s)", [bucket.put("good.docx", documents.docx("A good document."))])
    settles(lambda: db.sql("SELECT chunk FROM neighbour_embedding_store"), [("A good document.",)])

    done = "SELECT count(*) FROM (SELECT id FROM hostile_embedding_store UNION SELECT id FROM ai._vectorizer_q_failed_1) d"
    settles(lambda: db.value(done), len(uris), timeout=600)
    codes = {code for [code] in db.sql("SELECT DISTINCT failure_code FROM ai._vectorizer_q_failed_1")}
    assert codes <= CODES
    assert len(codes) > 4
    # Neither a crash nor a restart, and nothing is left running.
    assert db.sql(WORKER) == worker
    vectorizer.idle(db)

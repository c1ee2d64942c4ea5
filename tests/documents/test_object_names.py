"""Keys of objects as people have them: what S3 takes is loaded, and listed, to the letter."""

from support import vectorizer
from support.wait import settles

KEYS = [
    *(" lead.txt", "trail .txt ", "a//b.txt", "/abs.txt", "a/../b.txt", "./a.txt", "..", "...", "~a.txt", "a?b.txt"),
    *("a#b.txt", "100%25.txt", "a%2Fb.txt", "a+b.txt", "x&y=z;w.txt", "a:b@c,d!.txt", "{a}[b]^`|.txt", "(a)*.txt"),
    *("caf\u00e9.txt", "cafe\u0301.txt", "\U0001f600.txt", "\u200b.txt", "a\tb.txt", "a\r.txt", "'\"<>.txt", "a\\b.txt"),
    *("2022-11-26T13:51:14.934709+00:00.txt", "host=a.b?a=test/x.txt", "=.txt", "k" * 1020 + ".txt"),
]


def test_rows_name_objects_to_the_letter(db, bucket, stub):
    db.sql("CREATE TABLE document (id int PRIMARY KEY, uri text)")
    vectorizer.create(db, stub.url, loading="ai.loading_uri('uri')")
    for number, key in enumerate(KEYS):
        uri = bucket.put(key, f"object {number}", ContentType="text/plain")
        db.sql("INSERT INTO document VALUES (%s, %s)", [number, uri])
    look = "SELECT id, chunk FROM document_embedding_store ORDER BY id"
    settles(lambda: db.sql(look), [(number, f"object {number}") for number in range(len(KEYS))])


def test_a_listing_keeps_names_to_the_letter(db, bucket, stub):
    for number, key in enumerate(KEYS):
        bucket.put(key, f"object {number}", ContentType="text/plain")
    db.sql("SELECT ai.create_s3_source('document', %s)", [bucket.uri("")])
    wanted = sorted(bucket.uri(key) for key in KEYS)
    settles(lambda: sorted(uri for [uri] in db.sql("SELECT uri FROM document")), wanted)
    vectorizer.create(db, stub.url, loading="ai.loading_uri('uri')")
    look = "SELECT chunk FROM document_embedding_store"
    settles(lambda: sorted(db.sql(look)), sorted((f"object {number}",) for number in range(len(KEYS))))

"""The settings are those of docs/settings.md, and a reload is enough to change them."""

import re

from pgai_dev import places
from support import vectorizer
from support.stub import Stub
from support.wait import eventually

ROW = re.compile(r"^\| `(?P<name>pgai_rs\.\w+)` \| (?P<default>[^|]*) \| (?P<unit>[^|]*) \| (?P<context>[^|]*) \|")


def documented() -> dict:
    text = (places.ROOT / "docs" / "settings.md").read_text()
    rows = (ROW.match(line) for line in text.splitlines())
    clean = lambda cell: cell.strip().strip("`").strip("'")  # noqa: E731
    return {row["name"]: tuple(clean(row[part]) for part in ("default", "unit", "context")) for row in rows if row}


def test_docs_list_what_there_is(db):
    there = db.sql(
        "SELECT name, coalesce(boot_val, ''), coalesce(unit, ''), context FROM pg_settings WHERE name LIKE 'pgai\\_rs.%'"
    )
    assert documented() == {name: (default, unit, context) for name, default, unit, context in there}


def test_a_reload_is_enough(cluster_factory):
    cluster = cluster_factory(conf={"pgai_rs.openai_base_url": "http://127.0.0.1:1/v1"})
    db = cluster.create_database("reloaded")
    db.sql("CREATE EXTENSION pgai_rs CASCADE")
    db.sql("CREATE TABLE document (id int PRIMARY KEY, body text); INSERT INTO document VALUES (1, 'a')")
    vectorizer.create(db, "", embedding=f"ai.embedding_openai('stub', {vectorizer.DIMENSIONS})")
    eventually(lambda: db.sql("SELECT * FROM ai._vectorizer_work_1 WHERE lease IS NOT NULL"), what="a first attempt")
    stub = Stub()
    try:
        cluster.configure(pgai_rs__openai_base_url=stub.url, pgai_rs__api_keys="OPENAI_API_KEY=sk-from-conf")
        db.sql("UPDATE document SET body = 'b'")
        vectorizer.in_step(db, ["id"])
        assert stub.requests[-1].headers["authorization"] == "Bearer sk-from-conf"
    finally:
        stub.close()


def test_secrets_are_not_shown(cluster_factory):
    cluster = cluster_factory(conf={"pgai_rs.api_keys": "OPENAI_API_KEY=sk-secret", "pgai_rs.aws_secret_access_key": "s3cret"})
    db = cluster.create_database("secrets")
    db.sql("CREATE EXTENSION pgai_rs CASCADE")
    db.sql("CREATE ROLE nosy LOGIN")
    assert "s3cret" not in str(db.sql("SHOW ALL", user="nosy")) and "sk-secret" not in str(db.sql("SHOW ALL", user="nosy"))
    hidden = "SELECT setting FROM pg_settings WHERE name IN ('pgai_rs.api_keys', 'pgai_rs.aws_secret_access_key')"
    assert all("s" not in (value or "") for [value] in db.sql(hidden, user="nosy"))

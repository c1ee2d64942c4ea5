"""Databases that are not in UTF-8."""

import psycopg
import pytest
from support.cluster import Database


@pytest.fixture(params=["LATIN1", "EUC_JP", "SQL_ASCII"])
def other(cluster, request):
    """A database in another encoding."""
    database = Database(cluster, f"in_{request.param.lower()}")
    cluster.sql(
        f"CREATE DATABASE {database.name} TEMPLATE template0 ENCODING '{request.param}' LC_COLLATE 'C' LC_CTYPE 'C'"
        " LOCALE_PROVIDER libc"
    )
    yield database
    database.drop()


def test_the_extension_says_what_it_needs(other):
    with pytest.raises(psycopg.errors.FeatureNotSupported, match="a database with encoding UTF8") as refusal:
        other.sql("CREATE EXTENSION pgai_rs CASCADE")
    assert "ENCODING 'UTF8'" in refusal.value.diag.message_hint


def test_what_was_restored_there_says_so(other, cluster, db, stub):
    """A dump in which the extension could not be made."""
    db.sql("CREATE TABLE document (id int PRIMARY KEY, body text)")
    dump = cluster.run("pg_dump", db.name)
    with pytest.raises(AssertionError, match="a database with encoding UTF8"):
        cluster.run("psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", f"--dbname={other.name}", input=dump)

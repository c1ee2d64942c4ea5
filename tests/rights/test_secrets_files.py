"""The file with the key that seals the keys of a database: it is lost, replaced or copied."""

import os
import shutil

import pytest
from support import vectorizer
from support.keys import KEY, KEY_FILE, NEXT, SET, cluster, db, health, refusal, told  # noqa: F401
from support.wait import eventually, settles


@pytest.mark.parametrize("how", ["gone", "another", "short", "long", "unreadable"])
def test_without_its_key_file_it_says_what_to_do(db, stub, cluster, how):
    db.cluster.configure(pgai_rs__allowed_base_urls=stub.url)
    db.sql(SET, ["OPENAI_API_KEY", KEY, stub.url])
    vectorizer.create(db, stub.url)
    db.sql("INSERT INTO document VALUES (1, 'one')")
    vectorizer.in_step(db, ["id"])
    file = cluster.data / KEY_FILE
    kept = file.read_bytes()
    # As the server's own user, whose file it stays.
    match how:
        case "gone":
            file.unlink()
        case "unreadable":
            file.unlink()
            file.mkdir()
        case _:
            file.write_bytes({"another": os.urandom(32), "short": kept[:31], "long": kept + b"\n"}[how])
    assert db.sql("SELECT readable FROM ai.secrets") == [(False,)]
    cluster.reload()
    settles(lambda: health(db)["state"], "not_served")
    row = health(db)
    assert "OPENAI_API_KEY" in row["reason"] and "ai.set_secret" in row["hint"] and KEY_FILE in row["hint"], row
    error = refusal(db, "SELECT ai.openai_embed('m', 'x')")
    assert error.sqlstate == "55000" and "ai.set_secret" in error.diag.message_hint

    if how in ("gone", "another"):
        # A key in the place of the one that is gone; and what it was set for goes on.
        db.sql(SET, ["OPENAI_API_KEY", NEXT, stub.url])
        assert file.stat().st_mode & 0o777 == 0o600 and file.stat().st_size == 32
    else:
        # One that is there is not replaced: others may be sealed with it.
        error = refusal(db, SET, ["OPENAI_API_KEY", NEXT, stub.url])
        assert error.sqlstate == "F0000" and KEY_FILE in error.diag.message_hint, told(error)
        shutil.rmtree(file) if file.is_dir() else file.unlink()
        file.write_bytes(kept)
        shutil.chown(file, *(os.stat(cluster.data).st_uid, os.stat(cluster.data).st_gid))
        file.chmod(0o600)
        cluster.reload()
    db.sql("INSERT INTO document VALUES (2, 'two')")
    vectorizer.in_step(db, ["id"])


def test_copies_and_standbys_have_the_file_that_was_there(db, cluster, copies, stub):
    early = copies(cluster.base_backup, standby=True)
    db.sql(SET, ["OPENAI_API_KEY", KEY, None])
    late = copies(cluster.base_backup, standby=True)
    look = "SELECT readable FROM ai.secrets"
    for standby, readable in [(early, False), (late, True)]:
        there = type(db)(standby, "tenant")
        eventually(lambda: there.sql(look) == [(readable,)], what="the secret to be replicated")
        assert refusal(there, SET, ["OPENAI_API_KEY", KEY, None]).sqlstate == "25006"
    assert not (early.data / KEY_FILE).exists()


def test_files_have_the_mode_of_postgress_own(cluster_factory):
    cluster = cluster_factory()
    cluster.stop()
    cluster.data.chmod(0o750)
    cluster.start()
    db = cluster.create_database("tenant")
    db.sql("CREATE EXTENSION pgai_rs CASCADE")
    db.sql(SET, ["OPENAI_API_KEY", KEY, None])
    assert (cluster.data / KEY_FILE).stat().st_mode & 0o777 == 0o640
    assert [file.name for file in cluster.data.iterdir() if file.name.startswith("pgai_rs")] == [KEY_FILE]

"""What a declaration on a table does to the vectorizers of tables below it."""

import pytest
from support import vectorizer

PARENTS = {
    "partition": """
        CREATE TABLE parent (id int PRIMARY KEY, body text) PARTITION BY RANGE (id);
        CREATE TABLE child PARTITION OF parent FOR VALUES FROM (0) TO (100);
        CREATE TABLE grandchild (id int PRIMARY KEY, body text)
    """,
    "table that inherits": """
        CREATE TABLE parent (id int PRIMARY KEY, body text);
        CREATE TABLE child (PRIMARY KEY (id)) INHERITS (parent);
        CREATE TABLE grandchild (PRIMARY KEY (id)) INHERITS (child)
    """,
}


@pytest.mark.parametrize("how", PARENTS)
def test_a_vectorizer_of_a_table_below_stays_in_step(db, stub, how):
    db.sql(PARENTS[how])
    for source in ("child", "grandchild", "parent"):
        vectorizer.create(db, stub.url, source)

    def all_in_step():
        for source in ("child", "grandchild", "parent"):
            vectorizer.in_step(db, ["id"], source=source, store=f"{source}_embedding_store")

    db.sql("INSERT INTO child VALUES (1, 'one'), (2, 'two'), (3, 'three'); INSERT INTO grandchild VALUES (4, 'four')")
    all_in_step()
    db.sql("UPDATE child SET body = 'other' WHERE id = 1; DELETE FROM child WHERE id = 2; UPDATE grandchild SET body = 'more'")
    all_in_step()
    db.sql("TRUNCATE child")
    all_in_step()


def test_a_vectorizer_below_that_has_lost_a_table_keeps_its_triggers(db, stub):
    """It can be dropped with all that it has, by its owner; whoever declares something above does not do that."""
    db.sql(PARENTS["table that inherits"])
    vectorizer.create(db, stub.url, "child")
    db.sql("DROP TABLE ai._vectorizer_q_failed_1")
    triggers = "SELECT tgname FROM pg_trigger WHERE tgrelid = 'child'::regclass AND tgname LIKE '\\_vectorizer\\_src\\_trg\\_1%' ORDER BY 1"
    before = db.sql(triggers)
    assert before
    vectorizer.create(db, stub.url, "parent")
    assert db.sql(triggers) == before

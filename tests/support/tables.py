"""Tables to vectorize, and every statement that Postgres has for changing one."""

PLAIN = "CREATE TABLE document (id int PRIMARY KEY, title text, body text)"
PARTITIONED = """
    CREATE TABLE document (id int, title text, body text, PRIMARY KEY (id)) PARTITION BY RANGE (id);
    CREATE TABLE document_low PARTITION OF document FOR VALUES FROM (0) TO (100);
    -- Its columns are in another order than its parent's.
    CREATE TABLE document_high (body text, id int NOT NULL, gone int, title text);
    ALTER TABLE document_high DROP COLUMN gone;
    ALTER TABLE document ATTACH PARTITION document_high FOR VALUES FROM (100) TO (1000);
"""

# Run one after the other on the same table.
STATEMENTS = [
    "INSERT INTO document VALUES (1, 'one', 'a|b'), (2, 'two', 'c'), (3, 'three', NULL)",
    "INSERT INTO document VALUES (4, 'four', '')",
    "UPDATE document SET body = 'a|new|b' WHERE id = 1",
    "UPDATE document SET title = 'deux' WHERE id = 2",
    "UPDATE document SET body = 'was null' WHERE id = 3",
    "UPDATE document SET body = NULL WHERE id = 3",
    "UPDATE document SET body = body",
    "UPDATE document SET id = id + 10 WHERE id IN (1, 2)",
    "UPDATE document SET id = 150, body = 'moved' WHERE id = 11",
    "INSERT INTO document VALUES (12, 'x', 'y') ON CONFLICT (id) DO NOTHING",
    "INSERT INTO document VALUES (12, 'x', 'upserted'), (13, 'x', 'z')"
    " ON CONFLICT (id) DO UPDATE SET body = excluded.body",
    """MERGE INTO document d
       USING (VALUES (12, 'merged'), (13, NULL), (200, 'fresh|high')) AS m (id, body) ON d.id = m.id
       WHEN MATCHED AND m.body IS NULL THEN DELETE
       WHEN MATCHED THEN UPDATE SET body = m.body
       WHEN NOT MATCHED THEN INSERT VALUES (m.id, 'merged', m.body)""",
    "WITH gone AS (DELETE FROM document WHERE id = 12 RETURNING *)"
    " INSERT INTO document SELECT id + 20, title, body || '|again' FROM gone",
    "BEGIN; INSERT INTO document VALUES (50, 'no', 'rolled back'); ROLLBACK",
    "BEGIN; INSERT INTO document VALUES (51, 'kept', 'kept'); SAVEPOINT s;"
    " UPDATE document SET body = 'undone' WHERE id = 51; ROLLBACK TO s; COMMIT",
    "BEGIN; INSERT INTO document VALUES (52, 'brief', 'brief'); DELETE FROM document WHERE id = 52; COMMIT",
    "DELETE FROM document WHERE id = 200",
    "INSERT INTO document SELECT i, 'bulk', 'bulk ' || i FROM generate_series(300, 340) i",
    "DELETE FROM document WHERE id BETWEEN 310 AND 320",
    "TRUNCATE document",
    "INSERT INTO document VALUES (1, 'after', 'truncate')",
]

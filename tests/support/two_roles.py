"""Alice has a vectorizer and an S3 source; Mallory may declare the same, in a schema of her own."""

import pytest

from support import egress, vectorizer


class Role:
    """A role with a schema of its own."""

    def __init__(self, db, who: str):
        self.db, self.who, self.name = db, who, f"{who}_{db.name}"
        db.sql(f"CREATE ROLE {self.name} LOGIN; SELECT ai.grant_vectorizer_usage('{self.name}');"
               f"CREATE SCHEMA {who} AUTHORIZATION {self.name}")

    def sql(self, query: str, parameters=None) -> list[tuple]:
        return self.db.sql(query, parameters, user=self.name)

    def declare(self) -> int:
        """A vectorizer and an S3 source, of which each table and view has something to say."""
        who, db = self.who, self.db
        self.sql(f"CREATE TABLE {who}.document (id int PRIMARY KEY, body text)")
        id = vectorizer.create(db, "", f"{who}.document", user=self.name, name=f"'of_{who}'",
                               embedding="ai.embedding_openai('text-embedding-3-small', 8)")
        self.sql(f"SELECT ai.create_s3_source('{who}.object', 's3://{who}s-bucket/', name => 'objects_of_{who}', schedule => NULL)")
        db.sql("INSERT INTO ai._vectorizer_errors (id, message) VALUES (%s, 'a reason')", [id])
        db.sql(f"SELECT ai.disable_s3_source('objects_of_{who}')")
        db.sql("INSERT INTO ai._s3_source_run (id, state, reason, finished)"
               f" SELECT id, 'failed', 'request', now() FROM ai.s3_source WHERE name = 'objects_of_{who}'")
        return id

    def sees(self, *relations: str) -> dict[str, int]:
        """Returns the number of rows of each of these tables and views."""
        return {relation: self.sql(f"SELECT count(*) FROM {relation}")[0][0] for relation in relations}


@pytest.fixture
def roles(db):
    """Makes roles, and drops them."""
    made = []
    egress.allow_objects(db.cluster, "s3://")

    def make(who: str) -> Role:
        made.append(Role(db, who))
        return made[-1]

    yield make
    egress.allow_nothing(db.cluster)
    for role in made:
        db.sql(f"DROP OWNED BY {role.name} CASCADE; DROP ROLE {role.name}")


@pytest.fixture
def alice(roles):
    alice = roles("alice")
    alice.id = alice.declare()
    return alice


@pytest.fixture
def mallory(roles):
    return roles("mallory")

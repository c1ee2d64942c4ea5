"""The demo on servers that run already, such as those of containers/compose.yaml.

Where they are is said by the environment: PGHOST, PGUSER and their like, AWS_ENDPOINT_URL and credentials of S3. The server of
Postgres must find the same S3, and a model at `pgai_rs.openai_base_url`.
"""

import contextlib

import boto3
import psycopg
from support.s3 import Bucket

import documents
from house import BUCKET


class Elsewhere:
    """What the story is told with; all of it goes on running afterwards."""

    openai = False

    def __init__(self):
        self.documents = documents.load()
        self.bucket: Bucket

    @contextlib.contextmanager
    def open(self):
        client = boto3.client("s3")
        if BUCKET not in (bucket["Name"] for bucket in client.list_buckets()["Buckets"]):
            client.create_bucket(Bucket=BUCKET)
        self.bucket = Bucket(client, BUCKET)
        for document in self.documents:
            self.bucket.put(document.key, document.content)
        yield

    def database(self) -> "Database":
        return Database()


class Database:
    """The database that libpq's variables name."""

    def connect(self, *, autocommit: bool = True, **options):
        return psycopg.connect(autocommit=autocommit, **options)

    def sql(self, query: str, parameters=None) -> list[tuple]:
        """Runs a statement in a session of its own and returns its rows."""
        with self.connect() as connection:
            cursor = connection.execute(query, parameters)
            return cursor.fetchall() if cursor.description is not None else []

    def value(self, query: str, parameters=None):
        """Returns the one value of a query."""
        [[value]] = self.sql(query, parameters)
        return value

"""An S3 server: moto, in a process of its own."""

import re
import sys
from pathlib import Path

import boto3

from support import process

# In its default mode moto takes any key; these are what an AWS SDK finds in its environment.
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_REGION": "us-east-1",
}


class S3Server:
    def __init__(self, directory: Path, port: int = 0, env: dict[str, str] | None = None):
        log = directory / "s3.log"
        log.unlink(missing_ok=True)
        self._process = process.spawn(
            [sys.executable, "-m", "moto.server", "--host", "127.0.0.1", "--port", port],
            log,
            env=process.environment(directory, env),
        )
        self.url = process.announced(self._process, log, re.compile(r"Running on (http://\S+)"), "moto")[1]
        self.env = CREDENTIALS | {"AWS_ENDPOINT_URL": self.url}
        self.client = boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name=CREDENTIALS["AWS_REGION"],
            aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        )

    def bucket(self, name: str) -> "Bucket":
        self.client.create_bucket(Bucket=name)
        return Bucket(self.client, name)

    def stop(self) -> None:
        process.stop(self._process)

    def kill(self) -> None:
        """Ends it at once; all that it holds is gone."""
        self._process.kill()
        self._process.wait()


class Bucket:
    def __init__(self, client, name: str):
        self.client = client
        self.name = name

    def put(self, key: str, body: str | bytes, **options) -> str:
        """Stores an object and returns its URI."""
        data = body.encode() if isinstance(body, str) else body
        self.client.put_object(Bucket=self.name, Key=key, Body=data, **options)
        return self.uri(key)

    def delete(self, key: str) -> None:
        self.client.delete_object(Bucket=self.name, Key=key)

    def uri(self, key: str) -> str:
        return f"s3://{self.name}/{key}"

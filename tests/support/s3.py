"""An S3 server with SQS: moto, in a process of its own."""

import json
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
        self.client = self._client("s3")

    def _client(self, service: str):
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=CREDENTIALS["AWS_REGION"],
            aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        )

    def bucket(self, name: str) -> "Bucket":
        self.client.create_bucket(Bucket=name)
        return Bucket(self.client, name)

    def queue(self, name: str) -> "Queue":
        return Queue(self._client("sqs"), name)

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

    def notify(self, queue: "Queue") -> None:
        """Sends the bucket's events to a queue from now on."""
        configuration = {"QueueArn": queue.arn, "Events": ["s3:ObjectCreated:*", "s3:ObjectRemoved:*", "s3:ObjectTagging:*"]}
        self.client.put_bucket_notification_configuration(
            Bucket=self.name, NotificationConfiguration={"QueueConfigurations": [configuration]}
        )


class Queue:
    def __init__(self, client, name: str):
        self.client = client
        # What is received and not deleted comes again after a second.
        self.url = client.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "1"})["QueueUrl"]
        self.arn = client.get_queue_attributes(QueueUrl=self.url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]

    def send(self, body) -> None:
        text = body if isinstance(body, str) else json.dumps(body)
        self.client.send_message(QueueUrl=self.url, MessageBody=text)

    def messages(self) -> int:
        """Returns the number of messages that were not deleted, received or not."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        attributes = self.client.get_queue_attributes(QueueUrl=self.url, AttributeNames=names)["Attributes"]
        return sum(int(attributes[name]) for name in names)

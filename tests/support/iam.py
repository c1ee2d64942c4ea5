"""An S3 server that enforces IAM: moto in its strict mode, with a server's user and two roles.

It lets one thing through that AWS refuses: a request to assume a role that gives no external id at
all. The pipeline's own tests have a stub of STS for that.
"""

import json
from pathlib import Path

import boto3
import requests

from support.s3 import CREDENTIALS, Bucket, S3Server

ACCOUNT = "123456789012"
USER = f"arn:aws:iam::{ACCOUNT}:user/postgres"
EXTERNAL_ID = "project/service"
BUCKET = "documents"
# Requests that nobody has to be allowed to make, until `enforce`.
BEFORE_IT_IS_STRICT = {"INITIAL_NO_AUTH_ACTION_COUNT": "1000000"}


def role(name: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:role/{name}"


class StrictS3(S3Server):
    """The user `postgres`, whose keys are in `env`, may assume roles and nothing else. The role `reader`
    may read the bucket and asks for an external id, the role `stranger` may not read."""

    def __init__(self, directory: Path):
        directory.mkdir(parents=True, exist_ok=True)
        super().__init__(directory, env=BEFORE_IT_IS_STRICT)
        self._iam = boto3.client(
            "iam",
            endpoint_url=self.url,
            region_name=CREDENTIALS["AWS_REGION"],
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )
        self.documents: Bucket = self.bucket(BUCKET)
        trust = {"Effect": "Allow", "Principal": {"AWS": USER}, "Action": "sts:AssumeRole"}
        known = trust | {"Condition": {"StringEquals": {"sts:ExternalId": EXTERNAL_ID}}}
        self._role("reader", [known], [_allow("s3:GetObject", "s3:ListBucket")])
        self._role("stranger", [trust], [_allow("s3:ListAllMyBuckets")])
        self._user("postgres", [_allow("sts:AssumeRole")])

    def follow(self, name: str, policies: dict) -> None:
        """Makes the role that ai.s3_policies printed: attach_to and statements by policy."""
        self._role(name, policies["trust"][1], policies["permissions"][1])

    def _role(self, name: str, trust: list[dict], permissions: list[dict]) -> None:
        self._iam.create_role(RoleName=name, AssumeRolePolicyDocument=_policy(trust))
        self._iam.put_role_policy(RoleName=name, PolicyName="may", PolicyDocument=_policy(permissions))

    def _user(self, name: str, permissions: list[dict]) -> None:
        self._iam.create_user(UserName=name)
        self._iam.put_user_policy(UserName=name, PolicyName="may", PolicyDocument=_policy(permissions))
        key = self._iam.create_access_key(UserName=name)["AccessKey"]
        self.env |= {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}

    def enforce(self) -> "StrictS3":
        """From now on nobody may do what no policy allows."""
        requests.post(f"{self.url}/moto-api/reset-auth", data=b"0", timeout=10).raise_for_status()
        return self


def _allow(*actions: str) -> dict:
    return {"Effect": "Allow", "Action": list(actions), "Resource": "*"}


def _policy(statements: list[dict]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})

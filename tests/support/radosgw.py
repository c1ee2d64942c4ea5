"""Ceph's S3 server, in memory: another implementation than AWS' and moto's, where it is installed."""

import json
import shutil
import socket
import subprocess
import uuid
from pathlib import Path

import boto3
import requests

from support import process
from support.s3 import Bucket
from support.wait import eventually

PROGRAMS = ("ceph-mon", "ceph-osd", "radosgw", "radosgw-admin", "monmaptool", "ceph")
INSTALLED = all(shutil.which(program) for program in PROGRAMS)

# Ceph's own default is a relative path, from which nothing is loaded.
CLASSES = next(Path("/usr/lib").glob("*/rados-classes"), Path("/usr/lib/rados-classes"))

CONFIG = """
[global]
fsid = {fsid}
mon_host = v1:127.0.0.1:{mon_port}
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
ms_bind_msgr2 = false
mon_data = {directory}/mon
osd_data = {directory}/osd
run_dir = {directory}
admin_socket = {directory}/$name.asok
log_file = {directory}/$name.log
keyring = {directory}/keyring
mon_allow_pool_size_one = true
mon_max_pg_per_osd = 2000
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 1
osd_pool_default_pgp_num = 1
osd_crush_chooseleaf_type = 0
osd_objectstore = memstore
memstore_device_bytes = 1073741824
osd_class_dir = {classes}
osd_class_update_on_start = false
[client.rgw.a]
rgw_frontends = beast endpoint=127.0.0.1:{port}
rgw_data = {directory}/rgw
rgw_s3_auth_use_sts = true
rgw_sts_key = 0123456789abcdef
"""

REGION = "default"


class Radosgw:
    """A cluster of one, and an S3 server on it. `env` has the keys of its user, who owns the buckets."""

    def __init__(self, directory: Path):
        self._directory = directory
        self._running = []
        mon_port, port = _free_port(), _free_port()
        self.url = f"http://127.0.0.1:{port}"
        for name in ("mon", "osd", "rgw"):
            (directory / name).mkdir(parents=True)
        fsid = str(uuid.uuid4())
        (directory / "ceph.conf").write_text(
            CONFIG.format(fsid=fsid, mon_port=mon_port, port=port, directory=directory, classes=CLASSES)
        )
        self._start(fsid, mon_port)
        self.env = self._user("owner")
        self.client = boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id=self.env["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.env["AWS_SECRET_ACCESS_KEY"],
        )

    def _start(self, fsid: str, mon_port: int) -> None:
        self._run("monmaptool", "--create", "--addv", "a", f"v1:127.0.0.1:{mon_port}", "--fsid", fsid, "monmap")
        self._run("ceph-mon", "--mkfs", "-i", "a", "--monmap", "monmap")
        self._spawn("ceph-mon", "-i", "a")
        osd = str(uuid.uuid4())
        self._run("ceph", "osd", "new", osd)
        self._run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", osd)
        self._spawn("ceph-osd", "-i", "0")
        self._spawn("radosgw", "-n", "client.rgw.a")
        try:
            eventually(self._answers, timeout=120, what="radosgw to answer")
        except AssertionError as error:
            self.stop()
            logs = "".join(f"\n{path.name}: {path.read_text()[-1000:]}" for path in self._directory.glob("*.out"))
            raise AssertionError(f"{error}{logs}") from None

    def _answers(self) -> bool:
        try:
            return requests.get(self.url, timeout=5).ok
        except requests.ConnectionError:
            return False

    def bucket(self, name: str) -> Bucket:
        self.client.create_bucket(Bucket=name)
        return Bucket(self.client, name)

    def role(self, name: str, actions: list[str]) -> str:
        """A role that the owner may assume; answers its ARN."""
        trust = _policy("sts:AssumeRole", Principal={"AWS": ["arn:aws:iam:::user/owner"]})
        self._admin("role", "create", f"--role-name={name}", f"--assume-role-policy-doc={trust}")
        may = _policy(actions, Resource="arn:aws:s3:::*")
        self._admin("role-policy", "put", f"--role-name={name}", "--policy-name=may", f"--policy-doc={may}")
        return f"arn:aws:iam:::role/{name}"

    def stop(self) -> None:
        for running in reversed(self._running):
            process.stop(running)

    def _user(self, name: str) -> dict[str, str]:
        made = json.loads(self._admin("user", "create", f"--uid={name}", f"--display-name={name}"))
        [key] = made["keys"]
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": key["access_key"],
            "AWS_SECRET_ACCESS_KEY": key["secret_key"],
        }

    def _admin(self, *arguments: str) -> str:
        return self._run("radosgw-admin", *arguments)

    def _run(self, program: str, *arguments: str) -> str:
        done = subprocess.run(
            [program, *arguments], cwd=self._directory, env=self._environment(), capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, f"{program} failed with {done.returncode}:\n{done.stdout}{done.stderr}"
        return done.stdout

    def _spawn(self, program: str, *arguments: str) -> None:
        log = self._directory / f"{program}.out"
        self._running.append(process.spawn([program, "-f", *arguments], log, env=self._environment()))

    def _environment(self) -> dict[str, str]:
        return process.environment(self._directory, {"CEPH_CONF": str(self._directory / "ceph.conf")})


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def _policy(action: str | list[str], **more) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, **more}]})

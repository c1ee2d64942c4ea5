"""The objects in S3. The server forgets everything when it dies; we do not."""

import threading
from pathlib import Path
from random import Random

from support.s3 import S3Server
from support.s3_proxy import S3Proxy

BUCKET = "torture"
# How many objects stay as they are, and how many are written again and again.
STEADY, RESTLESS = 40, 4


class Objects:
    def __init__(self, directory: Path, random: Random):
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._lock = threading.Lock()
        texts = ["|".join(f"{n} {i}" for i in range(random.randrange(5))) for n in range(STEADY)]
        self._bodies = {f"steady/{n}.txt": text for n, text in enumerate(texts)}
        self._bodies |= {f"restless/{n}.txt": f"first {n}" for n in range(RESTLESS)}
        self.proxy = S3Proxy()
        self._start()

    @property
    def env(self) -> dict[str, str]:
        """The environment of a cluster that reads through the proxy."""
        return self._server.env | {"AWS_ENDPOINT_URL": self.proxy.url}

    def any(self, random: Random) -> str:
        """The address of an object that stays as it is."""
        return uri(f"steady/{random.randrange(STEADY)}.txt")

    def rewrite(self, random: Random, body: str) -> str:
        """Changes an object and returns its address."""
        key = f"restless/{random.randrange(RESTLESS)}.txt"
        self.put(key, body)
        return uri(key)

    def restless(self) -> list[str]:
        """The addresses of objects that may have changed since their rows were last touched."""
        return [uri(f"restless/{n}.txt") for n in range(RESTLESS)]

    def put(self, key: str, body: str) -> None:
        with self._lock:
            self._bodies[key] = body
            self._bucket.put(key, body)

    def body(self, address: str) -> str | None:
        """Returns the content of an address; none if there is no such object."""
        return self._bodies.get(address.removeprefix(uri("")))

    def restart(self) -> None:
        """Kills the server and starts another, with the same content."""
        with self._lock:
            self.proxy.upstream = None
            self._server.kill()
            self._start()

    def close(self) -> None:
        self.proxy.close()
        self._server.stop()

    def _start(self) -> None:
        self._server = S3Server(self._directory)
        self._bucket = self._server.bucket(BUCKET)
        for key, body in self._bodies.items():
            self._bucket.put(key, body)
        # Only now: nobody shall be told that an object is not there.
        self.proxy.upstream = self._server.url.removeprefix("http://")


def uri(key: str) -> str:
    return f"s3://{BUCKET}/{key}"

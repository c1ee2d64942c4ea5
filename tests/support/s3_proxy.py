"""A proxy before an S3 server: it passes requests on, and fails on demand as the stub of a model does.

The server behind it may be killed and come back at another address. Only what a loader asks for
passes: GET and HEAD, and POST for the role that it assumes."""

import http.client
import socket
import struct
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from support.wait import eventually

# A server that is up answers at once.
_UPSTREAM_TIMEOUT = 10
# Headers of one connection, which are not the other's.
_HOP_BY_HOP = {"connection", "transfer-encoding", "content-length", "date", "server"}
# What S3 says: status and code.
_REFUSALS = {
    "slow_down": (503, "SlowDown"),
    "internal_error": (500, "InternalError"),
    "expired_token": (400, "ExpiredToken"),
    "unknown_key": (403, "InvalidAccessKeyId"),
    "denied": (403, "AccessDenied"),
}


@dataclass
class S3Fault:
    """The treatment of the next `times` requests, which are not passed on.

    By name: slow_down, internal_error, expired_token, unknown_key, denied (S3's refusals), reset (the
    connection), truncate (the body), hang (until the proxy ends or is healed). Only requests whose path
    holds `path`.
    """

    kind: str
    times: float
    path: str = ""


class S3Proxy:
    def __init__(self):
        # Address of the server behind, as "host:port"; none while it is down.
        self.upstream: str | None = None
        # How many requests went wrong on demand, or because nobody was behind.
        self.failed = 0
        # What was passed on, and the status of each answer.
        self.answers: list[tuple[str, int]] = []
        self._faults: list[S3Fault] = []
        self._lock = threading.Lock()
        self._release = threading.Event()
        self._listen(0)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def _listen(self, port: int) -> None:
        handler = type("Handler", (_Handler,), {"proxy": self})
        self._server = _Server(("127.0.0.1", port), handler)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def fail(self, kind: str, times: float, path: str = "") -> None:
        with self._lock:
            self._faults.append(S3Fault(kind, times, path))

    @contextmanager
    def gone(self):
        """Nobody listens as long as this lasts."""
        port = self._server.server_port
        self._server.shutdown()
        self._server.server_close()
        try:
            yield
        finally:
            # A connection to somebody else may have the port for a moment.
            eventually(lambda: self._listen(port) or True, what=f"port {port} to be free", ignoring=(OSError,))

    def heal(self) -> None:
        """Forgets all faults, and lets go of the requests that hang."""
        with self._lock:
            self._faults.clear()
            self._release.set()
            self._release = threading.Event()

    def close(self) -> None:
        self.heal()
        self._server.shutdown()
        self._server.server_close()

    # For the handler

    def _admit(self, path: str) -> tuple[str | None, threading.Event]:
        with self._lock:
            self._faults = [fault for fault in self._faults if fault.times > 0]
            for fault in self._faults:
                if fault.path in path:
                    fault.times -= 1
                    self.failed += 1
                    return fault.kind, self._release
            if self.upstream is None:
                self.failed += 1
                return "reset", self._release
        return None, self._release


@contextmanager
def before(server):
    """A proxy before this S3 server, for as long as this lasts."""
    proxy = S3Proxy()
    proxy.upstream = server.url.removeprefix("http://")
    try:
        yield proxy
    finally:
        proxy.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request, client_address):
        """A client that goes away in the middle is part of the game."""


class _Handler(BaseHTTPRequestHandler):
    proxy: S3Proxy
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def do_GET(self):
        kind, release = self.proxy._admit(self.path)
        if kind == "hang":
            release.wait()
            self.close_connection = True
        elif kind == "reset":
            self._reset()
        elif kind in _REFUSALS:
            status, code = _REFUSALS[kind]
            self._send(status, {"Content-Type": "application/xml"}, self._refusal(code))
        else:
            self._pass_on(cut=kind == "truncate")

    do_HEAD = do_POST = do_GET

    def _refusal(self, code: str) -> bytes:
        error = f"<Error><Code>{code}</Code><Message>on demand</Message></Error>"
        # STS wraps what S3 says as it is.
        return (f"<ErrorResponse>{error}</ErrorResponse>" if self.command == "POST" else error).encode()

    def _pass_on(self, cut: bool) -> None:
        try:
            upstream = http.client.HTTPConnection(self.proxy.upstream or "", timeout=_UPSTREAM_TIMEOUT)
            sent = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            upstream.request(self.command, self.path, body=sent or None, headers=dict(self.headers.items()))
            answer = upstream.getresponse()
            body = answer.read()
        except (OSError, http.client.HTTPException):
            # The server behind was killed meanwhile.
            return self._reset()
        self.proxy.answers.append((self.path, answer.status))
        headers = {name: value for name, value in answer.getheaders() if name.lower() not in _HOP_BY_HOP}
        # An answer to HEAD has no body, and tells the object's length.
        length = answer.getheader("Content-Length", "0") if self.command == "HEAD" else None
        self._send(answer.status, headers, body, cut, length)

    def _send(self, status: int, headers: dict, body: bytes, cut: bool = False, length: str | None = None) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", length or str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[: len(body) // 2] if cut else body)
        self.close_connection |= cut

    def _reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

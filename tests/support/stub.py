"""A model server on OpenAI's wire, and Ollama's, that answers at once and fails on demand. It ranks texts as well, on all wires."""

import json
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from support import vectors
from support.batches import Batches
from support.limit import Limit


# What vectors are spoilt with.
NUMBERS = {"nan": float("nan"), "huge": 1e5}


@dataclass
class Request:
    """One request as it came in. `status` is None while it is being answered. `question` is that of a request for relevance."""

    inputs: list[str]
    model: str
    dimensions: int
    encoding_format: str
    headers: dict[str, str]
    body: dict
    started: float
    finished: float | None = None
    status: int | str | None = None
    question: str | None = None


@dataclass
class Fault:
    """The treatment of the next `times` requests that `when` picks, which are not answered well.

    One of: a `status` with `headers` and an OpenAI `error`; or a `spoil`, by name:
    hang (until the stub ends), reset (the connection), truncate (the body), garbage (no JSON),
    slow (the second half of the body comes when the stub ends), broken (JSON that breaks off),
    count (one vector less), dimensions (one element less), nan, huge, duplicate_index, reverse (the order,
    with the right indexes); of a request for relevance, what of it makes sense for scores. `nan` and `huge` (more than half
    precision can hold) are of the input `of`, or the first. Or vectors of so many `dimensions`, or an answer that says that so many
    `tokens` are billed.
    """

    times: float = 1
    when: Callable[[Request], bool] = lambda request: True
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    error: dict = field(default_factory=lambda: {"message": "stubbed", "type": "stub", "code": None})
    spoil: str | None = None
    of: str | None = None
    dimensions: int | None = None
    tokens: int | None = None


class Stub:
    def __init__(self, delay: float = 0):
        # Seconds that a model would take for each request.
        self.delay = delay
        # Answers come in reverse order, with the right indexes.
        self.reverse = False
        # Requests beyond it are refused; see `Limit`.
        self.limit: Limit | None = None
        self.requests: list[Request] = []
        self.batches = Batches()
        self._faults: list[Fault] = []
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self._open = threading.Event()
        self._open.set()
        handler = type("Handler", (_Handler,), {"stub": self})
        self._server = _Server(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def close(self) -> None:
        self._ending.set()
        self._open.set()
        self._server.shutdown()
        self._server.server_close()

    def fail(self, times: float = 1, *, when=None, **fault) -> Fault:
        """The next `times` requests (math.inf: all) that `when` picks go wrong; see `Fault`."""
        fault = Fault(times=times, **({"when": when} if when else {}), **fault)
        with self._lock:
            self._faults.append(fault)
        return fault

    def heal(self, *, but: Fault | None = None) -> None:
        """Forgets all faults, but for one if it is named."""
        with self._lock:
            self._faults = [fault for fault in self._faults if fault is but]

    @contextmanager
    def held(self):
        """Requests wait at the door as long as this lasts; `waiting` says how many do."""
        self._open.clear()
        try:
            yield self
        finally:
            self._open.set()

    # What happened

    @property
    def waiting(self) -> int:
        """Returns the number of requests that have come in and are not answered."""
        with self._lock:
            return sum(request.status is None for request in self.requests)

    @property
    def embedded(self) -> Counter:
        """Returns for each input how often it was answered with a vector: that is paid for."""
        with self._lock:
            answered = [request for request in self.requests if request.status == 200]
        return Counter(text for request in answered if request.question is None for text in request.inputs)

    @property
    def ranked(self) -> list[Request]:
        """Returns the requests for relevance."""
        with self._lock:
            return [request for request in self.requests if request.question is not None]

    def forget(self) -> None:
        """Starts the log of requests anew."""
        with self._lock:
            self.requests = [request for request in self.requests if request.status is None]

    # For the handler

    def _admit(self, request: Request) -> Fault | None:
        with self._lock:
            self.requests.append(request)
            for fault in self._faults:
                if fault.times > 0 and fault.when(request):
                    fault.times -= 1
                    return fault
        return None

    def _pause(self) -> None:
        self._open.wait()
        if self.delay:
            self._ending.wait(self.delay)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024

    def handle_error(self, request, client_address):
        """A client that goes away in the middle is part of the game."""


class _Handler(BaseHTTPRequestHandler):
    stub: Stub
    protocol_version = "HTTP/1.1"
    # Headers and body are two writes, which Nagle's algorithm would keep 40 ms apart.
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def do_GET(self):
        self._answer_of_batches(b"")

    def do_DELETE(self):
        self._answer_of_batches(b"")

    def _answer_of_batches(self, content: bytes) -> None:
        self._send(*self.stub.batches.answer(self.command, self.path, self.headers, content))

    def do_POST(self):
        started = time.monotonic()
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path.startswith(("/v1/files", "/v1/batches")):
            return self._answer_of_batches(content)
        body = json.loads(content)
        if not self.path.endswith(("/embeddings", "/api/embed", "/rerank")):
            return self._send(404, _error({"message": f"no such path: {self.path}"}))
        inputs = body.get("input") or body.get("documents") or body.get("texts")
        # One text as its tokens: the stub's words are numbers.
        if isinstance(inputs, list) and all(isinstance(token, int) for token in inputs):
            inputs = " ".join(map(str, inputs))
        request = Request(
            inputs=[inputs] if isinstance(inputs, str) else inputs,
            model=body.get("model", ""),
            dimensions=body.get("dimensions") or body.get("output_dimension", 1536),
            encoding_format=body.get("encoding_format", "float"),
            headers={name.lower(): value for name, value in self.headers.items()},
            body=body,
            started=started,
            question=body.get("query"),
        )
        fault = self.stub._admit(request)
        self.stub._pause()
        self._answer(request, fault)

    def _answer(self, request: Request, fault: Fault | None) -> None:
        spoil = fault.spoil if fault else None
        if spoil == "hang":
            self.stub._ending.wait()
        # Settled before the client can know: it may ask the log as soon as it has its answer.
        taken, told = self.stub.limit.take() if self.stub.limit else (True, {})
        request.finished = time.monotonic()
        request.status = ((fault.status if fault else None) or spoil or 200) if taken else 429
        if not taken:
            self._send(429, _error({"message": "too many requests"}), told)
        elif fault and fault.status:
            self._send(fault.status, _error(fault.error), told | fault.headers)
        elif spoil == "hang":
            self.close_connection = True
        elif spoil == "reset":
            # Lingering for no time at all makes the kernel send RST.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            self.close_connection = True
        elif spoil == "garbage":
            self._send(200, b"this is not JSON")
        elif self.path.endswith("/api/embed"):
            self._send(200, _ollama_payload(request), told)
        else:
            reverse = self.stub.reverse or spoil == "reverse"
            ranks = self.path.endswith("/rerank")
            payload = _ranked_payload(request, fault, self.path) if ranks else _payload(request, fault, reverse)
            half = len(payload) // 2
            if spoil == "broken":
                self._send(200, payload[:half], told)
            else:
                self._send(200, payload, told, cut=half if spoil in ("truncate", "slow") else None, wait=spoil == "slow")

    def _send(self, status: int, payload: bytes, headers: dict | None = None, cut=None, wait=False) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(payload[:cut])
        if cut is not None:
            self.wfile.flush()
            if wait:
                self.stub._ending.wait()
            self.close_connection = True


def _payload(request: Request, fault: Fault | None, reverse: bool) -> bytes:
    spoil = fault.spoil if fault else None
    asked = (fault.dimensions if fault else None) or request.dimensions
    dimensions = asked - (spoil == "dimensions")
    inputs = request.inputs[: -1 if spoil == "count" else None]
    if request.encoding_format == "base64":
        embeddings = [f'"{vectors.as_base64(text, dimensions)}"' for text in inputs]
        spoilt = {name: f'"{vectors.same_base64(number, dimensions)}"' for name, number in NUMBERS.items()}
    else:
        embeddings = [vectors.as_json(text, dimensions) for text in inputs]
        spoilt = {name: "[" + ",".join([json.dumps(number)] * dimensions) + "]" for name, number in NUMBERS.items()}
    if spoil in spoilt:
        embeddings[inputs.index(fault.of) if fault.of else 0] = spoilt[spoil]
    items = [
        f'{{"object":"embedding","index":{0 if spoil == "duplicate_index" else index},"embedding":{embedding}}}'
        for index, embedding in enumerate(embeddings)
    ]
    if reverse:
        items.reverse()
    # As many tokens as a client would estimate: a quarter of the bytes.
    estimated = sum(len(text.encode()) for text in request.inputs) // 4
    tokens = fault.tokens if fault and fault.tokens is not None else estimated
    return (
        f'{{"object":"list","data":[{",".join(items)}],"model":{json.dumps(request.model)},'
        f'"usage":{{"prompt_tokens":{tokens},"total_tokens":{tokens}}}}}'
    ).encode()


def _ranked_payload(request: Request, fault: Fault | None, path: str) -> bytes:
    """Scores, the best first, as the wire of the path has them: Voyage AI's is below a folder of that name."""
    spoil = fault.spoil if fault else None
    scores = [vectors.relevance(request.question, text) for text in request.inputs]
    if spoil == "nan":
        scores[0] = float("nan")
    order = sorted(range(len(scores)), key=lambda index: -scores[index])[: -1 if spoil == "count" else None]
    is_tei = "texts" in request.body
    name = "score" if is_tei else "relevance_score"
    items = [{"index": 0 if spoil == "duplicate_index" else index, name: scores[index]} for index in order]
    if is_tei:
        return json.dumps(items).encode()
    usage = {"usage": {"total_tokens": fault.tokens}} if fault and fault.tokens is not None else {}
    return json.dumps({"data" if path.endswith("/voyage/rerank") else "results": items, "model": request.model} | usage).encode()


def _ollama_payload(request: Request) -> bytes:
    embeddings = ",".join(vectors.as_json(text, request.dimensions) for text in request.inputs)
    return f'{{"model":{json.dumps(request.model)},"embeddings":[{embeddings}]}}'.encode()


def _error(error: dict) -> bytes:
    return json.dumps({"error": error}).encode()


@contextmanager
def blackhole():
    """The URL of a server that takes connections and never answers, as S3 or a model may."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"

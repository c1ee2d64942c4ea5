"""OpenAI's batch API for the stub: files of requests, batches of them, and files of answers."""

import json
import re
import threading
from collections import Counter
from dataclasses import dataclass, field

from support import vectors


@dataclass
class Batch:
    """A batch as it came in, and what became of it."""

    id: str
    input_file: str
    metadata: dict
    lines: list[dict]
    status: str = "validating"
    output_file: str | None = None
    error_file: str | None = None
    errors: list[dict] = field(default_factory=list)

    @property
    def inputs(self) -> list[str]:
        return [text for line in self.lines for text in line["body"]["input"]]


class Batches:
    """Files and batches. They stay as they are made until a test says what becomes of them, unless `at_once`."""

    def __init__(self):
        # Batches are completed when they are first looked at.
        self.at_once = False
        # The statuses with which the next requests are refused: (method and path as a pattern, status, times).
        self.refusals: list[list] = []
        # Batches that are made although nobody hears of it.
        self.lost_answers = 0
        self.batches: dict[str, Batch] = {}
        self.files: dict[str, bytes] = {}
        self.deleted: list[str] = []
        self.cancelled: list[str] = []
        self.log: list[str] = []
        # Files, whether they are deleted or not.
        self._ever: dict[str, bytes] = {}
        self._lock = threading.RLock()
        self._number = 0

    def refuse(self, pattern: str, status: int, times: float = 1) -> None:
        with self._lock:
            self.refusals.append([pattern, status, times])

    def all(self) -> list[Batch]:
        with self._lock:
            return list(self.batches.values())

    @property
    def embedded(self) -> Counter:
        """Returns for each input how often it was answered with a vector: that is paid for."""
        with self._lock:
            return Counter(text for batch in self.batches.values() if batch.output_file for text in self._answered(batch))

    def tokens(self) -> int:
        return sum(tokens_of(text) * times for text, times in self.embedded.items())

    def finish(self, batch: Batch, status: str = "completed", but=(), spoil=None, more: bytes = b"") -> None:
        """Ends a batch. Inputs that contain one of `but` get an error; `spoil` changes the line of an answer, or drops it."""
        with self._lock:
            answers, errors = [], []
            for line in batch.lines:
                [text] = line["body"]["input"]
                if any(part in text for part in but):
                    refused = {"status_code": 400, "body": {"error": {"message": "no"}}}
                    errors.append({"custom_id": line["custom_id"], "response": refused, "error": None})
                    continue
                answer = {"id": "r", "custom_id": line["custom_id"], "response": {"status_code": 200, "body": answered(line["body"])}}
                answer = spoil(text, answer) if spoil else answer
                if answer is not None:
                    answers.append(answer)
            # In no particular order.
            answers.reverse()
            batch.output_file = self._file(lines(answers) + more) if answers or more else None
            batch.error_file = self._file(lines(errors)) if errors else None
            batch.status = status

    def fail(self, batch: Batch, code: str) -> None:
        with self._lock:
            batch.errors = [{"code": code, "message": f"SECRET {batch.inputs[0]}"}]
            batch.status = "failed"

    def _answered(self, batch: Batch) -> list[str]:
        of = {line["custom_id"]: line["body"]["input"][0] for line in batch.lines}
        found = [json.loads(line) for line in self._ever[batch.output_file].splitlines() if line.startswith(b"{")]
        return [of[line["custom_id"]] for line in found if line["custom_id"] in of]

    def _file(self, content: bytes) -> str:
        self._number += 1
        name = f"file-{self._number}"
        self.files[name] = self._ever[name] = content
        return name

    # For the handler

    def answer(self, method: str, path: str, headers, body: bytes) -> tuple[int, bytes] | None:
        """The answer to a request; None if it is for somebody else, or is never heard."""
        with self._lock:
            path, _, query = path.partition("?")
            self.log.append(f"{method} {path}")
            for refusal in self.refusals:
                if refusal[2] > 0 and re.search(refusal[0], f"{method} {path}"):
                    refusal[2] -= 1
                    return refusal[1], b'{"error": {"message": "stubbed"}}'
            return self._answer(method, path.removeprefix("/v1/").split("/"), headers, body)

    def _answer(self, method, path, headers, body) -> tuple[int, bytes]:
        match (method, path):
            case ("POST", ["files"]):
                return self._upload(headers, body)
            case ("DELETE", ["files", name]):
                self.deleted.append(name)
                return (200, b"{}") if self.files.pop(name, None) is not None else (404, b"{}")
            case ("GET", ["files", name, "content"]):
                return (200, self.files[name]) if name in self.files else (404, b"{}")
            case ("POST", ["batches"]):
                return self._create(json.loads(body))
            case ("GET", ["batches"]):
                data = [told(batch) for batch in reversed(self.batches.values())]
                return 200, json.dumps({"data": data[:100], "has_more": False}).encode()
            case ("GET", ["batches", name]) if name in self.batches:
                if self.at_once and self.batches[name].status == "in_progress":
                    self.finish(self.batches[name])
                return 200, json.dumps(told(self.batches[name])).encode()
            case ("POST", ["batches", name, "cancel"]):
                self.cancelled.append(name)
                return 200, json.dumps(told(self.batches[name])).encode()
            case _:
                return 404, b'{"error": {"message": "no such thing"}}'

    def _upload(self, headers, body) -> tuple[int, bytes]:
        boundary = headers["Content-Type"].partition("boundary=")[2].encode()
        parts = body.split(b"--" + boundary)[1:-1]
        fields = {}
        for part in parts:
            head, _, content = part.partition(b"\r\n\r\n")
            fields[re.search(rb'name="([^"]*)"', head)[1].decode()] = content.removesuffix(b"\r\n")
        assert fields["purpose"] == b"batch", fields
        return 200, json.dumps({"id": self._file(fields["file"]), "object": "file"}).encode()

    def _create(self, asked) -> tuple[int, bytes]:
        assert (asked["endpoint"], asked["completion_window"]) == ("/v1/embeddings", "24h"), asked
        if asked["input_file_id"] not in self.files:
            return 400, b'{"error": {"message": "no such file"}}'
        requests = [json.loads(line) for line in self.files[asked["input_file_id"]].splitlines()]
        assert all((line["method"], line["url"]) == ("POST", "/v1/embeddings") for line in requests)
        assert len({line["custom_id"] for line in requests}) == len(requests)
        batch = Batch(f"batch_{len(self.batches) + 1}", asked["input_file_id"], asked.get("metadata") or {}, requests, "in_progress")
        self.batches[batch.id] = batch
        if self.lost_answers > 0:
            self.lost_answers -= 1
            return 502, b"the answer was lost"
        return 200, json.dumps(told(batch)).encode()


def tokens_of(text: str) -> int:
    """As many as a client would estimate, and the stub bills: a quarter of the bytes."""
    return len(text.encode()) // 4


def answered(body: dict) -> dict:
    [text] = body["input"]
    dimensions = body.get("dimensions") or 1536
    vector = vectors.as_base64(text, dimensions)
    tokens = tokens_of(text)
    data = [{"object": "embedding", "index": 0, "embedding": vector}]
    return {"object": "list", "data": data, "usage": {"prompt_tokens": tokens, "total_tokens": tokens}}


def lines(items: list[dict]) -> bytes:
    return b"".join(json.dumps(item).encode() + b"\n" for item in items)


def told(batch: Batch) -> dict:
    return {
        "id": batch.id,
        "object": "batch",
        "status": batch.status,
        "input_file_id": batch.input_file,
        "output_file_id": batch.output_file,
        # As OpenAI says that there is none.
        "error_file_id": batch.error_file or "",
        "errors": {"object": "list", "data": batch.errors} if batch.errors else None,
        "metadata": batch.metadata,
    }

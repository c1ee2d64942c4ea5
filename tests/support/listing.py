"""An S3 server that lists as many keys as a test asks for, and fails on demand. Of what it holds it tells next to nothing."""

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, quote_plus, urlsplit

# S3's limit, and its default.
PAGE = 1000


class Listing:
    """Lists `count` keys, the i-th of which is `key(i)` with the ETag `etag(i)`."""

    def __init__(self, count: int):
        self.count = count
        self.key: Callable[[int], str] = lambda i: f"docs/{i:08}.txt"
        self.etag: Callable[[int], str] = lambda i: "first"
        # By the number of a page, from 0: what to do instead of answering well. One of
        # refuse (500), cut (the body), hang (until released), endless (more, without saying where).
        self.spoil: dict[int, str] = {}
        # What is told of the keys that are asked for by GET, by path; there are no others.
        self.objects: dict[str, str] = {}
        self.pages_asked: list[int] = []
        self._released = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def release(self) -> None:
        """Lets answers go on that hang."""
        self._released.set()

    def close(self) -> None:
        self.release()
        self._server.shutdown()
        self._server.server_close()

    def page(self, number: int) -> bytes:
        first, last = number * PAGE, min((number + 1) * PAGE, self.count)
        contents = "".join(
            f"<Contents><Key>{quote_plus(self.key(i), safe='/')}</Key><ETag>&quot;{self.etag(i)}&quot;</ETag>"
            f"<Size>{i}</Size><LastModified>2024-05-17T12:00:00.000Z</LastModified></Contents>"
            for i in range(first, last)
        )
        more = last < self.count
        spoil = self.spoil.get(number)
        token = f"<NextContinuationToken>{number + 1}</NextContinuationToken>" if more and spoil != "endless" else ""
        truncated = "true" if more or spoil == "endless" else "false"
        return (
            "<?xml version='1.0' encoding='UTF-8'?>"
            "<ListBucketResult xmlns='http://s3.amazonaws.com/doc/2006-03-01/'>"
            f"<EncodingType>url</EncodingType><IsTruncated>{truncated}</IsTruncated>{token}{contents}</ListBucketResult>"
        ).encode()

    def _handler(listing):  # noqa: N805
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_HEAD(self):
                number = next(i for i in range(listing.count) if self.path.endswith("/" + listing.key(i)))
                self.send_response(200)
                headers = {"ETag": f'"{listing.etag(number)}"', "Content-Length": str(number)}
                for name, value in (headers | {"Last-Modified": "Fri, 17 May 2024 12:00:00 GMT"}).items():
                    self.send_header(name, value)
                self.end_headers()

            def do_GET(self):
                query = parse_qs(urlsplit(self.path).query)
                if "list-type" not in query:
                    return self._object(listing.objects.get(urlsplit(self.path).path))
                number = int(query.get("continuation-token", ["0"])[0])
                listing.pages_asked.append(number)
                spoil = listing.spoil.get(number)
                if spoil == "hang":
                    listing._released.wait()
                body = b"<Error><Code>InternalError</Code></Error>" if spoil == "refuse" else listing.page(number)
                self.send_response(500 if spoil == "refuse" else 200)
                self.send_header("Content-Type", "application/xml")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body[: len(body) // 2] if spoil == "cut" else body)
                self.close_connection = spoil == "cut"

            def _object(self, text: str | None):
                body = (text or "<Error><Code>NoSuchKey</Code></Error>").encode()
                self.send_response(404 if text is None else 200)
                number = next((i for i in range(listing.count) if self.path.split("?")[0].endswith("/" + listing.key(i))), None)
                if number is not None:
                    self.send_header("ETag", f'"{listing.etag(number)}"')
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        return Handler

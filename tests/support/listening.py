"""A server that counts who comes, and may never stop to answer."""

import contextlib
import socket
import threading
from dataclasses import dataclass, field

# Where an endless answer ends nevertheless, lest a client that takes it all take the machine along.
END = 512 << 20
PART = b" " * (1 << 16)


@dataclass
class Listening:
    """The fate of a server: the number of connections that it had, and of bytes that its clients took."""

    port: int
    connections: int = 0
    taken: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def url(self, host: str = "127.0.0.1", path: str = "") -> str:
        return f"http://{host}:{self.port}{path}"


@contextlib.contextmanager
def listening(head: bytes = b"HTTP/1.1 200 OK\r\n\r\n", part: bytes = PART, hold: bool = False):
    """A server that answers each connection with `head` and then with `part`, over and over.

    With `hold` it keeps the connection afterwards, until the client closes it.
    """
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        state = Listening(listener.getsockname()[1])

        def answer(connection: socket.socket) -> None:
            # Errors are the client's hanging up, which is what is wanted.
            with connection, contextlib.suppress(OSError):
                connection.recv(1 << 16)
                connection.sendall(head)
                sent = 0
                while part and sent < END:
                    connection.sendall(part)
                    sent += len(part)
                    with state.lock:
                        state.taken += len(part)
                while hold and connection.recv(1 << 16):
                    pass

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    with state.lock:
                        state.connections += 1
                    threading.Thread(target=answer, args=(connection,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield state
        # Wakes who waits in accept().
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)

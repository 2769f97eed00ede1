"""A web server on this machine, which breaks off, lies, or knows nothing of parts of files."""

import re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np

CONTENT = np.random.default_rng(0).bytes(1_000_003)


class Server(ThreadingHTTPServer):
    """Sends `content` at every path but `/none`; what it was asked is in `asked`.

    Attributes:
        files: other contents, by path.
        ranges: whether it sends parts of files.
        breaks: after so many bytes of an answer the connection ends; None never.
    """

    content = CONTENT
    ranges = True
    breaks: int | None = None

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str | None] = []
        self.files: dict[str, bytes] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/a.bin"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        server = self.server
        wanted = self.headers.get("Range")
        server.asked.append(wanted)
        if self.path == "/none":
            return self.send_error(404)
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/a.bin")
            self.send_header("Content-Length", "0")
            return self.end_headers()
        content = server.files.get(self.path, server.content)
        start = int(re.findall(r"\d+", wanted)[0]) if wanted and server.ranges else 0
        if start and start >= len(content):
            return self.send_error(416)
        body = content[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body if server.breaks is None else body[: server.breaks])
        return None

    def log_message(self, *_: Any) -> None:
        pass

"""The microscope's server: for networks whose weights are too many for a page. It computes what the page asks for.

    GET  /                           the page
    GET  /weights/NETWORK/LAYER      a layer's arrays, as float32, one after the other (both are numbers from 0)
    POST /answer                     every layer's outputs, then the gradients with respect to the input and all outputs

Nothing else is served. It listens on this machine's own address alone. A page of another site can still make a browser
send requests there. Such a request carries that site's name as Host (if its name server points to this machine) or as
Origin, or says in Sec-Fetch-Site that it comes from elsewhere, and is refused; and answers say that no other page may
read them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from examples.microscope.answers import Answerer
from examples.microscope.data import layer_arrays, little_endian
from models import Classifier

ADDRESS = "127.0.0.1"
MOST_BYTES = 10_000_000  # of a request's body
PATIENCE = 20  # seconds that a client may keep silent
Buffer = bytes | memoryview


class Refused(Exception):
    """What a request gets instead of an answer."""

    def __init__(self, status: HTTPStatus, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


def make_server(page: str, classifiers: Sequence[Classifier], port: int = 0) -> ThreadingHTTPServer:
    """A server for this page, which `serve_forever` runs; port 0 takes a free one. OSError where it is taken."""
    server = ThreadingHTTPServer((ADDRESS, port), Handler)
    server.daemon_threads = True  # a browser that holds its connection open does not hold up Ctrl-C
    server.page = page.encode("utf-8")
    server.classifiers = list(classifiers)
    server.answerer = Answerer(classifiers)
    return server


class Handler(BaseHTTPRequestHandler):
    timeout = PATIENCE

    def do_GET(self) -> None:
        self._reply(self._found)

    def do_POST(self) -> None:
        self._reply(self._answered)

    def log_message(self, *_: object) -> None:
        """Says nothing: an answer to each movement of the mouse would be a line each."""

    def _reply(self, make: Callable[[], tuple[str, list[Buffer]]]) -> None:
        try:
            self._check_sender()
            status, kind, parts = HTTPStatus.OK, *make()
        except Refused as refusal:
            status, kind, parts = refusal.status, "text/plain; charset=utf-8", [f"{refusal}\n".encode()]
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(sum(len(part) for part in parts)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        self.send_header("X-Frame-Options", "DENY")
        try:
            self.end_headers()
            for part in parts:
                self.wfile.write(part)
        except (ConnectionError, TimeoutError):
            pass  # the page was closed meanwhile

    def _check_sender(self) -> None:
        port = self.server.server_address[1]
        hosts = {
            name + end for name in (ADDRESS, "localhost") for end in ([f":{port}", ""] if port == 80 else [f":{port}"])
        }
        if self.headers.get("Host") not in hosts:
            raise Refused(HTTPStatus.FORBIDDEN, f"this server is called {ADDRESS}:{port}")
        origin = self.headers.get("Origin")
        elsewhere = self.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin")
        if elsewhere or (origin is not None and origin not in {f"http://{host}" for host in hosts}):
            raise Refused(HTTPStatus.FORBIDDEN, "this server answers its own page alone")

    def _found(self) -> tuple[str, list[Buffer]]:
        if self.path == "/":
            return "text/html; charset=utf-8", [self.server.page]
        place = re.fullmatch(r"/weights/([0-9]{1,2})/([0-9]{1,3})", self.path)
        if place is not None:
            network, layer = int(place[1]), int(place[2])
            if network < len(self.server.classifiers):
                layers = list(self.server.classifiers[network].network.layers.values())
                if layer < len(layers):
                    return "application/octet-stream", [*map(little_endian, layer_arrays(layers[layer]).values())]
        raise Refused(HTTPStatus.NOT_FOUND, "there is no such page")

    def _answered(self) -> tuple[str, list[Buffer]]:
        if self.path != "/answer":
            raise Refused(HTTPStatus.NOT_FOUND, "there is no such page")
        if self.headers.get("Content-Type") != "application/json":
            raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "expected application/json")
        length = self.headers.get("Content-Length", "")
        if not re.fullmatch("[0-9]{1,18}", length):
            raise Refused(HTTPStatus.LENGTH_REQUIRED, "expected a body, and its length as Content-Length")
        if int(length) > MOST_BYTES:
            raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"expected a body of at most {MOST_BYTES:,} bytes")
        try:
            body = self.rfile.read(int(length))
        except (TimeoutError, ConnectionError):
            raise Refused(HTTPStatus.REQUEST_TIMEOUT, "the body did not arrive") from None
        try:
            arrays = self.server.answerer(body)
        except ValueError as error:
            raise Refused(HTTPStatus.BAD_REQUEST, f"the question is not understood: {error}") from None
        return "application/octet-stream", [*map(little_endian, arrays)]

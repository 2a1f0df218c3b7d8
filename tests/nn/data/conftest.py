"""A web server on this machine alone, that serves files well or badly; and a cache folder of each test's own."""

import http.server
import re
import socket
import threading

import pytest


class Server(http.server.ThreadingHTTPServer):
    """Serves `files` (name -> bytes). The first part of an address says how: /whole/name, /cut/name, ..."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = {}
        self.requests = []  # (path, Range header or None)
        self.release = threading.Event()  # ends the wait of /stall/

    def mirror(self, how):
        return f"http://127.0.0.1:{self.server_port}/{how}/"

    def asked(self):
        return [path for path, _ in self.requests]

    def handle_error(self, request, client_address):
        pass  # clients that hang up are what is tested


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        self.server.requests.append((self.path, self.headers["Range"]))
        _, how, name = self.path.split("/")
        content = self.server.files.get(name)
        if how == "missing" or content is None:
            return self.send_error(404)
        if how == "broken":
            return self.send_error(503)
        if how in ("redirect", "loop"):
            self.send_response(302)
            self.send_header("Location", f"/{'whole' if how == 'redirect' else how}/{name}")
            self.send_header("Content-Length", "0")
            return self.end_headers()
        if how == "elsewhere":  # to a scheme that is no web address
            self.send_response(302)
            self.send_header("Location", f"file:///{name}")
            return self.end_headers()
        if how == "corrupt":
            content = content[:-1] + bytes([content[-1] ^ 1])
        if how == "page":  # what a hotel's network answers to everything
            content = b"<html>please log in</html>"
        if how == "encoded":
            self.send_content(content, {"Content-Encoding": "gzip"})
        elif how == "endless":
            self.send_response(200)
            self.end_headers()
            for _ in range(100):
                self.wfile.write(content)
        elif how == "unannounced":  # no length: the connection's end is the end
            self.send_response(200)
            self.end_headers()
            self.wfile.write(content[: len(content) // 2])
        elif how in ("cut", "stall", "forgetful", "cut-always", "lying"):
            self.send_part(how, content)
        else:
            self.send_content(content)

    def send_content(self, content, headers=()):
        self.send_response(200)
        for key, value in {"Content-Length": len(content), **dict(headers)}.items():
            self.send_header(key, str(value))
        self.end_headers()
        self.wfile.write(content)

    def send_part(self, how, content):
        """Send the first half; asked for the rest, cut sends it, forgetful sends all again, cut-always nothing."""
        asked = re.match(r"bytes=(\d+)-$", self.headers["Range"] or "")
        if asked and how == "forgetful":
            return self.send_content(content)
        start = int(asked[1]) if asked else 0
        end = len(content) if asked and how in ("cut", "lying") else max(start, len(content) // 2)
        self.send_response(206 if asked else 200)
        if asked:
            # lying: sends another part than it was asked for, and says so
            start = 0 if how == "lying" else start
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        self.wfile.write(content[start:end])
        if how == "stall":
            self.wfile.flush()
            self.server.release.wait(10)


@pytest.fixture
def server(monkeypatch):
    # A proxy that the machine may have must not be asked for its own loopback address.
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield running
        running.release.set()
        running.shutdown()
        thread.join()


@pytest.fixture
def absent():
    """The address of a server that is not there."""
    with socket.socket() as taken:  # a port that nobody else can get, and where nobody listens
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}/"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """No test reads or writes the user's own cache."""
    monkeypatch.setenv("LENET_TO_ALEXNET_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "data"

"""`/metrics` and `/health` of an agent, answered from a thread of their own."""

from __future__ import annotations

from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest


def serve(
    host: str, port: int, registry: CollectorRegistry, is_healthy: Callable[[], bool]
) -> ThreadingHTTPServer:
    """Answers for as long as the process lives.

    Raises:
        OSError: The port is taken, or the address is not this machine's.
    """

    class Status(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # http.server's name
            if self.path == "/metrics":
                self._answer(200, CONTENT_TYPE_LATEST, generate_latest(registry))
            elif self.path == "/health":
                healthy = is_healthy()
                body = b'{"status":"ok"}' if healthy else b'{"status":"starting"}'
                self._answer(200 if healthy else 503, "application/json", body)
            else:
                self._answer(404, "text/plain", b"there are /metrics and /health\n")

        def _answer(self, code: int, kind: str, body: bytes) -> None:
            self.send_response(code)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Scrapes are no news."""

    server = ThreadingHTTPServer((host, port), Status)
    Thread(target=server.serve_forever, name="status", daemon=True).start()
    return server

"""What is measured, and what Parvis must reach. No word here about how."""

import dataclasses

SMALL, MIDDLE, LARGE = len("hello from the upstream\n"), 100_000, 10_000_000


@dataclasses.dataclass(frozen=True)
class Case:
    name: str
    rate: int  # Requests a second, which every program keeps up with.
    at_most: float  # The ratio to the better of the others that must not be passed, in CPU time.
    aim: float
    tls: str = "off"  # off, full, resumed: what a connection that is made within the run does.
    mode: str = "kept"  # kept, new, http2, web-socket
    host: str = "h{}.bench.test"
    path: str = "/"
    answer: int = SMALL
    upload: int = 0
    connections: int = 50
    streams: int = 1
    burst: int = 10  # Requests that fall due together: a busy worker finds several whenever it looks.

    @property
    def secure(self):
        return self.tls != "off"

    @property
    def bulk(self):
        """Bytes moved by a request, where that is what counts."""
        return max(self.answer, self.upload) if max(self.answer, self.upload) == LARGE else 0

    def unit(self, microseconds):
        """CPU time as it is told: µs per request, or s per GB."""
        return microseconds / self.bulk * 1e3 if self.bulk else microseconds


# Downloads and uploads of 10 MB go to hosts of their own, for which HAProxy is told to splice. The host decides the
# upstream too: see programs.py.
DOWN = {"host": "big.bench.test", "path": "/10m", "answer": LARGE, "connections": 10, "burst": 1}
UP = {"host": "up.bench.test", "path": "/upload", "answer": 10, "upload": LARGE, "connections": 10, "burst": 1}
ECHO = {"host": "echo.bench.test", "path": "/echo", "mode": "web-socket"}

CASES = [
    Case("HTTP/1.1 keep-alive, clear", 8000, 0.80, 0.65),
    Case("HTTP/1.1 keep-alive, TLS", 6000, 0.75, 0.60, tls="full"),
    Case("HTTP/2 over TLS, ten streams at a time", 6000, 0.90, 0.75, tls="full", mode="http2", streams=10),
    Case("HTTP/2 over TLS, one stream at a time", 6000, 0.90, 0.75, tls="full", mode="http2"),
    Case("new connection, clear", 3000, 0.95, 0.80, mode="new"),
    Case("new connection, full TLS handshake", 500, 0.45, 0.36, tls="full", mode="new", burst=1),
    Case("new connection, resumed TLS handshake", 1000, 0.50, 0.40, tls="resumed", mode="new", burst=1),
    Case("100 KB answers, clear", 3000, 0.92, 0.80, path="/100k", answer=MIDDLE),
    Case("10 MB down, clear", 50, 0.70, 0.60, **DOWN),
    Case("10 MB down, TLS", 30, 0.65, 0.50, tls="full", **DOWN),
    Case("10 MB up, clear", 40, 0.70, 0.60, **UP),
    Case("10 MB up, TLS", 30, 0.85, 0.70, tls="full", **UP),
    Case("WebSocket echo, 125 B", 8000, 1.00, 0.90, **ECHO),
]


@dataclasses.dataclass(frozen=True)
class Idle:
    """Memory of connections that wait: bytes each, not ratios."""
    tls: str
    at_most: int
    aim: int
    host: str = "h0.bench.test"

    @property
    def name(self):
        return f"idle connections, {'TLS' if self.tls != 'off' else 'clear'}"

    @property
    def secure(self):
        return self.tls != "off"


IDLE = [Idle("off", 2_000, 1_200), Idle("full", 12_000, 9_000)]

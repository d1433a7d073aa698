"""The status page on a real server, on a free port of loopback."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from dicom_node.resources import Resources
from dicom_node.web.app import build_app


@contextmanager
def served(resources: Resources) -> Iterator[str]:
    """Serve for a while; gives the address."""
    server = uvicorn.Server(uvicorn.Config(build_app(resources), host="127.0.0.1", port=0, log_config=None))
    thread = threading.Thread(target=server.run)
    thread.start()
    until = time.monotonic() + 20
    while not server.started:
        assert time.monotonic() < until, "the page did not start"
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(timeout=20)

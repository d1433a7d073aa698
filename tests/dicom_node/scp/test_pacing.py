"""Open and quiet associations cost next to nothing, and nothing waits for the naps."""

import threading
import time

import pytest

from dicom_node.scp.server import NodeServer
from tests.peers.sender import Sender
from tests.synthetic.studies import chest_film

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)


def acceptor_threads() -> list[threading.Thread]:
    """The two threads of each association that is served in this process."""
    associations = [one for one in threading.enumerate() if one.name.startswith("AcceptorThread")]
    return [thread for one in associations for thread in (one, one.dul)]


def cpu_seconds(threads: list[threading.Thread]) -> float:
    return sum(time.clock_gettime(time.pthread_getcpuclockid(thread.ident)) for thread in threads)


def test_a_quiet_association_costs_next_to_nothing(server: NodeServer) -> None:
    with Sender(server.port) as sender:
        assert sender.association.send_c_echo().Status == 0x0000
        threads = acceptor_threads()
        assert len(threads) == 2
        time.sleep(0.3)
        before = cpu_seconds(threads)
        time.sleep(1)
        used = cpu_seconds(threads) - before
    assert used < 0.03, "pynetdicom's own loops use about 0.06 s"


def test_after_a_quiet_while_an_association_still_answers(server: NodeServer) -> None:
    with Sender(server.port) as sender:
        time.sleep(0.5)
        assert sender.association.send_c_echo().Status == 0x0000
        time.sleep(0.5)
        assert sender.send(chest_film()).Status == 0x0000


def test_a_message_does_not_wait_for_the_end_of_a_nap(server: NodeServer) -> None:
    took = []
    with Sender(server.port) as sender:
        for _ in range(20):
            started = time.monotonic()
            assert sender.association.send_c_echo().Status == 0x0000
            took.append(time.monotonic() - started)
    assert min(took) < 0.02, "a nap is 50 ms"

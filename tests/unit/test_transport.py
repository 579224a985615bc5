"""One EHR over HTTP, under load: requests that are given up cost nothing that the next ones need."""

import asyncio

import httpx
import pytest

from service.ehr.transport import AT_ONCE, Transport
from service.errors import EhrFailed

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


class Peer:
    """A server on loopback that answers after ``pause_s``, and how many connections to it are open."""

    def __init__(self) -> None:
        self.pause_s = 0.0
        self.open = self.most = 0
        self.asked = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        self.open += 1
        self.most = max(self.most, self.open)
        try:
            while await reader.readline():
                while (await reader.readline()).strip():
                    pass
                self.asked.set()
                await asyncio.sleep(self.pause_s)
                writer.write(ANSWER)
                await writer.drain()
        except ConnectionError:
            return
        finally:
            self.open -= 1
            writer.close()


async def started(peer: Peer) -> tuple[asyncio.Server, httpx.URL]:
    """Serve a peer and return its address."""
    server = await asyncio.start_server(peer.serve, "127.0.0.1", 0)
    return server, httpx.URL(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/fhir/Patient/p1")


def test_requests_that_were_given_up_take_no_connection_with_them() -> None:
    """After thousands of requests that were cancelled at any moment the EHR is asked as before, and few are open."""

    async def use() -> None:
        peer, transport = Peer(), Transport()
        server, url = await started(peer)
        peer.pause_s = 0.01
        for some in range(16):
            tasks = [asyncio.create_task(transport.send("GET", url, {})) for _ in range(200)]
            await asyncio.sleep(0.02 + some * 0.011)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        answer = await transport.send("GET", url, {})
        assert (answer.status, answer.body) == (200, b"{}")
        assert 0 < peer.most <= AT_ONCE
        await transport.close()
        server.close()

    asyncio.run(use())


def test_what_waits_for_its_turn_ends_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind an EHR that does not answer, a request that never gets its turn ends with the others, as unreachable."""
    monkeypatch.setattr("service.ehr.transport.EXCHANGE_S", 2.0)

    async def use() -> None:
        peer, transport = Peer(), Transport()
        server, url = await started(peer)
        peer.pause_s = 3600.0
        sent = (transport.send("GET", url, {}) for _ in range(AT_ONCE + 5))
        found = await asyncio.wait_for(asyncio.gather(*sent, return_exceptions=True), 60)
        assert {one.code for one in found if isinstance(one, EhrFailed)} == {"U-EHR-UNREACHABLE"}
        assert len(found) == AT_ONCE + 5
        assert peer.most == AT_ONCE
        peer.pause_s = 0.0
        monkeypatch.setattr("service.ehr.transport.EXCHANGE_S", 60.0)
        assert (await transport.send("GET", url, {})).status == 200
        await transport.close()
        server.close()

    asyncio.run(use())


def test_closing_ends_what_is_under_way() -> None:
    """A request that nobody waits for any more does not outlive its transport."""

    async def use() -> None:
        peer, transport = Peer(), Transport()
        server, url = await started(peer)
        peer.pause_s = 3600.0
        given_up = asyncio.create_task(transport.send("GET", url, {}))
        await peer.asked.wait()
        given_up.cancel()
        with pytest.raises(asyncio.CancelledError):
            await given_up
        others = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.wait_for(transport.close(), 60)
        assert {task.done() for task in others if "_exchange" in str(task.get_coro())} == {True}
        server.close()

    asyncio.run(use())

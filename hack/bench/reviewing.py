"""Clients that send an injector reviews of a pod, as an API server would, on connections that are kept."""

import asyncio
import json
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass

from hack.kubectl import Json

ANSWER_SECONDS = 30


@dataclass
class Client:
    """A connection to one replica."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    request: bytes

    async def ask(self) -> bytes:
        """Send the review, and return the answer. Raises AssertionError if the injector reports an error."""
        self.writer.write(self.request)
        head = await self.reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200 "):
            raise AssertionError(f"the injector says {head.decode()}")
        fields = dict(line.split(": ", 1) for line in head.decode().splitlines()[1:] if line)
        return await self.reader.readexactly(int(fields["Content-Length"]))


@dataclass(frozen=True)
class Batch:
    """The results of a load."""

    latencies: list[float]
    """In seconds."""
    seconds: float


@dataclass(frozen=True)
class Server:
    """The addresses of replicas, and what authenticates them."""

    addresses: Sequence[str]
    port: int
    host: str
    """The name in their certificates."""
    trusted: str
    """The authority that signs their certificates, as PEM."""


async def connect(server: Server, review: Json, count: int) -> list[Client]:
    """Open ``count`` connections, to the replicas in turn. Each has had one answer, which adds a sidecar."""
    context = ssl.create_default_context(cadata=server.trusted)
    body = json.dumps(review).encode()
    fields = {"Host": server.host, "Content-Type": "application/json", "Content-Length": len(body)}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    request = f"POST /inject HTTP/1.1\r\n{head}\r\n".encode() + body
    clients = []
    for number in range(count):
        address = server.addresses[number % len(server.addresses)]
        reader, writer = await asyncio.open_connection(address, server.port, ssl=context, server_hostname=server.host)
        client = Client(reader, writer, request)
        answer = json.loads(await client.ask())["response"]
        if not (answer["allowed"] and answer.get("patch")):
            raise AssertionError(f"the injector adds no sidecar: {answer}")
        clients.append(client)
    return clients


async def close(clients: Sequence[Client]) -> None:
    """Close connections."""
    for client in clients:
        client.writer.close()
    await asyncio.gather(*(client.writer.wait_closed() for client in clients))


async def closed_loop(clients: Sequence[Client], seconds: float) -> Batch:
    """Have each client send the next review as soon as the last one is answered."""
    latencies: list[float] = []
    begun = time.perf_counter()

    async def go_on(client: Client) -> None:
        while (asked := time.perf_counter()) < begun + seconds:
            await client.ask()
            latencies.append(time.perf_counter() - asked)

    await asyncio.gather(*map(go_on, clients))
    return Batch(latencies, time.perf_counter() - begun)


async def open_loop(clients: Sequence[Client], seconds: float, rate: float) -> Batch:
    """Send reviews at a fixed rate, each by any idle client. Latency counts from when a review was due."""
    latencies: list[float] = []
    due: asyncio.Queue[float] = asyncio.Queue()

    async def answer_for(client: Client) -> None:
        while True:
            asked = await due.get()
            await client.ask()
            latencies.append(time.perf_counter() - asked)
            due.task_done()

    asking = [asyncio.create_task(answer_for(client)) for client in clients]
    begun = time.perf_counter()
    for number in range(round(seconds * rate)):
        moment = begun + number / rate
        await asyncio.sleep(max(0.0, moment - time.perf_counter()))
        due.put_nowait(moment)
    async with asyncio.timeout(ANSWER_SECONDS):
        await due.join()
    for task in asking:
        task.cancel()
    await asyncio.gather(*asking, return_exceptions=True)
    return Batch(latencies, time.perf_counter() - begun)

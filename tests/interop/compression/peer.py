"""Python's `websockets` for main.js, as peer.js is `ws`: an echo server, or a client that sends messages
and wants them back."""

import asyncio
import json
import sys

from websockets.asyncio.client import connect
from websockets.asyncio.server import serve
from websockets.extensions.permessage_deflate import (
    ClientPerMessageDeflateFactory,
    ServerPerMessageDeflateFactory,
)

LARGEST = 1 << 24


def say(**event):
    print(json.dumps(event), flush=True)


def messages(text):
    noise, state = bytearray(), 1
    for _ in range(70000):
        state = (state * 1103515245 + 12345) % (1 << 32)
        noise.append(state >> 16 & 0xFF)
    event = '{"event":"quote","name":"ACME \u20ac","price":17.25,"bid":17.2}'
    words = "\n".join(f"line {at * at} of {event}" for at in range(200))
    every = ["", "a", "b" * 31, event, event, event, words, words, "x" * (1 << 20), event]
    return every if text else [*every, bytes(noise), words.encode(), b"", event]


def factory(kind, options):
    alone, bits = options.get("alone", False), options.get("bits")
    settings = {"server_no_context_takeover": alone, "client_no_context_takeover": alone}
    if bits:
        settings |= {"server_max_window_bits": bits, "client_max_window_bits": bits}
    return kind(**settings)


async def echo(connection):
    async for message in connection:
        await connection.send(message)


async def server(options):
    extensions = [factory(ServerPerMessageDeflateFactory, options)] if options.get("compresses") else []
    async with serve(
        echo, "127.0.0.1", 0, compression=None, extensions=extensions, max_size=LARGEST
    ) as listening:
        say(port=listening.sockets[0].getsockname()[1])
        await asyncio.to_thread(sys.stdin.read)


async def client(options):
    wanted = messages(options.get("text"))
    extensions = [factory(ClientPerMessageDeflateFactory, options)]
    async with connect(
        options["url"], compression=None, extensions=extensions, max_size=LARGEST
    ) as connection:

        async def send():
            for at, message in enumerate(wanted):
                # Every other one in three frames.
                parts = [message[:7], message[7:20], message[20:]]
                await connection.send(parts if at % 2 else message)

        sending = asyncio.create_task(send())
        for at, message in enumerate(wanted, 1):
            if await connection.recv() != message:
                say(fault=f"message {at} is not the one that was sent")
                return
        await sending
        negotiated = connection.response.headers.get("Sec-WebSocket-Extensions", "")
    say(done=True, extensions=negotiated)
    await asyncio.to_thread(sys.stdin.read)


role, options = sys.argv[1], json.loads(sys.argv[2])
try:
    asyncio.run({"server": server, "client": client}[role](options))
except Exception as error:
    say(fault=repr(error))
    raise

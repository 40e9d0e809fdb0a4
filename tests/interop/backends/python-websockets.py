"""Backend peer: Python `websockets`, RFC 6455, with the extensions and limits it has by default."""

import asyncio
import base64
from urllib.parse import parse_qs, urlsplit

import websockets
from websockets.asyncio.server import serve

from contract import commands, say

SUBPROTOCOL = "interop.v1"
SET_COOKIE = "interop_backend=oven"

sockets = {}
tasks = set()


def select(socket, offered):
    # With a list instead, it would refuse a client that offers none.
    return SUBPROTOCOL if SUBPROTOCOL in offered else None


def add_cookie(socket, request, response):
    response.headers["Set-Cookie"] = SET_COOKIE


async def converse(socket):
    id = len(sockets) + 1
    sockets[id] = socket
    headers = socket.request.headers
    described = {name: headers.get(name, "") for name in ("host", "origin", "cookie")}
    say(event="open", id=id, target=socket.request.path, protocol=socket.subprotocol or "", **described)
    for greeting in parse_qs(urlsplit(socket.request.path).query).get("greet", []):
        await socket.send(greeting)
    try:
        while True:
            message = await socket.recv()
            if isinstance(message, str):
                say(event="message", id=id, text=message)
            else:
                say(event="message", id=id, binary=base64.b64encode(message).decode())
            await socket.send(message)
    except websockets.ConnectionClosed as closed:
        say(event="note", note=f"{id}: {closed!r}")
    say(event="close", id=id, code=socket.close_code, reason=socket.close_reason)


async def ping(id, encoded):
    # The answer is the one with the same payload.
    await (await sockets[id].ping(base64.b64decode(encoded)))
    say(event="pong", id=id, base64=encoded)


def obey(command):
    match command:
        case {"do": "send", "id": id, "text": text}:
            return sockets[id].send(text)
        case {"do": "binary", "id": id, "base64": encoded}:
            return sockets[id].send(base64.b64decode(encoded))
        case {"do": "ping", "id": id, "base64": encoded}:
            return ping(id, encoded)
        case {"do": "close", "id": id, "code": code, "reason": reason}:
            return sockets[id].close(code, reason)


async def main():
    server = await serve(converse, "127.0.0.1", 0, select_subprotocol=select, process_response=add_cookie)
    say(
        event="ready",
        peer=f"websockets {websockets.__version__}",
        dialect="rfc6455",
        port=server.sockets[0].getsockname()[1],
        can=["binary", "binary unasked", "ping"],
    )
    async for command in commands():
        task = asyncio.create_task(obey(command))
        tasks.add(task)
        task.add_done_callback(tasks.discard)


asyncio.run(main())

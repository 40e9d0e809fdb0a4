"""Client peer: Python `websockets`, RFC 6455, with the extensions and limits it has by default."""

import asyncio
import base64

import websockets
from websockets.asyncio.client import connect

from contract import commands, say

ORIGIN = "http://interop.example"


class Client:
    """One connection at a time, and the task that reads from it."""

    def __init__(self):
        self.socket = None
        self.reading = None
        self.tasks = set()

    async def read(self, url, protocol, cookie):
        options = {
            "origin": ORIGIN,
            "subprotocols": [protocol] if protocol else None,
            "additional_headers": {"Cookie": cookie} if cookie else None,
            "proxy": None,
        }
        try:
            self.socket = await connect(url, **options)
        except Exception as error:
            say(event="note", note=repr(error))
            say(event="close")
            return
        cookies = "; ".join(self.socket.response.headers.get_all("Set-Cookie"))
        say(event="open", protocol=self.socket.subprotocol or "", cookies=cookies)
        try:
            while True:
                message = await self.socket.recv()
                if isinstance(message, str):
                    say(event="message", text=message)
                else:
                    say(event="message", binary=base64.b64encode(message).decode())
        except websockets.ConnectionClosed as closed:
            say(event="note", note=repr(closed))
        say(event="close", code=self.socket.close_code, reason=self.socket.close_reason)

    async def ping(self, encoded):
        # The answer is the one with the same payload.
        await (await self.socket.ping(base64.b64decode(encoded)))
        say(event="pong", base64=encoded)

    async def reset(self):
        if self.reading:
            self.reading.cancel()
            await asyncio.wait([self.reading])
        if self.socket:
            self.socket.transport.abort()
        self.socket = self.reading = None
        say(event="reset")

    def beside(self, work):
        """Lets `work` go on while the next commands come."""
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    async def obey(self, command):
        match command:
            case {"do": "open", "url": url}:
                self.reading = self.beside(self.read(url, command.get("protocol"), command.get("cookie")))
            case {"do": "send", "texts": texts}:
                for text in texts:
                    await self.socket.send(text)
            case {"do": "binary", "base64": encoded}:
                await self.socket.send(base64.b64decode(encoded))
            case {"do": "ping", "base64": encoded}:
                self.beside(self.ping(encoded))
            case {"do": "close", "code": code, "reason": reason}:
                self.beside(self.socket.close(code, reason))
            case {"do": "abort"}:
                self.socket.transport.abort()
            case {"do": "reset"}:
                await self.reset()


async def main():
    client = Client()
    say(
        event="ready",
        peer=f"websockets {websockets.__version__}",
        dialect="rfc6455",
        origin=ORIGIN,
        can=["binary", "ping", "abort", "reset"],
    )
    async for command in commands():
        await client.obey(command)
    await client.reset()


asyncio.run(main())

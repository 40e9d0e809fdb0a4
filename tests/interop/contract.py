"""The peer's end of the contract in README.md, for peers in Python: events out, commands in."""

import asyncio
import json
import sys
import threading


def say(**event):
    """Tells the runner what this peer saw."""
    print(json.dumps(event), flush=True)


async def commands():
    """Yields each command, until the end of stdin: a peer must not outlive the run."""
    loop = asyncio.get_running_loop()
    lines = asyncio.Queue()

    def read():
        for line in sys.stdin.buffer:
            loop.call_soon_threadsafe(lines.put_nowait, line)
        loop.call_soon_threadsafe(lines.put_nowait, None)

    threading.Thread(target=read, daemon=True).start()
    while (line := await lines.get()) is not None:
        yield json.loads(line)

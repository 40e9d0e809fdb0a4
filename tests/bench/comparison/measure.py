"""One measurement: a fresh load and a fresh proxy on one CPU, bounded in time and ended afterwards."""

import contextlib
import json
import os
import re
import select
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from .proxies import Configured

START_LIMIT = 10.0
RUN_LIMIT = 60.0
END_LIMIT = 5.0


class Failure(Exception):
    """A measurement that gave no number."""


def measure(proxy, case, seconds, cpu, load):
    """The load's answer as a dictionary."""
    duration = ("--seconds", str(seconds * case.stretch))
    command = (load, *case.load, "--client", proxy.client, "--threads", proxy.threads, *duration)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "bufsize": 0}
    with process(command, cpu, **pipes) as generator:
        backend = read_line(generator.stdout, re.compile(r"^(\S+)$"), START_LIMIT)
        with tempfile.TemporaryDirectory(prefix="compare-") as folder:
            with running(proxy, backend, folder, cpu) as (address, pid):
                try:
                    generator.stdin.write(f"{address} {pid}\n".encode())
                    answer = read_line(generator.stdout, re.compile(r"^(\{.*)$"), RUN_LIMIT)
                except (Failure, OSError) as error:
                    raise Failure(f"{error}; the proxy said: {tail(folder)}") from error
    return json.loads(answer)


@contextlib.contextmanager
def running(proxy, backend, folder, cpu):
    """A proxy before `backend`; its address and its process."""
    # A file takes all that it says: a pipe that nobody empties would stop it.
    with open(Path(folder, "log"), "wb") as log:
        if not isinstance(proxy, Configured):
            with process(proxy.start(backend), cpu, stdout=log, stderr=log) as child:
                yield find_line(log.name, proxy.announces, START_LIMIT), child.pid
            return
        with socket.create_server(("127.0.0.1", 0), backlog=4096) as listener:
            listener.setblocking(False)  # nginx takes it as it is
            host, port = listener.getsockname()
            command, environment = proxy.start(backend, listener, folder)
            started = process(command, cpu, stdout=log, stderr=log,
                              env={**os.environ, **environment}, pass_fds=[listener.fileno()])
            with started as child:
                # From here on a proxy that has ended refuses its clients.
                listener.close()
                yield f"{host}:{port}", child.pid


@contextlib.contextmanager
def process(command, cpu, **rest):
    """A child pinned to one CPU, ended with its own children when the block is left.

    In the class SCHED_BATCH nobody is interrupted by whom he wakes. Otherwise chance decides whether
    proxy and load take turns at each message or at each fifty, which is half of what a message costs.
    """
    pinned = ["chrt", "--batch", "0", "nice", "-n", "-15", "taskset", "-c", str(cpu)]
    pinned += map(str, command)
    child = subprocess.Popen(pinned, start_new_session=True, **rest)
    try:
        yield child
    finally:
        child.terminate()
        try:
            child.wait(END_LIMIT)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
        for pipe in filter(None, (child.stdin, child.stdout)):
            with contextlib.suppress(BrokenPipeError):
                pipe.close()


def read_line(pipe, pattern, limit):
    """The first group of the first line that matches; the pipe is unbuffered."""
    deadline = time.monotonic() + limit
    text = b""
    while True:
        rest = deadline - time.monotonic()
        if rest <= 0 or not select.select([pipe], [], [], rest)[0]:
            raise Failure(f"the load said nothing like {pattern.pattern!r} in {limit} s")
        piece = os.read(pipe.fileno(), 65536)
        text += piece
        for line in text.decode(errors="replace").split("\n")[:-1]:
            if match := pattern.search(line):
                return match[1]
        if not piece:
            raise Failure("the load has failed")


def find_line(path, pattern, limit):
    """The first group of the first line of a growing file that matches."""
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        text = Path(path).read_text(errors="replace")
        for line in text.split("\n")[:-1]:
            if match := pattern.search(line):
                return match[1]
        time.sleep(0.01)
    raise Failure(f"no address in {limit} s, but {text!r}")


def tail(folder):
    return Path(folder, "log").read_text(errors="replace")[-500:].strip() or "nothing"

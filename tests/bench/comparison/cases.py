"""What is measured: the options of the load, the number it answers with, and what is aimed at."""

from dataclasses import dataclass

KIB, MIB = 1024, 1024 * 1024

# What the load answers with.
MESSAGE, CONNECTION = "cpu_ns_per_message", "cpu_ns_per_connection"
RATE, MEMORY = "connections_per_second", "bytes_per_connection"


@dataclass(frozen=True)
class Case:
    name: str  # for --only
    label: str  # for the table
    load: tuple  # options of the load
    unit: str
    aim: float | None = None  # at most so many times the copy loop; for memory, so many bytes
    stretch: int = 1  # how much longer than the others it is measured
    rounds: int | None = None  # at most so many


def messages(in_flight, size, connections, aim=None):
    """Messages of one size; all of a burst come back before the next is sent."""
    kind = "ping-pong" if in_flight == 1 else f"{in_flight} in flight"
    name = "ping-pong" if in_flight == 1 else "burst"
    plural = "connection" if connections == 1 else "connections"
    load = ("--in-flight", in_flight, "--size", size, "--connections", connections)
    return Case(
        f"{name}/{size}/{connections}",
        f"{length(size)}, {kind}, {connections} {plural}",
        tuple(map(str, load)),
        MESSAGE,
        aim,
        # With few messages a second it takes longer until a number stands.
        stretch=2 if size >= MIB else 1,
    )


def length(size):
    for unit, name in ((MIB, "MiB"), (KIB, "KiB")):
        if size >= unit:
            return f"{size // unit} {name}"
    return f"{size} B"


# Left out, since they would measure the memory of the load: 1 MiB with 1000 connections, and 16 KiB
# with 64 in flight and 1000 connections, which is 1 GiB under way each, and four times that in
# buffers; and 1 MiB with 64 in flight, which tells nothing new, for one such message fills all
# buffers on its way.
CASES = [
    messages(1, 64, 1),
    messages(1, 64, 50, aim=1.1),
    messages(1, 64, 1000),
    messages(1, KIB, 1),
    messages(1, KIB, 50),
    messages(1, KIB, 1000, aim=1.1),
    messages(1, 16 * KIB, 1),
    messages(1, 16 * KIB, 50, aim=1.1),
    messages(1, 16 * KIB, 1000),
    messages(1, MIB, 1),
    messages(1, MIB, 50),
    messages(64, 64, 1),
    messages(64, 64, 50, aim=1.4),
    messages(64, 64, 1000),
    messages(64, KIB, 1),
    messages(64, KIB, 50, aim=1.2),
    messages(64, KIB, 1000),
    messages(64, 16 * KIB, 1),
    messages(64, 16 * KIB, 50),
    Case("connect", "a connection with one message, 50 at a time", ("--connect",), CONNECTION),
    # It hardly varies, and takes long.
    Case("idle", "user memory of an idle connection, of 9000",
         ("--idle", "--connections", "9000"), MEMORY, aim=1024, rounds=2),
]

# Descriptors of one process in the largest case: two for each connection, and some of its own.
DESCRIPTORS = 2 * 9000 + 200

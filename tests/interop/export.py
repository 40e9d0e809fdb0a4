#!/usr/bin/env python3
"""Holds what `hybridge export` writes as pcapng against tshark: no checksum that is wrong, nothing that
its analysis of TCP remarks, and the texts of RFC 6455 sessions as they were said.

    tests/interop/export.py HYBRIDGE [FILE...]

Without a FILE it takes those of testdata/recordings and one that it makes. Wants tshark.
"""

import json
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]

CHECKS = ["-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE"]

# What tshark may not find.
FAULTS = "tcp.analysis.flags || tcp.checksum.status == 0 || ip.checksum.status == 0 || _ws.malformed"


def run(*command):
    return subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout


def tshark(file, *options):
    return run("tshark", "-n", "-r", file, *CHECKS, *options)


def made():
    """A recording of sessions that share addresses, with messages of all lengths in both directions."""
    yield {"wsrec": 1, "start": "2026-11-20T15:02:11.123456789Z", "source": "tests/interop/export.py"}
    dialects = ["rfc6455", "hybi-08", "hybi-07", "hixie-76", "hixie-75"]
    for session in range(1, 41):
        dialect = dialects[session % 5] if session % 2 else "rfc6455"
        at = iter(range(session * 10**9, 2**62, 1000))
        event = lambda kind, **more: {"event": kind, "session": session, "at": next(at), **more}
        address = "[::1]:%d" if session % 3 else "10.0.0.1:%d"
        client = address % 40000 if session % 4 else ""
        yield event("open", dialect=dialect, client=client, server=address % 80, target="/echo", fields=[])
        yield event("accept", status=101, fields=[])
        for number, length in enumerate([0, 1, 125, 126, 65535, 65536, 200_000]):
            text = f"{session}.{number} grüße ".ljust(length, ".")
            yield event("message", **{"from": "client"}, seen=number, text=text)
            yield event("message", **{"from": "server"}, seen=number + 1, text=text)
            # One that its reader has not seen when it speaks next.
            yield event("ping", **{"from": "server"}, text="?")
        how = ["fin", "fin", "reset", "cut"][session % 4]
        by = {} if how == "cut" else {"by": ["client", "server"][session % 2]}
        yield event("end", how=how, clean=False, **by)
    yield {"event": "account", "sessions": 40}


def said(hybridge, file):
    """The texts of sessions of RFC 6455 and its drafts, by side, in order."""
    dialects, texts = {}, []
    for line in run(hybridge, "inspect", "--json", "--show-secrets", file).splitlines():
        event = json.loads(line)
        if event.get("event") == "open":
            dialects[event["session"]] = event["dialect"]
        elif event.get("event") == "message" and "hixie" not in dialects[event["session"]]:
            # Empty texts have no payload, and those that are not UTF-8 no one form.
            if event.get("text"):
                texts.append((event["from"], event["text"]))
    return texts


def decoded(file):
    """The texts that tshark finds."""
    options = ["-Y", "websocket.payload.text", "-T", "fields", "-E", "separator=|"]
    fields = ["-e", "websocket.mask", "-e", "websocket.payload.text"]
    for line in tshark(file, *options, *fields).splitlines():
        mask, text = line.split("|", 1)
        yield ("client" if mask in ("1", "True") else "server"), text


def check(hybridge, file, folder):
    out = str(pathlib.Path(folder, "out.pcapng"))
    run(hybridge, "export", str(file), "-o", out, "--show-secrets", "--force")
    faults = tshark(out, "-Y", FAULTS)
    assert not faults, f"{file}: tshark finds\n{faults}"
    due, found = said(hybridge, str(file)), list(decoded(out))
    valid = [text for text in found if "\ufffd" not in text[1]]
    assert valid == due, f"{file}: {[d for d in due if d not in valid][:3]} of {len(due)}"
    packets = len(tshark(out).splitlines())
    print(f"{file}: {packets} packets, {len(due)} texts")


def main(hybridge, *files):
    with tempfile.TemporaryDirectory() as folder:
        if not files:
            file = pathlib.Path(folder, "made.wsrec")
            file.write_text("".join(json.dumps(line) + "\n" for line in made()))
            files = [*sorted((ROOT / "testdata/recordings").iterdir()), file]
        for file in files:
            check(hybridge, file, folder)


main(*sys.argv[1:])

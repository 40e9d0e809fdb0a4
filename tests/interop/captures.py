#!/usr/bin/env python3
"""Holds what `hybridge inspect --json` reads in captures against what the peers said in them, and of
those that Wireshark can read against tshark, message by message.

    tests/interop/captures.py HYBRIDGE FOLDER...

A FOLDER holds captures; where a JSON file of the same name stands beside one, it is the account of the
peers that tests/interop/wireshark/main.js writes. Wants tshark.
"""

import base64
import json
import pathlib
import subprocess
import sys

# What tshark 4.0 reads without our dissector.
TSHARK = {"rfc6455", "hybi-08", "hybi-07"}
SIDES = ("client", "server")
KINDS = {1: "text", 2: "binary", 8: "close", 9: "ping", 10: "pong"}


def inspected(hybridge, file):
    """What is said in each session, and the account."""
    command = [hybridge, "inspect", "--json", "--show-secrets", file]
    run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    assert run.returncode in (0, 3), f"{file}: {run}"
    events = [json.loads(line) for line in run.stdout.splitlines()]
    account = events.pop()
    sessions = {}
    for event in events[1:]:
        session = sessions.setdefault(event["session"], {"dialect": None, "faults": [], "said": []})
        kind = event["event"]
        if kind == "open":
            session.update(dialect=event["dialect"], client=event["client"], accepted=None)
        elif kind == "accept":
            session["accepted"] = event["status"]
        elif kind in ("gap", "fault"):
            session["faults"].append(event)
        elif kind == "message":
            kind = event.get("kind", "text" if "text" in event else "binary")
            session["said"].append((event["from"], kind, payload(event)))
        elif kind in ("ping", "pong"):
            session["said"].append((event["from"], kind, payload(event)))
        elif kind == "close":
            code = event.get("code")
            body = b"" if code is None else code.to_bytes(2, "big") + event["reason"].encode()
            session["said"].append((event["from"], kind, body))
    return list(sessions.values()), account


def payload(event):
    if "text" in event:
        return event["text"].encode()
    return base64.b64decode(event["base64"])


def seen_by_tshark(file):
    """What is said in each session, by its client; None stands for a payload that it cannot show."""
    options = ["-n", "-o", "tcp.reassemble_out_of_order:TRUE", "-Y", "websocket", "-T", "json",
               "--no-duplicate-keys", "-J", "websocket data tcp ip ipv6 frame"]
    run = subprocess.run(["tshark", "-r", file, *options], stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, check=True)
    sessions, unfinished = {}, {}
    for packet in json.loads(run.stdout):
        layers = packet["_source"]["layers"]
        tcp = as_list(layers["tcp"])[-1]
        # What it takes for the server's port is the one that was there before the client's.
        stream, port = tcp["tcp.stream"], tcp["tcp.srcport"]
        said = sessions.setdefault(stream, [])
        data = [item.get("data.data", "") for item in as_list(layers.get("data"))]
        for frame in as_list(layers["websocket"]):
            opcode, fin = int(frame["websocket.opcode"]), frame["websocket.fin"] == "1"
            is_compressed = frame.get("websocket.pmc") == "1"
            if opcode < 8 and not fin:
                first = unfinished.setdefault((stream, port), (opcode, is_compressed))
                assert opcode in (0, first[0])
                continue
            in_pieces = opcode == 0
            if in_pieces:
                opcode, is_compressed = unfinished.pop((stream, port))
            body = shown(frame, opcode, data)
            # It does not inflate what came in fragments.
            said.append((port, KINDS[opcode], None if in_pieces and is_compressed else body))
    return sessions


def shown(frame, opcode, data):
    tree = frame.get("websocket.payload")
    tree = tree if isinstance(tree, dict) else {}
    if opcode == 1:
        return tree.get("websocket.payload.text", "").encode()
    if opcode == 2:
        empty = frame["websocket.payload_length"] == "0"
        return b"" if empty or not data else bytes.fromhex(data.pop(0).replace(":", ""))
    if opcode == 8:
        close = tree.get("websocket.payload.close", tree)
        close = close if isinstance(close, dict) else tree
        code = close.get("websocket.payload.close.status_code")
        reason = close.get("websocket.payload.close.reason", "")
        return b"" if code is None else int(code).to_bytes(2, "big") + reason.encode()
    body = tree.get(f"websocket.payload.{KINDS[opcode]}", "")
    return bytes.fromhex(body.replace(":", ""))


def as_list(value):
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def of(said, side, kinds):
    return [(kind, body) for by, kind, body in said if by == side and kind in kinds]


def hold_to_peers(name, sessions, account, truth):
    assert len(sessions) == 1 and account.get("damage") is None, f"{name}: {account}"
    session = sessions[0]
    # What a client of 02 says of itself 03 says too.
    draft = "hybi-03" if truth["draft"] == "hybi-02" else truth["draft"]
    assert (session["dialect"], session["accepted"]) == (draft, 101), f"{name}: {session}"
    assert session["faults"] == [], f"{name}: {session['faults']}"
    for side in SIDES:
        due = [message for message in truth["messages"] if message["from"] == side]
        due = [("text", one["text"].encode()) if "text" in one
               else ("binary", base64.b64decode(one["binary"])) for one in due]
        said = of(session["said"], side, ("text", "binary"))
        assert said == due, f"{name}: what the {side} said is {said} and not {due}"
        pings = of(session["said"], side, ("ping",))
        for ping in truth["pings"]:
            due = ("ping", base64.b64decode(ping["base64"]))
            assert ping["from"] != side or due in pings, f"{name}: {ping} is not in {pings}"
    close = truth["close"]
    if close["frame"]:
        code = close.get("code")
        due = b"" if code is None else code.to_bytes(2, "big") + close["reason"].encode()
        closes = [one for one in session["said"] if one[1] == "close"]
        assert closes[0] == (close["by"], "close", due), f"{name}: {closes}"
    return len(truth["messages"])


def hold_to_tshark(name, file, sessions):
    """Both sides' frames in order, each side for itself."""
    streams = list(seen_by_tshark(file).values())
    sessions = [session for session in sessions if session["said"]]
    assert len(streams) == len(sessions), f"{name}: {len(streams)} and {len(sessions)}"
    count = 0
    for said, session in zip(streams, sessions):
        port = session["client"].rsplit(":", 1)[1]
        for side in SIDES:
            ours = of(session["said"], side, KINDS.values())
            theirs = [(kind, body) for by, kind, body in said if (by == port) == (side == "client")]
            assert len(ours) == len(theirs), f"{name}: {side}: {ours} and {theirs}"
            for (kind, body), (their_kind, their_body) in zip(ours, theirs):
                assert kind == their_kind and their_body in (body, None), \
                    f"{name}: {side}: {kind} {body} and {their_kind} {their_body}"
                count += 1
    return count


def main(hybridge, *folders):
    for file in sorted(file for folder in folders for file in pathlib.Path(folder).glob("*.pcap*")):
        sessions, account = inspected(hybridge, file)
        truth = file.with_suffix(".json")
        truth = json.loads(truth.read_text()) if truth.exists() else None
        if truth:
            count = hold_to_peers(file.stem, sessions, account, truth)
            print(f"inspect: {file.stem}: {count} messages as the peers have it")
        if sessions and {session["dialect"] for session in sessions} <= TSHARK:
            count = hold_to_tshark(file.stem, file, sessions)
            print(f"inspect: {file.stem}: {count} frames as tshark has it")


main(*sys.argv[1:])

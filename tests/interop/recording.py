#!/usr/bin/env python3
"""Holds docs/reference/recording.schema.json against what `hybridge inspect --json` writes, with a
foreign validator.

    tests/interop/recording.py HYBRIDGE [FILE...]

Without a FILE it takes those of testdata/recordings. Wants python3-jsonschema.
"""

import json
import pathlib
import subprocess
import sys

import jsonschema

ROOT = pathlib.Path(__file__).resolve().parents[2]

# What the schema may not allow.
WRONG = [
    {},
    {"wsrec": 2, "start": "2026-11-20T15:02:11Z"},
    {"wsrec": 1, "start": "yesterday"},
    {"event": "ping", "session": 1, "at": 0, "from": "client"},
    {"event": "ping", "session": 1, "at": 0, "from": "client", "text": "", "base64": ""},
    {"event": "ping", "session": 1, "at": -1, "from": "client", "text": ""},
    {"event": "ping", "session": 1, "at": 0, "from": "proxy", "text": ""},
    {"event": "end", "session": 1, "at": 0, "how": "gone", "clean": True},
    {"event": "open", "session": 1, "at": 0, "dialect": "rfc6455", "target": "/", "fields": [["a"]]},
    {"event": "account", "packets": "many"},
]


def main(hybridge, *files):
    schema = json.loads((ROOT / "docs/reference/recording.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    for line in WRONG:
        assert not validator.is_valid(line), f"the schema allows {line}"
    for file in files or sorted((ROOT / "testdata/recordings").iterdir()):
        run = subprocess.run([hybridge, "inspect", "--json", file], stdout=subprocess.PIPE, check=True)
        lines = run.stdout.splitlines()
        for number, line in enumerate(lines, 1):
            fault = jsonschema.exceptions.best_match(validator.iter_errors(json.loads(line)))
            assert fault is None, f"{file}, line {number}: {fault}"
        print(f"{file}: {len(lines)} lines")


main(*sys.argv[1:])

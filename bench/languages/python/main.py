"""libbitcask beside other stores, from Python.

main.py subjects                        what can be measured here, as JSON
main.py one SUBJECT --keys N --dir D    measures one of them in D, which is empty; its samples as JSON

`bench python` (../../src/languages) runs it: a process for each store and round. phases.py has the workload, stores.py the stores.
"""

from __future__ import annotations

import argparse
import json
import platform
from pathlib import Path

import phases
import stores


def subjects() -> dict[str, object]:
    """The stores, ours first; with `missing` for those that this Python doesn't have."""
    offered: list[dict[str, object]] = []
    for known in stores.KNOWN:
        line: dict[str, object] = {"id": known.id, "name": known.name, "ours": known.ours, "ordered": known.ordered}
        try:
            line["version"] = known.version()
        except ImportError as error:
            line |= {"version": "", "missing": str(error)}
        offered.append(line)
    return {"runtime": f"{platform.python_implementation()} {platform.python_version()}", "subjects": offered}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["subjects", "one"])
    parser.add_argument("subject", nargs="?", choices=[known.id for known in stores.KNOWN])
    parser.add_argument("--keys", type=int)
    parser.add_argument("--dir", type=Path)
    args = parser.parse_args()
    if args.what == "subjects":
        print(json.dumps(subjects()))
        return
    if not (args.subject and args.keys and args.dir):
        parser.error("one wants a subject, --keys and --dir")
    known = next(known for known in stores.KNOWN if known.id == args.subject)
    print(json.dumps(phases.measure(known, args.keys, args.dir)))


if __name__ == "__main__":
    main()

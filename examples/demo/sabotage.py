"""Spoils the demonstration's store in one way, so that the comparison can be seen to find it.

python sabotage.py WORK byte|missing|extra|progress|disk
"""

import sys
from pathlib import Path

import bitcask


def longest(store: bitcask.Store) -> bytes:
    """The file with the longest contents."""
    return max((key for key in store if not key.startswith(b"/")), key=lambda key: len(store[key]))


def main(work: Path, way: str) -> None:
    with bitcask.open(work / "store", create=False) as store:
        key = longest(store)
        value = store[key]
        if way == "byte":
            store[key] = value[:-1] + bytes([value[-1] ^ 1])
        elif way == "missing":
            del store[key]
        elif way == "extra":
            store[key + b".extra"] = b"no file has this"
        elif way == "progress":
            store[b"/demo/progress"] = b"0"
        elif way != "disk":
            sys.exit(f"unknown way to spoil a store: {way}")
    if way == "disk":
        data = sorted((work / "store").glob("*.data"), key=lambda path: int(path.stem))
        for path in reversed(data):
            contents = path.read_bytes()
            at = contents.rfind(value)
            if at >= 0:
                with path.open("r+b") as file:
                    file.seek(at + len(value) // 2)
                    file.write(bytes([value[len(value) // 2] ^ 1]))
                break
        else:
            sys.exit("the value was not found in the data files")
    print(f"spoiled on purpose ({way}): {key!r}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])

"""Spoils the demonstration's store in one way, so that the comparison can be seen to find it.

python sabotage.py WORK byte|missing|extra|progress|disk
python sabotage.py WORK back|old|lost DIRECTORY    behind the second act
"""

import os
import sys
from pathlib import Path

import bitcask


def longest(store: bitcask.Store) -> bytes:
    """The file with the longest contents."""
    return max((key for key in store if not key.startswith(b"/")), key=lambda key: len(store[key]))


def fate(path: bytes) -> int:
    """What became of a file in the second act: 0 and 1 stayed, 2 was overwritten, 3 was deleted."""
    return sum(path) % 4


def deleted(directory: bytes) -> bytes:
    """The path of a file that the second act deleted."""
    for folder, _, names in os.walk(directory):
        for name in names:
            full = os.path.join(folder, name)
            path = os.path.relpath(full, directory)
            if fate(path) == 3 and os.path.isfile(full) and not os.path.islink(full) and os.access(full, os.R_OK):
                return path
    sys.exit("the second act deleted no file")


def spoil_second(work: Path, way: str, directory: bytes) -> None:
    with bitcask.open(work / "store", create=False) as store:
        files = [key for key in store if not key.startswith(b"/")]
        if way == "back":
            key = deleted(directory)
            store[key] = b"it was deleted"
        elif way == "old":
            key = next(key for key in files if fate(key) == 2)
            store[key] = store[key].removeprefix(b"turned:")[::-1]
        else:
            key = next(key for key in files if fate(key) < 2)
            del store[key]
    print(f"spoiled on purpose ({way}): {key!r}")


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
    if sys.argv[2] in ("back", "old", "lost"):
        spoil_second(Path(sys.argv[1]), sys.argv[2], os.fsencode(sys.argv[3]))
    else:
        main(Path(sys.argv[1]), sys.argv[2])

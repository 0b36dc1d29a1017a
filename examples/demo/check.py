"""Compares a store with the directory it was made of, in Python. See README.md for what is checked and by which rules.

python check.py WORK DIRECTORY [EARLIER...]
python check.py --beside WORK DIRECTORY    in the second act: again and again, until that is over
"""

from __future__ import annotations

import os
import stat
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import bitcask

ME = "python"


class Tree:
    def __init__(self, root: bytes, work: os.stat_result) -> None:
        self.root = root
        self.work = work
        self.not_regular = 0
        self.left_out = 0

    def paths(self, below: bytes = b"") -> Iterator[bytes]:
        """The regular files, as paths below the root."""
        try:
            entries = os.scandir(os.path.join(self.root, below))
        except OSError:
            self.left_out += 1
            return
        with entries:
            for entry in entries:
                path = os.path.join(below, entry.name)
                try:
                    status = entry.stat(follow_symlinks=False)
                except OSError:
                    self.left_out += 1
                    continue
                if stat.S_ISDIR(status.st_mode):
                    if not os.path.samestat(status, self.work):
                        yield from self.paths(path)
                elif stat.S_ISREG(status.st_mode):
                    yield path
                else:
                    self.not_regular += 1

    def read(self, path: bytes) -> bytes | None:
        """The contents of a file; None if it can't be read or is not stored."""
        if len(path) > bitcask.MAX_KEY_LEN:
            return None
        try:
            fd = os.open(os.path.join(self.root, path), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
            with os.fdopen(fd, "rb", buffering=0) as file:
                status = os.fstat(fd)
                if not stat.S_ISREG(status.st_mode) or status.st_size > bitcask.MAX_VALUE_LEN:
                    return None
                contents = file.read()
        except OSError:
            return None
        return contents if len(contents) <= bitcask.MAX_VALUE_LEN else None

    def changed_since(self, path: bytes, nanoseconds: int) -> bool:
        """Whether a file, or if it is gone its nearest directory, changed at that time or later."""
        while True:
            try:
                return os.lstat(os.path.join(self.root, path)).st_ctime_ns >= nanoseconds
            except OSError:
                if not path:
                    return True
                path = os.path.dirname(path)


class Differences:
    def __init__(self, tree: Tree, started: int) -> None:
        self.tree = tree
        self.started = started
        self.changed = 0
        self.count = 0

    def add(self, path: bytes, what: str) -> None:
        """Notes one, unless the file changed meanwhile."""
        if self.tree.changed_since(path, self.started):
            self.changed += 1
        else:
            self.note(f'"{os.fsdecode(path)}": {what}')

    def note(self, what: str) -> None:
        self.count += 1
        if self.count <= 10:
            print(f"Python: {what}".encode(errors="surrogateescape").decode(errors="replace"), file=sys.stderr)

    def any(self) -> bool:
        if self.count > 10:
            print(f"Python: and {self.count - 10} more", file=sys.stderr)
        return self.count > 0


def where_different(stored: bytes, file: bytes) -> str:
    if len(stored) != len(file):
        return f"the store has {len(stored)} bytes, the file {len(file)}"
    return f"other bytes from offset {next(i for i, (a, b) in enumerate(zip(stored, file)) if a != b)} on"


def run(work: Path, root: bytes, earlier: list[str]) -> int:
    tree = Tree(root, work.stat())
    start = time.perf_counter()
    store = bitcask.open(work / "store", create=False)
    opened = time.perf_counter() - start
    with store:
        # A second earlier, because the kernel's clock for files is coarse.
        differences = Differences(tree, int(store[b"/demo/started"]) - 1_000_000_000)

        # Every file has its key, with its bytes.
        paths = list(tree.paths())
        compared = set()
        size = 0
        start = time.perf_counter()
        for path in paths:
            contents = tree.read(path)
            if contents is None:
                tree.left_out += 1
                continue
            compared.add(path)
            size += len(contents)
            try:
                value = store.get(path)
            except bitcask.Error as error:
                differences.note(f'"{os.fsdecode(path)}": {error}')
                continue
            if value is None:
                differences.add(path, "missing in the store")
            elif value != contents:
                differences.add(path, where_different(value, contents))
        took = time.perf_counter() - start

        # Every key has its file.
        for key in store:
            if not key.startswith(b"/") and key not in compared:
                differences.add(key, "in the store, but no file that is stored")

        # One folder, by its prefix, in order.
        folder = store[b"/demo/folder"]
        listed = list(store.range_keys(prefix=folder)) if folder else []
        if listed != sorted(listed):
            differences.note(f"the folder {os.fsdecode(folder)} is not listed in order")
        expected = {path for path in compared if folder and path.startswith(folder)}
        for path in expected.symmetric_difference(listed):
            differences.add(path, "only in one of folder and listing")

        # Nothing that was acknowledged before the kill is lost.
        acknowledged = int((work / "acknowledged").read_text() or 0)
        progress = int(store[b"/demo/progress"])
        if progress < acknowledged:
            differences.note(f"write {acknowledged} was acknowledged, the store has {progress}")

        for name in earlier:
            if store[f"/demo/added-by/{name}".encode()] != f"added by {name}".encode():
                differences.note(f"the key of {name} holds something else")
        store[f"/demo/added-by/{ME}".encode()] = f"added by {ME}".encode()

    shown = folder.decode(errors="replace") or "no folder"
    print(
        f"Python: compared {len(compared)} files, {size / 1e6:.1f} MB in {took:.2f} s; {shown} has {len(listed)} keys; "
        f"left out {tree.not_regular} not regular, {tree.left_out} unreadable or too large; {differences.changed} changed meanwhile"
    )
    if differences.any():
        return 1
    with (work / "results").open("a") as results:
        results.write(f"Python\t{len(compared)}\t{size}\t{took}\t{opened}\n")
    return 0


def then(path: bytes, contents: bytes, phase: bytes, last: bytes) -> bytes | None:
    """What a file must be at a moment of the second act; None if it must be gone."""
    fate = sum(path) % 4  # 0 and 1 stay, 2 is overwritten, 3 is overwritten and then deleted
    if fate < 2 or phase == b"0" or (phase == b"1" and path > last):
        return contents
    if fate == 3 and (phase == b"3" or (phase == b"2" and path <= last)):
        return None
    return b"turned:" + contents[::-1]


def look(store: bitcask.Store, tree: Tree, paths: list[bytes], differences: Differences, phase: bytes, last: bytes) -> None:
    """Compares the store with what it must be at this moment."""
    there = set()
    for path in paths:
        contents = tree.read(path)
        if contents is None:
            continue
        expected = then(path, contents, phase, last)
        if expected is not None:
            there.add(path)
        try:
            value = store.get(path)
        except bitcask.Error as error:
            differences.note(f'"{os.fsdecode(path)}": {error}')
            continue
        if value is None and expected is not None:
            differences.add(path, "missing in the store")
        elif value is not None and expected is None:
            differences.add(path, "was deleted, and is there")
        elif value is not None and expected is not None and value != expected:
            differences.add(path, f"not what it was at this moment: {where_different(value, expected)}")
    for key in store:
        if not key.startswith(b"/") and key not in there:
            differences.add(key, "listed, but no file of this moment")


def beside(work: Path, root: bytes) -> int:
    tree = Tree(root, work.stat())
    paths = list(tree.paths())
    with bitcask.open(work / "store", read_only=True) as store:
        differences = Differences(tree, int(store[b"/demo/started"]) - 1_000_000_000)
        looks = midst = 0
        before = b""
        while True:
            if looks > 0:
                store.refresh()
            looks += 1
            moment = store[b"/demo/second"]
            if moment < before:
                differences.note(f"the store went back from {before!r} to {moment!r}")
            before = moment
            phase = moment[:1]
            look(store, tree, paths, differences, phase, moment[2:])
            if differences.any():
                return 1
            if phase == b"3":
                break
            midst += phase != b"0"
            # By another name first, so that nobody reads half of it.
            new = work / f"looks-new-{ME}"
            new.write_text(str(midst))
            new.rename(work / f"looks-{ME}")
    print(f"Python: {looks} looks, {midst} of them in the midst; {differences.changed} changed meanwhile")
    return 0


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit("usage: check.py [--beside] WORK DIRECTORY [EARLIER...]")
    try:
        if sys.argv[1] == "--beside":
            sys.exit(beside(Path(sys.argv[2]), os.fsencode(sys.argv[3])))
        sys.exit(run(Path(sys.argv[1]), os.fsencode(sys.argv[2]), sys.argv[3:]))
    except (bitcask.Error, KeyError, OSError, ValueError) as error:
        print(f"Python: {type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(2)

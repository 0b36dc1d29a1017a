"""The store in Python: open, put, get, a batch, all keys with a prefix, close.

python hello.py DIRECTORY
"""

import sys

import bitcask


def main(directory: str) -> None:
    with bitcask.open(directory) as store:
        store[b"user:1"] = b"Ada"
        print("user:1 is", store[b"user:1"].decode())

        with store.batch(sync=True) as batch:  # all of it or nothing, after any crash
            batch[b"user:2"] = b"Grace"
            batch[b"user:3"] = b"Edsger"
            del batch[b"user:1"]

        for key, value in store.prefix(b"user:"):
            print(f"{key.decode()}: {value.decode()}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: hello.py DIRECTORY")
    main(sys.argv[1])

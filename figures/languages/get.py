"""Gets every key of a store twice and prints the nanoseconds of a get of the second round, as src/bin/core_get.rs does.

python get.py STORE KEYS
"""

import sys
import time
from pathlib import Path

import bitcask

KEY_LEN, VALUE_LEN = 24, 150


def main(directory: str, keys_file: str) -> None:
    contents = Path(keys_file).read_bytes()
    keys = [contents[at : at + KEY_LEN] for at in range(0, len(contents), KEY_LEN)]
    with bitcask.open(directory, durability="none", create=False) as store:
        if any(len(store[key]) != VALUE_LEN for key in keys):
            sys.exit("a value is of another length")
        get = store.get
        start = time.perf_counter_ns()
        for key in keys:
            get(key)
        nanoseconds = (time.perf_counter_ns() - start) / len(keys)
    print(f"{nanoseconds:.1f}")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])

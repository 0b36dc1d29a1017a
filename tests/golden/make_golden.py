#!/usr/bin/env python3
"""Makes the golden vectors of the file format, from docs/FORMAT.md alone.

It shares no code with the library and uses the standard library only, so that a mistake in one of the two shows
as a difference. The vectors together are a store that can be opened.

    make_golden.py [DIR]            write the files and manifest.txt (DIR is v1 beside this script)
    make_golden.py --check [DIR]    make them in memory and compare; exit status 1 if anything differs

manifest.txt has one line for each file and each record, fields separated by one space, "-" for none. Bytes are in hex;
"xx*N" is a byte N times, "+" concatenates:

    data NAME LENGTH KIND EARLIER_SYNCED OPTIONAL STORE_ID NONCE CREATED BASE_SEQ
    record NAME OFFSET KIND SYNCED SEQ TIMESTAMP EXPIRY KEY VALUE
    hint NAME LENGTH COVERED SEALED ENTRIES MIN_SEQ MAX_SEQ BLOCKS MIN_TIME MAX_TIME
"""

import struct
import sys
import zlib
from pathlib import Path

STORE_ID = 0x0123456789ABCDEF
CREATED = 1_700_000_000_000

LOG, MERGED = 1, 2
PUT, DELETE, BATCH_PUT, BATCH_DELETE, BATCH_COMMIT, SYNC_MARK, SEAL = range(1, 8)
KIND_NAMES = ["", "put", "delete", "batch-put", "batch-delete", "batch-commit", "sync-mark", "seal"]
EXPIRY, SYNCED = 1, 2

ALL_BYTES = bytes(range(256))


def hexed(data):
    """Bytes for the manifest: hex, and runs of 16 or more equal bytes as xx*N."""
    if not data:
        return "-"
    parts, plain, i = [], b"", 0
    while i < len(data):
        run = 1
        while i + run < len(data) and data[i + run] == data[i]:
            run += 1
        if run >= 16:
            if plain:
                parts.append(plain.hex())
            parts.append(f"{data[i]:02x}*{run}")
            plain = b""
        else:
            plain += data[i : i + run]
        i += run
    if plain:
        parts.append(plain.hex())
    return "+".join(parts)


class Log:
    """What is common to the log files: the last sequence number, and the batch that is being written."""

    def __init__(self):
        self.seq = 0
        self.batch = []


class DataFile:
    """Sections 2 and 3."""

    def __init__(self, file_id, nonce, kind=LOG, log=None, earlier_synced=False, base_seq=0, optional=0):
        self.name, self.hint_name = f"{file_id}.data", f"{file_id}.hint"
        self.nonce, self.log = nonce, log
        self.records = []  # offset, end, kind, synced, seq, timestamp, expiry, key, value
        header = self._header(file_id, kind, earlier_synced, base_seq, optional, 0)
        self.header = self._header(file_id, kind, earlier_synced, base_seq, optional, zlib.crc32(header))
        self.bytes = self.header * 2
        kind_name = {LOG: "log", MERGED: "merged"}[kind]
        self.about = f"{kind_name} {int(earlier_synced)} {optional} {STORE_ID} {nonce} {CREATED} {base_seq}"

    def _header(self, file_id, kind, earlier_synced, base_seq, optional, crc):
        start = struct.pack("<8sHHIIBBHI", b"BITCASKd", 1, 64, 0, optional, kind, int(earlier_synced), 0, file_id)
        return start + struct.pack("<IQQQQ", crc, STORE_ID, self.nonce, CREATED, base_seq)

    def add(self, kind, seq, timestamp, key=b"", value=b"", expiry=None, synced=False):
        offset = len(self.bytes)
        flags = (EXPIRY if expiry is not None else 0) | (SYNCED if synced else 0)
        hashed = struct.pack("<BBHI", kind, flags, len(key), len(value))
        hashed += struct.pack("<Q", timestamp)[:6] + struct.pack("<Q", seq)
        if expiry is not None:
            hashed += struct.pack("<Q", expiry)
        h = zlib.crc32(struct.pack("<QQ", self.nonce, offset) + hashed)
        body = key + value
        body += bytes(-len(body) % 4)
        crc = zlib.crc32(body + struct.pack("<I", h))
        self.bytes += struct.pack("<IH", crc, h % 2**16) + hashed + body
        self.records.append((offset, len(self.bytes), kind, synced, seq, timestamp, expiry, key, value))
        if self.log is not None:
            assert seq >= self.log.seq
            self.log.seq = seq
            if kind in (BATCH_PUT, BATCH_DELETE):
                self.log.batch.append(crc)
        return self

    def commit(self, seq, timestamp):
        digest = zlib.crc32(b"".join(struct.pack("<I", crc) for crc in self.log.batch))
        value = struct.pack("<QII", len(self.log.batch), digest, 0)
        self.log.batch = []
        return self.add(BATCH_COMMIT, seq, timestamp, value=value)

    def mark(self, timestamp, file_id, offset, synced=False):
        value = struct.pack("<QII", offset, file_id, 0)
        return self.add(SYNC_MARK, self.log.seq, timestamp, value=value, synced=synced)

    def keyed(self, covered=None):
        """The put and delete records of both sorts."""
        covered = len(self.bytes) if covered is None else covered
        return [r for r in self.records if r[2] in (PUT, DELETE, BATCH_PUT, BATCH_DELETE) and r[1] <= covered]

    def seal(self, timestamp, synced=False):
        seqs = [r[4] for r in self.keyed()] or [0]
        times = [r[5] for r in self.keyed()] or [0]
        value = struct.pack("<QQQ", len(self.keyed()), min(seqs), max(seqs))
        value += struct.pack("<QQQ", min(times), max(times), len(self.bytes))
        seq = self.log.seq if self.log is not None else max(seqs)
        return self.add(SEAL, seq, timestamp, value=value, synced=synced)

    def preallocated(self, length):
        self.bytes += bytes(length - len(self.bytes))
        return self

    def manifest(self):
        yield f"data {self.name} {len(self.bytes)} {self.about}"
        for offset, _, kind, synced, seq, timestamp, expiry, key, value in self.records:
            expiry = "-" if expiry is None else expiry
            what = f"{KIND_NAMES[kind]} {int(synced)} {seq} {timestamp} {expiry} {hexed(key)} {hexed(value)}"
            yield f"record {self.name} {offset} {what}"


def varint(n):
    out = b""
    while n >= 0x80:
        out += bytes([n & 0x7F | 0x80])
        n >>= 7
    return out + bytes([n])


def zigzag(d):
    return 2 * d if d >= 0 else -2 * d - 1


class HintFile:
    """Section 4."""

    def __init__(self, data, covered=None):
        sealed = data.records[-1][2] == SEAL
        covered = len(data.bytes) if covered is None else covered
        blocks = self._blocks(data, covered)
        entries = data.keyed(covered)
        min_seq = min([r[4] for r in entries], default=0)
        max_seq = max([r[4] for r in data.records if r[1] <= covered], default=0)
        counts = (covered, len(entries), min_seq, max_seq, len(blocks))
        times = [r[5] for r in entries] or [0]
        times = (min(times), max(times))

        def header(crc):
            start = struct.pack("<8sHHI", b"BITCASKh", 1, 80, crc)
            return start + struct.pack("<QQQQQIIQQ", *counts, int(sealed), 0, *times) + data.header

        self.name = data.hint_name
        self.bytes = header(zlib.crc32(header(0))) + b"".join(blocks)
        numbers = " ".join(map(str, counts[1:] + times))
        self.line = f"hint {self.name} {len(self.bytes)} {covered} {int(sealed)} {numbers}"

    @staticmethod
    def _blocks(data, covered):
        blocks = []
        entries, count, position, first_seq = b"", 0, 0, 0
        end, last_seq = 0, 0

        def close():
            rest = struct.pack("<IIQQ", len(entries), count, position, first_seq) + entries
            crc = zlib.crc32(struct.pack("<QI", data.nonce, len(blocks)) + rest)
            blocks.append(struct.pack("<I", crc) + rest)

        for offset, record_end, kind, _, seq, _, expiry, key, value in data.keyed(covered):
            if count == 0:
                position, first_seq, last_seq, end = offset, seq, seq, offset
            is_put = kind in (PUT, BATCH_PUT)
            tag = PUT if is_put else DELETE
            tag |= 8 if expiry is not None else 0
            tag |= 16 if offset != end else 0
            entries += bytes([tag])
            if offset != end:
                entries += varint((offset - end) // 4)
            entries += varint(len(key))
            if is_put:
                entries += varint(len(value))
            entries += varint(zigzag(seq - last_seq))
            if expiry is not None:
                entries += varint(expiry)
            entries += key
            count, end, last_seq = count + 1, record_end, seq
            if len(entries) >= 65_536:
                close()
                entries, count = b"", 0
        if count:
            close()
        return blocks


def store():
    """The files of the store: data files in the order of their ids, and hints."""
    log, now = Log(), CREATED + 1000

    # Every kind, flag, length of padding; a batch within the file; sealed.
    one = DataFile(1, 0xA1A2A3A4A5A6A7A8, log=log)
    one.add(PUT, 1, now, b"k", b"v", synced=True)
    one.add(PUT, 2, now + 1, b"empty", b"")
    one.add(PUT, 3, now + 2, b"a", b"")
    one.add(PUT, 4, now + 3, b"ab", b"")
    one.add(PUT, 5, now + 4, b"abc", b"")
    one.add(PUT, 6, now + 5, b"abcd", b"")
    one.add(PUT, 7, now + 6, ALL_BYTES, ALL_BYTES[::-1])
    one.add(PUT, 8, 0, b"\x00", b"\x00" * 5, expiry=2**64 - 1)
    one.add(PUT, 9, 2**48 - 1, b"\xff", b"\xff" * 6, expiry=now + 10**9, synced=True)
    one.add(PUT, 10, now + 7, b"expired", b"long ago", expiry=1)
    one.add(DELETE, 11, now + 8, b"k")
    one.add(DELETE, 12, now + 9, b"never there", synced=True)
    one.add(BATCH_PUT, 13, now + 10, b"batch 1", b"one")
    one.add(BATCH_PUT, 13, now + 10, b"batch 2", b"two", expiry=now + 10**9)
    one.add(BATCH_DELETE, 13, now + 10, b"abcd")
    one.commit(13, now + 10)
    one.mark(now + 11, 1, len(one.bytes), synced=True)
    one.mark(now + 12, 1, one.records[5][0])
    one.add(PUT, 15, now + 13, b"overwritten", b"first")
    one.add(PUT, 16, now + 14, b"overwritten", b"second")
    one.seal(now + 15, synced=True)

    # Nothing but a seal, and an optional feature that nobody knows.
    two = DataFile(2, 1, log=log, earlier_synced=True, base_seq=16, optional=0x80000000)
    two.seal(now + 16)

    # Copies of records of file 1 in another order, as if a merge had been cut short before it removed its input.
    three = DataFile(3, 0xC1C2C3C4C5C6C7C8, kind=MERGED, base_seq=16)
    three.add(PUT, 16, now + 14, b"overwritten", b"second")
    three.add(PUT, 13, now + 10, b"batch 2", b"two", expiry=now + 10**9)
    three.add(PUT, 2, now + 1, b"empty", b"")
    three.add(DELETE, 11, now + 8, b"k")
    three.seal(now + 17)

    # The beginning of a batch, with the seal amidst it; in five, the rest.
    four = DataFile(4, 2**64 - 1, log=log, earlier_synced=True, base_seq=16)
    four.add(PUT, 17, now + 18, b"before", b"the batch")
    four.add(BATCH_PUT, 18, now + 19, b"crossing 1", b"in the first file")
    four.add(BATCH_DELETE, 18, now + 19, b"batch 1")
    four.seal(now + 20)

    five = DataFile(5, 0, log=log, base_seq=17)
    five.add(BATCH_PUT, 18, now + 21, b"crossing 2", b"in the second file")
    five.commit(18, now + 21)
    covered = len(five.bytes)
    five.mark(now + 22, 4, four.records[0][0], synced=True)
    five.add(PUT, 2**40, now + 23, b"last", b"a number far ahead")
    five.mark(now + 24, 4, four.records[-1][0])
    five.preallocated(4096)

    # Hints of more than one block: keys of every length around the limits of varints, and the longest.
    six = DataFile(6, 0xF1F2F3F4F5F6F7F8, kind=MERGED)
    lengths = [126, 127, 128, 129, 16_382, 16_383, 16_384, 16_385, 65_534, 65_535]
    for n, length in enumerate(lengths):
        six.add(PUT, 100 + 7 * n % 5, now + n, b"\x6b" * length, b"\x76" * (n * n))
    six.add(PUT, 99, now, b"the third block", b"\x77" * 20_000)
    six.seal(now + 24)

    data = [one, two, three, four, five, six]
    hints = [HintFile(file) for file in (one, two, three, four, six)] + [HintFile(five, covered)]
    return data, sorted(hints, key=lambda hint: hint.name)


def golden():
    """Name and contents of every file."""
    data, hints = store()
    lines = [line for file in data for line in file.manifest()] + [hint.line for hint in hints]
    files = {file.name: file.bytes for file in data + hints}
    files["manifest.txt"] = "".join(line + "\n" for line in lines).encode()
    return files


def main(args, make, default):
    """Writes what `make` gives into a directory, or compares it with what is there."""
    check = args[:1] == ["--check"]
    args = args[1:] if check else args
    directory = Path(args[0]) if args else default
    files = make()
    if not check:
        directory.mkdir(parents=True, exist_ok=True)
        for name, contents in files.items():
            (directory / name).write_bytes(contents)
        return 0
    found = {path.name: path.read_bytes() for path in directory.iterdir()}
    wrong = [name for name in sorted(files.keys() | found.keys()) if files.get(name) != found.get(name)]
    for name in wrong:
        print(f"{directory / name}: not what FORMAT.md says", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], golden, Path(__file__).resolve().parent / "v1"))

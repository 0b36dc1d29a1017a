#!/usr/bin/env python3
"""Makes the golden vectors of the saved indexes, from docs/FORMAT.md 10 to 12 alone.

They are indexes of the store that make_golden.py makes, as if they had been saved at the end of its log: each with that store's data files
is a store that opens without reading a record. Nothing here is shared with the library. Pages are in little-endian order.

    make_golden_index.py [DIR]            write the files (DIR is index beside this script)
    make_golden_index.py --check [DIR]    make them in memory and compare; exit status 1 if anything differs

    btree.checkpoint    an index.checkpoint of kind btree: a tree of two levels and a free page
    hash.checkpoint     an index.checkpoint of kind hash: three segments, blocks of several sizes, an entry without room
    index.bptree        a tree of two levels, with chains of long keys, and the checkpoint of generation 1
    index.accounts      the accounts beside it
"""

import struct
import sys
import zlib
from pathlib import Path

import make_golden as golden
from make_golden import BATCH_DELETE, BATCH_PUT, DELETE, PUT, STORE_ID, varint

NONE = 2**32 - 1


def crc(*parts):
    return zlib.crc32(b"".join(parts))


def u32(*numbers):
    return struct.pack(f"<{len(numbers)}I", *numbers)


def u64(*numbers):
    return struct.pack(f"<{len(numbers)}Q", *numbers)


def file_id(data):
    return int(data.name.removesuffix(".data"))


def size_class(length):
    """10.2: the bounds are 32, 48, 64, 96, 128, ..."""
    n = 0
    while (32 << n // 2) * (3 if n % 2 else 2) // 2 < length:
        n += 1
    return n


def location(number, record):
    offset, end = record[0], record[1]
    return number << 36 | offset // 4 << 6 | size_class(end - offset)


class Store:
    """What the indexes are of."""

    def __init__(self):
        self.data, _ = golden.store()
        newest = {}  # key: (seq, file id, offset), record
        for data in self.data:
            for record in data.keyed():
                rank = (record[4], file_id(data), record[0])
                if record[7] not in newest or newest[record[7]][0] < rank:
                    newest[record[7]] = (rank, record)
        live = {key: (rank[1], record) for key, (rank, record) in newest.items() if record[2] in (PUT, BATCH_PUT)}
        self.entries = sorted((key, location(number, record)) for key, (number, record) in live.items())
        self.named = {(number, record[0]) for number, record in live.values()}

    def covered(self):
        """10.3, of the end of the log."""
        last = next(data for data in self.data if data.name == "5.data")
        offset, end, *_ = last.records[-1]
        witness_crc = struct.unpack_from("<I", last.bytes, offset)[0]
        files = b""
        for data in self.data:
            files += u32(file_id(data)) + u64(data.nonce, 0 if data is last else len(data.bytes))
        seqs = [r[4] for r in last.keyed()]
        times = [r[5] for r in last.keyed()]
        seal = u64(len(seqs), min(seqs), max(seqs), min(times), max(times), 0)
        covered = u64(STORE_ID, last.nonce, end, 2**40, offset)
        covered += u32(witness_crc, file_id(last), len(self.data), crc(files)) + seal + b"\x01"
        return covered + bytes(128 - len(covered))

    def accounts(self):
        """11.3."""
        out, before = b"", 0
        for data in self.data:
            records = data.keyed()
            if not records and not data.about.startswith("merged "):
                continue
            puts = [r for r in records if r[2] in (PUT, BATCH_PUT)]
            deletes = [r[1] - r[0] for r in records if r[2] in (DELETE, BATCH_DELETE)]
            seqs = [r[4] for r in records]
            expiring = [r for r in puts if r[6] is not None]
            expiries = [r[6] for r in expiring] or [0]
            classes = {}
            for r in puts:
                classes.setdefault(size_class(r[1] - r[0]), []).append(r)
            numbers = [file_id(data) - before, len(deletes), sum(deletes), min(seqs), max(seqs) - min(seqs)]
            numbers += [len(expiring), sum(r[1] - r[0] for r in expiring), min(expiries), max(expiries) - min(expiries)]
            out += b"".join(varint(n) for n in numbers + [len(classes)])
            for number, members in sorted(classes.items()):
                lengths = [r[1] - r[0] for r in members]
                dead = [r[1] - r[0] for r in members if (file_id(data), r[0]) not in self.named]
                numbers = [len(lengths), sum(lengths), min(lengths), max(lengths) - min(lengths)]
                numbers += [len(lengths) - len(dead), len(dead), sum(dead)]
                out += bytes([number]) + b"".join(varint(n) for n in numbers)
            before = file_id(data)
        return out


def checkpoint(store, kind, optional, nonce, own, pages, tail):
    """11 and 11.1."""
    pages = b"".join(pages)
    count = len(pages) // 4096
    table = b"".join(
        u32(crc(u64(nonce), u32(piece), pages[piece * 2**20 : (piece + 1) * 2**20])) for piece in range((count + 255) // 256)
    )
    accounts = store.accounts()

    def head(total):
        start = b"BITCASKc" + struct.pack("<HH", 2, 256) + u32(0, optional) + total
        start += u32(0x01020304) + bytes([kind, 0, 0, 0]) + u64(nonce, len(store.entries))
        start += u32(count, crc(u64(nonce), table)) + u64(len(tail)) + u32(crc(u64(nonce), tail), 0)
        return start + own + bytes(48 - len(own)) + store.covered() + u32(len(accounts), crc(u64(nonce), accounts))

    whole = head(u32(crc(head(b""))))
    return whole + bytes(4096 - 256) + pages + table + tail + accounts


def words(data):
    """Bytes of a key in words, as big-endian numbers."""
    data += bytes(-len(data) % 4)
    return list(struct.unpack(f">{len(data) // 4}I", data))


def btree_page(kind, level, prefix, entries, links, longs):
    """11.2. Entries are keys and payloads, each a list of words."""
    page = [0] * 1024
    end = 1024 - len(words(prefix))
    page[end:] = words(prefix)
    heap = end
    for n, (key, payload) in enumerate(entries):
        assert key.startswith(prefix)
        suffix = key[len(prefix) :]
        if len(key) > 512:
            code, cell = 63, payload + [longs[key]]
        elif len(suffix) > 61:
            code, cell = 62, payload + [len(suffix)] + words(suffix[4:])
        else:
            code, cell = len(suffix), payload + words(suffix[4:])
        heap -= len(cell)
        page[heap : heap + len(cell)] = cell
        pair = 5 + n // 2 * 3
        page[pair + n % 2] = (words(suffix[:4]) or [0])[0]
        page[pair + 2] |= (heap | code << 10) << 16 * (n % 2)
    assert heap >= 5 + (len(entries) + 1) // 2 * 3
    page[1] = kind | level << 8 | len(entries) << 16
    page[2] = len(prefix) | heap << 10
    page[3], page[4] = links
    return u32(*page)


def parts(entries):
    """Three leaves: the second has the keys that share a prefix, among them the long ones."""
    low = [e for e in entries if e[0] < b"k" * 126]
    high = [e for e in entries if e[0] >= b"l"]
    return low, [e for e in entries if b"k" * 126 <= e[0] < b"l"], high


def btree(store):
    longs = {key: n + 1 for n, (key, _) in enumerate(e for e in store.entries if len(e[0]) > 512)}
    tail = u32(len(longs) + 1, 0)  # the first slot is free
    for key in longs:
        tail += u32(len(key)) + key
    numbers = [4, 1, 3]  # of the leaves; the root is page 2, and page 0 is free
    pages = [bytes(4096)] * 5
    for n, (part, prefix) in enumerate(zip(parts(store.entries), (b"", b"k" * 101, b""))):
        entries = [(key, [at % 2**32, at >> 32]) for key, at in part]
        links = (numbers[n + 1] if n < 2 else NONE, numbers[n - 1] if n > 0 else NONE)
        pages[numbers[n]] = btree_page(1, 0, prefix, entries, links, longs)
    separators = [(b"k" * 120, [numbers[1]]), (b"kl", [numbers[2]])]
    pages[2] = btree_page(2, 1, b"k", separators, (numbers[0], NONE), longs)
    return checkpoint(store, 1, 0, 0x0102030405060708, u32(2), pages, tail)


def siphash_1_3_128(key, data):
    """Aumasson and Bernstein 2012, with one round a word and three at the end, 128 bits long."""
    mask = 2**64 - 1
    k0, k1 = struct.unpack("<QQ", key)
    v = [k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D ^ 0xEE, k0 ^ 0x6C7967656E657261, k1 ^ 0x7465646279746573]

    def turned(x, by):
        return (x << by | x >> 64 - by) & mask

    def rounds(count):
        for _ in range(count):
            v[0] = v[0] + v[1] & mask
            v[1] = turned(v[1], 13) ^ v[0]
            v[0] = turned(v[0], 32)
            v[2] = v[2] + v[3] & mask
            v[3] = turned(v[3], 16) ^ v[2]
            v[0] = v[0] + v[3] & mask
            v[3] = turned(v[3], 21) ^ v[0]
            v[2] = v[2] + v[1] & mask
            v[1] = turned(v[1], 17) ^ v[2]
            v[2] = turned(v[2], 32)

    padded = data + bytes(7 - len(data) % 8) + bytes([len(data) & 0xFF])
    for (word,) in struct.iter_unpack("<Q", padded):
        v[3] ^= word
        rounds(1)
        v[0] ^= word
    v[2] ^= 0xEE
    rounds(3)
    low = v[0] ^ v[1] ^ v[2] ^ v[3]
    v[1] ^= 0xDD
    rounds(3)
    return low | (v[0] ^ v[1] ^ v[2] ^ v[3]) << 64


def hash_index(store):
    """11.4."""
    key, segments, depth_of = bytes(range(0x30, 0x40)), 3, {0: 2, 1: 1, 2: 2}
    members = {n: [[] for _ in range(8)] for n in range(segments)}
    apart = b""
    for n, (name, at) in enumerate(store.entries):
        mark = siphash_1_3_128(key, name)
        segment = mark % 4 if mark % 4 < segments else mark % 2
        if n == 5:
            apart = mark.to_bytes(16, "little") + u64(at)
        else:
            members[segment][mark >> depth_of[segment] & 7].append(mark.to_bytes(16, "little") + u64(at))
    blocks = {}  # size in units: segments
    for segment, groups in members.items():
        length = 4 + sum(len(entry) for group in groups for entry in group)
        blocks.setdefault((length + 63) // 64, []).append(segment)
    assert len(blocks) > 1
    # Chunk numbers run down from the last, and 0 belongs to none.
    chunks = {size: len(blocks) - n for n, size in enumerate(sorted(blocks))}
    start = (16 * segments + 63) // 64 * 64
    content, place = b"", {}
    for size, chunk in sorted(chunks.items(), key=lambda c: c[1]):
        assert len(blocks[size]) < 512 // size and start + len(content) + len(blocks[size]) * size * 64 <= 512 * 64
        for n, segment in enumerate(blocks[size]):
            place[segment] = chunk * 512 + n * size
            block = u32(segment) + b"".join(entry for group in members[segment] for entry in group)
            content += block + bytes(size * 64 - len(block))
    descriptors = b""
    for segment, groups in members.items():
        descriptors += bytes(len(group) for group in groups) + u32(place[segment], 2 * segment)
    pages = descriptors + bytes(start - len(descriptors)) + content
    pages += bytes(-len(pages) % 4096)
    tail = key + u32(1, 0, max(blocks))
    for size in range(1, max(blocks) + 1):
        if size in blocks:
            tail += u32(1, len(blocks[size]), chunks[size], len(blocks[size]))
        else:
            tail += u32(0, 0)
    return checkpoint(store, 2, 0x40000000, 0xF1F2F3F4F5F6F7F8, u32(segments), [pages], tail + apart)


class BptreeFile:
    """10."""

    def __init__(self, store):
        self.nonce, self.pages, self.stamps = 0x1112131415161718, {}, 7
        leaves = [self.leaf(part, prefix) for part, prefix in zip(parts(store.entries), (b"", b"k" * 126, b""))]
        inner = [(b"k" * 100, leaves[1]), (b"kl", leaves[2])]
        root = self.nodes(2, 1, b"k", leaves[0], [(key, u64(pointer)) for key, pointer in inner])
        used = bytearray(8)
        for number in self.pages:
            used[number // 8] |= 1 << number % 8
        pointer = self.content(4, bytes(used))
        count = 2 + len(self.pages)

        def first(total):
            start = b"BITCASKi" + struct.pack("<HH", 1, 256) + u32(0, 0x40000000) + total
            start += u64(self.nonce, 1, root, len(store.entries), pointer, self.stamps) + u32(count)
            start += bytes([2]) + bytes(51)
            return start + store.covered()

        whole = first(u32(crc(u32(1), first(b""))))
        self.bytes = bytes(4096) + whole + bytes(4096 - 256)
        self.bytes += b"".join(self.pages[number] for number in range(2, count))

    def add(self, body, kind, level, count, first, prefix=0, heap=0):
        """A page with this from byte 32 on; gives the pointer to it."""
        number, stamp = 2 + len(self.pages), self.stamps
        self.stamps += 1
        rest = struct.pack("<BBHQQHHHH", kind, level, count, stamp, first, prefix, heap, 0, 0) + body
        assert len(rest) <= 4092
        rest += bytes(4092 - len(rest))
        self.pages[number] = u32(crc(u64(self.nonce), u32(number), rest)) + rest
        return stamp % 2**32 << 32 | number

    def content(self, kind, data):
        """The pages of a chain or of the map, from the last to the first."""
        pointer = 0
        for at in reversed(range(0, len(data), 4064)):
            piece = data[at : at + 4064]
            pointer = self.add(piece, kind, 0, len(piece), pointer)
        return pointer

    def nodes(self, kind, level, prefix, first, entries):
        cells, slots, heap = b"", [], 4096 - len(prefix)
        for key, payload in entries:
            assert key.startswith(prefix)
            suffix = key[len(prefix) :]
            if len(key) > 512:
                cell = bytes([255]) + struct.pack("<H", len(key)) + u64(self.content(3, key)) + key[:64]
            elif len(suffix) > 250:
                cell = bytes([251]) + struct.pack("<H", len(suffix)) + suffix
            else:
                cell = bytes([len(suffix)]) + suffix
            cells = payload + cell + cells
            heap -= len(payload + cell)
            slots.append(heap)
        body = struct.pack(f"<{len(slots)}H", *slots)
        body += bytes(heap - 32 - len(body)) + cells + prefix
        return self.add(body, kind, level, len(slots), first, len(prefix), heap)

    def leaf(self, part, prefix):
        return self.nodes(1, 0, prefix, 0, [(key, u64(at)) for key, at in part])


def accounts_file(store):
    """12."""

    def start(total):
        return b"BITCASKa" + struct.pack("<HH", 1, 152) + u32(0, 0) + total + store.covered()

    accounts = store.accounts()
    return start(u32(crc(start(b""), accounts))) + accounts


def files():
    store = Store()
    return {
        "btree.checkpoint": btree(store),
        "hash.checkpoint": hash_index(store),
        "index.bptree": BptreeFile(store).bytes,
        "index.accounts": accounts_file(store),
    }


if __name__ == "__main__":
    sys.exit(golden.main(sys.argv[1:], files, Path(__file__).resolve().parent / "index"))

"""The programs of bindings/python/README.md: what is between markers stands there, one part a block. They work in the directory that they are started in."""

import asyncio

# README begins.
import bitcask

with bitcask.open("users") as store:
    store[b"user:1"] = b"Ada"
    with store.batch() as batch:              # all of it or nothing, after any crash
        batch[b"user:2"] = b"Grace"
        del batch[b"user:1"]
    for key, value in store.prefix(b"user:"):
        print(key, value)
# README ends.

pairs = [(b"pair:%d" % n, b"%d" % n) for n in range(3)]

with bitcask.open("users") as store:
    store.update({b"user:1": b"Ada", b"stock": b"9"})
    # README begins.
    with store.snapshot() as then:                # a read-only mapping that shows this moment
        store[b"user:1"] = b"Ada Lovelace"
        assert then[b"user:1"] == b"Ada"

    with store.transaction() as t:                # commits at the end, rolls back at an exception
        t[b"stock"] = b"%d" % (int(t[b"stock"]) - 1)
        t[b"order:1"] = b"one"                    # ConflictError if what was read has changed meanwhile

    store.transact(lambda t: t.put(b"stock", b"%d" % (int(t[b"stock"]) - 1)))      # again at each conflict
    store.modify(b"visits", lambda value: b"%d" % (int(value or 0) + 1))          # one key, atomically
    # README ends.
    # README begins.
    with store.bulk_load() as load:               # all of it or nothing; atomic=False: visible piece by piece
        load.update(pairs)                        # a mapping, or an iterable of pairs
    # README ends.

    async def write() -> None:
        batch = store.batch()
        batch[b"last"] = b"one"
        # README begins.
        written = await store.put_async(b"k", b"v", sync=True)       # written.seq, written.existed
        await asyncio.gather(*(store.put_async(key, value) for key, value in pairs))
        await batch.commit_async()
        # README ends.
        print(written.existed)

    asyncio.run(write())
    print(dict(store))

"""Many keys at once, lengths, the ends, random keys: what a loop of gets says, and one moment."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import Open
from test_threads import together

import bitcask

PAIRS = {b"%04d" % i: bytes([i % 256]) * (i * 7 % 300) for i in range(1000)}


@pytest.fixture
def filled(open_store: Open, index: str, io: str) -> bitcask.Store:
    store = open_store(index=index, io=io, max_file_size=16384)
    store.update(PAIRS)
    return store


def test_what_a_loop_of_gets_says(filled: bitcask.Store) -> None:
    rng = random.Random(1)
    keys = [b"%04d" % rng.randrange(1500) for _ in range(3000)]
    assert filled.multi_get(keys) == [filled.get(key) for key in keys] == [PAIRS.get(key) for key in keys]
    for few in (0, 1, 2, 63, 64, 65):
        assert filled.multi_get(keys[:few]) == [PAIRS.get(key) for key in keys[:few]]


def test_any_iterable(store: bitcask.Store) -> None:
    store.update({b"a": b"1", b"b": b""})
    keys = [b"b", b"x", b"a"]
    kinds: list[Any] = [keys, tuple(keys), iter(keys), deque(keys), dict.fromkeys(keys), (key for key in keys)]
    for kind in kinds:
        got = store.multi_get(kind)
        assert got == [b"", None, b"1"] and type(got) is list
    assert store.multi_get({b"a"}) == [b"1"] and store.multi_get(map(bytes, [b"a", b"a"])) == [b"1", b"1"]
    assert store.multi_get(store) == [b"1", b""] and store.multi_get(store.keys()) == [b"1", b""]
    assert store.multi_get([]) == store.multi_get(()) == store.multi_get(iter(())) == []


def test_a_subclass_says_itself_what_it_holds(store: bitcask.Store) -> None:
    class Backwards(list[bytes]):
        def __iter__(self) -> Iterator[bytes]:
            return reversed(self)

    store.update({b"a": b"1", b"b": b"2"})
    assert store.multi_get(Backwards([b"a", b"b"])) == [b"2", b"1"]


def test_keys_of_all_buffers_together(store: bitcask.Store) -> None:
    store.update({b"a": b"1", b"b": b"2", b"c": b"3"})
    assert store.multi_get([b"a", bytearray(b"b"), memoryview(b"xcx")[1:2], b"d"]) == [b"1", b"2", b"3", None]


@pytest.mark.parametrize("one", [b"key", "key", bytearray(b"key"), b"", "", bytearray()])
def test_one_key_is_no_iterable_of_keys(store: bitcask.Store, one: Any) -> None:
    with pytest.raises(TypeError, match="iterable of keys"):
        store.multi_get(one)


def test_what_is_no_iterable(store: bitcask.Store) -> None:
    for stranger in (None, 7, 1.5, object(), bytes):
        with pytest.raises(TypeError, match="iterable"):
            store.multi_get(stranger)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        store.multi_get()  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        store.multi_get([b"a"], [b"b"])  # type: ignore[call-arg]


def test_an_iterable_that_fails(store: bitcask.Store) -> None:
    def keys() -> Iterator[bytes]:
        yield b"a"
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        store.multi_get(keys())


def test_one_bad_key_is_the_calls_error(filled: bitcask.Store) -> None:
    for bad, error in ((b"", bitcask.KeyEmptyError), (bytes(65_536), bitcask.KeyTooLargeError)):
        for keys in ([bad], [b"0001", bad], [bad, b"0001"]):
            with pytest.raises(error):
                filled.multi_get(keys)
        with pytest.raises(error):
            filled.value_size(bad)
    assert filled.multi_get([b"0001"]) == [PAIRS[b"0001"]], "nothing of the failed calls is left"


def test_a_hundred_thousand_keys(store: bitcask.Store) -> None:
    pairs = {b"%06d" % i: b"%d" % i * 3 for i in range(50_000)}
    store.update(pairs)
    keys = [*pairs, *(b"missing %d" % i for i in range(50_000))]
    random.Random(2).shuffle(keys)
    assert store.multi_get(keys) == [pairs.get(key) for key in keys]
    assert store.multi_get([b"000007"] * 100_000) == [pairs[b"000007"]] * 100_000


def test_large_values(open_store: Open, index: str, io: str) -> None:
    store = open_store(index=index, io=io)
    pairs = {b"%d" % i: bytes([i]) * ((1 << 20) + i) for i in range(5)}
    store.update(pairs)
    assert store.multi_get([*pairs, b"x"]) == [*pairs.values(), None]
    assert store.multi_get([b"3", b"3"]) == [pairs[b"3"]] * 2
    assert [store.value_size(key) for key in pairs] == [len(value) for value in pairs.values()]


def test_the_keys_may_change_meanwhile(filled: bitcask.Store) -> None:
    """The list that is asked for is another thread's too: what it holds when the call begins is what counts."""
    keys = [b"%04d" % i for i in range(1000)]
    stop = threading.Event()

    def work(me: int) -> None:
        if me == 0:
            while not stop.is_set():
                keys[:] = [b"%04d" % i for i in range(1000)]  # Frees the old ones.
            return
        try:
            for _ in range(200):
                got = filled.multi_get(keys)
                assert got in ([*PAIRS.values()], [])
        finally:
            stop.set()

    together(work, threads=2)


def test_one_moment(filled: bitcask.Store) -> None:
    keys = [b"%04d" % i for i in range(0, 1000, 50)]
    filled.update(dict.fromkeys(keys, b"0"))
    stop = threading.Event()

    def work(me: int) -> None:
        if me == 0:
            for i in range(1, 300):
                filled.update(dict.fromkeys(keys, b"%d" % i))
            stop.set()
        while not stop.is_set():
            assert len(set(filled.multi_get(keys))) == 1

    together(work, threads=3)


def test_all_calls_in_all_threads(filled: bitcask.Store) -> None:
    def work(me: int) -> None:
        rng = random.Random(me)
        for _ in range(150):
            keys = [b"%04d" % rng.randrange(1500) for _ in range(30)]
            assert filled.multi_get(keys) == [PAIRS.get(key) for key in keys]
            assert filled.value_size(b"0010") == len(PAIRS[b"0010"])
            assert filled.first() == (b"0000", PAIRS[b"0000"]) and filled.last() == (b"0999", PAIRS[b"0999"])
            assert filled.random_key() in PAIRS and filled.count(b"0100", b"0200") == 100

    together(work)


def test_close_meanwhile(filled: bitcask.Store) -> None:
    acts: list[Callable[[], object]] = [
        lambda: filled.multi_get(PAIRS),
        lambda: filled.value_size(b"0001"),
        filled.first,
        filled.random_key,
        lambda: filled.count(b"0001"),
    ]

    def work(me: int) -> None:
        if me == len(acts):
            time.sleep(0.03)
            filled.close()
            return
        with pytest.raises(bitcask.ClosedError):
            while True:
                acts[me]()

    together(work, threads=len(acts) + 1)


def test_the_interpreter_is_left_during_multi_get(open_store: Open) -> None:
    store = open_store(durability="none")
    store.update({b"%06d" % i: b"v" * 100 for i in range(100_000)})
    keys = [b"%06d" % i for i in range(100_000)]
    before = threading.get_native_id()
    ticks, stop = Counter[str](), threading.Event()

    def work(me: int) -> None:
        if me == 0:
            for _ in range(5):
                assert store.multi_get(keys).count(b"v" * 100) == 100_000
            stop.set()
        while not stop.is_set():
            ticks["ticks"] += 1

    together(work, threads=2)
    assert ticks["ticks"] > 0 and before == threading.get_native_id()


def test_value_size(filled: bitcask.Store) -> None:
    assert {key: filled.value_size(key) for key in PAIRS} == {key: len(value) for key, value in PAIRS.items()}
    assert filled.value_size(b"missing") is None
    filled[b"0001"] = b""
    assert filled.value_size(b"0001") == 0
    del filled[b"0001"]
    assert filled.value_size(b"0001") is None and filled.value_size(key=b"0002") == 14


def test_the_ends(filled: bitcask.Store) -> None:
    assert filled.first() == (b"0000", PAIRS[b"0000"]) and filled.last() == (b"0999", PAIRS[b"0999"])
    filled[b"\x00"], filled[b"\xff" * 300] = b"", b"z"
    assert filled.first() == (b"\x00", b"") and filled.last() == (b"\xff" * 300, b"z")
    filled.clear()
    assert filled.first() is None and filled.last() is None and filled.random_key() is None
    assert filled.count() == 0
    filled[b"a"] = b""
    assert filled.first() == filled.last() == (b"a", b"") and filled.random_key() == b"a"


def test_random_keys(filled: bitcask.Store) -> None:
    drawn = Counter(filled.random_key() for _ in range(10_000))
    assert drawn.keys() <= PAIRS.keys()
    # Of 1000 keys some 0.05 stay away in 10,000 draws, and none comes up 40 times.
    assert len(drawn) > 990 and max(drawn.values()) < 40
    for key in [*PAIRS][10:]:
        del filled[key]
    assert {filled.random_key() for _ in range(500)} == {*[*PAIRS][:10]}


def test_damage_is_told(path: Path, open_store: Open, io: str) -> None:
    store = open_store(io=io)
    store.update({b"a": b"1", b"b": b"the damaged value" * 4, b"c": b"3"})
    file = path / "1.data"
    contents = bytearray(file.read_bytes())
    at = contents.find(b"the damaged value")
    with file.open("r+b") as opened:
        opened.seek(at)
        opened.write(b"T")
    with pytest.raises(bitcask.CorruptedError) as error:
        store.multi_get([b"a", b"b"])
    assert error.value.path == file and error.value.offset is not None
    assert store.multi_get([b"a", b"c"]) == [b"1", b"3"]
    assert store.value_size(b"b") == 68 and store.count() == 3

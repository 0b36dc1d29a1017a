"""The README's program in Python. What is between the markers stands in README.md. It works in the directory that it is started in."""

# README begins.
import bitcask

with bitcask.open("store") as db:
    db[b"user:1"] = b"Ada"
    with db.batch() as batch:
        batch[b"user:2"] = b"Grace"
    for key, value in db.prefix(b"user:"):
        print(key, value)
# README ends.

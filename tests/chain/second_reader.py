#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A second reader of chains, written from docs/formats/chain.md and nothing else.

    second_reader.py VECTOR        chain-v1.txt: every frame is taken apart, every hash recomputed

It shares no code with the library, so that the page and the library cannot be wrong together.
"""
import hashlib
import sys

CLASS_OF_KIND = [None, 1, 2, 3, 3, 3, 3, 4, 4, 4, 5, 5, 5, 5, 6]
INLINE_MAX = 256


class Damaged(Exception):
    pass


def need(holds, what):
    if not holds:
        raise Damaged(what)


class Reader:
    def __init__(self, data):
        self.data = data
        self.at = 0

    def left(self):
        return len(self.data) - self.at

    def take(self, size):
        need(size <= self.left(), "cut off")
        self.at += size
        return self.data[self.at - size:self.at]

    def u8(self):
        return self.take(1)[0]

    def flag(self):
        byte = self.u8()
        need(byte <= 1, "a flag is 0 or 1")
        return byte == 1

    def varint(self):
        number = 0
        for i in range(10):
            byte = self.u8()
            number |= (byte & 0x7f) << (7 * i)
            if byte < 0x80:
                need(byte > 0 or i == 0, "a longer spelling")
                need(number < 1 << 64, "a number over 64 bits")
                return number
        raise Damaged("a number over 64 bits")

    def sized(self):
        return self.take(self.varint())

    def text(self):
        return self.sized().decode("utf-8")

    def name(self):
        text = self.text()
        need(text, "an empty name")
        return text


def value(reader):
    kind = reader.u8()
    if kind == 1:
        return reader.flag()
    if kind in (2, 4, 6, 8):
        number = reader.varint()
        return number >> 1 if number % 2 == 0 else -(number >> 1) - 1
    if kind in (3, 5, 7, 9, 12):
        return reader.varint()
    if kind in (10, 11):
        return reader.take(4 if kind == 10 else 8)
    if kind in (13, 19):
        return reader.text()
    if kind == 14:
        return reader.sized()
    if kind in (15, 16):
        return [value(reader) for _ in range(reader.varint())]
    if kind in (17, 22):
        return [(reader.text(), value(reader)) for _ in range(reader.varint())]
    if kind == 18:
        return reader.text(), value(reader) if reader.flag() else None
    if kind == 20:
        return value(reader) if reader.flag() else None
    need(kind == 21, "no kind of value")
    return "ok" if reader.flag() else "err", value(reader) if reader.flag() else None


def whole(data, parse):
    reader = Reader(data)
    result = parse(reader)
    need(reader.left() == 0, "bytes follow")
    return result


def values(reader):
    return [value(reader) for _ in range(reader.varint())]


def optional_value(reader):
    return whole(reader.sized(), value) if reader.flag() else None


def payload(kind, reader):
    if kind == 1:
        need(reader.u8() == 1 and reader.u8() <= 1, "genesis")
        actor, _, _ = reader.take(16), reader.take(32), reader.take(16)
        reader.text(), reader.text()
        need(reader.varint() == 11, "limits")
        for _ in range(11):
            reader.varint()
        for _ in range(reader.varint()):
            reader.name(), whole(reader.sized(), values)
        return actor
    if kind == 2:
        return reader.name(), whole(reader.sized(), values), reader.sized()
    if kind in (3, 4, 5):
        request = [reader.name(), whole(reader.sized(), values)]
        if kind == 3:
            what = reader.u8()
            need(1 <= what <= 3, "what a wait is for")
            number = reader.varint()
            if what == 1 or (what == 3 and number != (1 << 64) - 1):
                reader.varint(), reader.take(16)
            request += [what, number]
        return request
    if kind == 6:
        return optional_value(reader), reader.sized()
    if kind == 7:
        answer = reader.name(), whole(reader.sized(), values), optional_value(reader)
        need(1 <= reader.varint() <= 1 << 20, "count")
        return answer
    if kind == 8:
        seq, outcome = reader.varint(), reader.u8()
        need(1 <= outcome <= 6, "outcome")
        return seq, outcome, reader.varint(), reader.text(), optional_value(reader)
    if kind in (9, 14):
        need(1 <= reader.u8() <= 7, "reason")
        return reader.text()
    if kind in (10, 13):
        return reader.text(), reader.text()
    if kind == 11:
        return reader.varint()
    return reader.varint(), reader.varint(), reader.varint(), reader.take(16)


def read_frame(reader, parent, seq):
    event = reader.take(reader.varint())
    check, beside = reader.take(8), reader.sized()
    digest = hashlib.sha256(b"theater\0\1" + parent + len(event).to_bytes(4, "little") + event)
    need(digest.digest()[:8] == check, "its hash does not link")
    fields = Reader(event)
    need(fields.varint() == seq, "another number")
    event_class, kind = fields.u8(), fields.u8()
    need(0 < kind < len(CLASS_OF_KIND) and CLASS_OF_KIND[kind] == event_class, "kind, class")
    fields.varint()
    flags, data = fields.u8(), fields.take(fields.left())
    need(flags <= 1, "flags")
    if flags == 0:
        need(not beside and len(data) <= INLINE_MAX, "inline payload")
    elif beside == bytes(byte ^ 0xff for byte in check):
        return digest.digest(), kind, None
    else:
        need(hashlib.sha256(beside).digest() == data and len(beside) >= 16, "beside")
        data = beside[16:]
    return digest.digest(), kind, whole(data, lambda rest: payload(kind, rest))


def main():
    lines = [line.split() for line in open(sys.argv[1]) if not line.startswith("#")]
    header = bytes.fromhex(lines[0][1])
    need(header[:9] == b"THEATER\n\1" and len(header) == 25, "header")
    parent, kinds = bytes(32), set()
    for seq, line in enumerate(lines[1:]):
        reader = Reader(bytes.fromhex(line[2]))
        parent, kind, read = read_frame(reader, parent, seq)
        need(reader.left() == 0 and line[:2] == [str(seq), parent.hex()], "line %d" % seq)
        need(seq > 0 or read == header[9:], "actor")
        kinds.add(kind)
    need(kinds == set(range(1, 15)), "not every kind")
    print("%d events, head %d:%s" % (len(lines) - 1, len(lines) - 2, parent.hex()))


if __name__ == "__main__":
    main()

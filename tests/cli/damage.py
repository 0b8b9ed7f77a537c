#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Damages a file in a known way, for the golden cases.

    damage.py flip FILE OFFSET     inverts one bit; a negative offset counts from the end
    damage.py cut FILE SIZE        keeps so many bytes; negative: takes so many from the end
"""
import sys


def main():
    what, path, number = sys.argv[1], sys.argv[2], int(sys.argv[3])
    with open(path, "rb") as file:
        data = bytearray(file.read())
    if what == "flip":
        data[number] ^= 1
    else:
        data = data[:number]
    with open(path, "wb") as file:
        file.write(data)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Mends comment lines that are longer than the house allows, and touches nothing else.

    tools/rewrap.py FILE...

clang-format could reflow comments too, but it takes tables and drawings apart. This moves the words
that do not fit to the front of the next line if that goes on with the same sentence, else to a line
of their own; rulers lose dashes. Lines with runs of blanks, bars or drawings stay for a person.
"""
import re
import sys

COLUMNS_MAX = 100
COMMENT = re.compile(r"^( *(?:\*|//|#)( +))(\S.*)$")
ONE_LINE = re.compile(r"^( *)/\*(\*?) (\S.*\S) \*/$")
FIRST = re.compile(r"^( *)(/\*\*? )(\S.*)$")
RULER = re.compile(r"^( *(?:/\*|#) -+ .*? )(-+)( \*/)?$")


def is_prose(text):
    return not re.search(r"  |\||[\u2500-\u259f]", text)


def continues(prefix, line):
    match = COMMENT.match(line)
    if not match or match.group(1) != prefix or not is_prose(match.group(3)):
        return False
    return not re.match(r"[\\@-]|\d+\.|\*/|//", match.group(3))


def hanging(line, following):
    """The prefix of a deeper next line that goes on with a command or an item, else None."""
    this, next_ = COMMENT.match(line), COMMENT.match(following)
    if re.match(r"\\|- ", this.group(3)) and next_ and len(next_.group(1)) > len(this.group(1)):
        return next_.group(1) if continues(next_.group(1), following) else None
    return None


def split(text, room):
    cut = text.rfind(" ", 0, room + 1)
    return (text[:cut], text[cut + 1:]) if cut > 0 else (text, "")


def rewrap(lines):
    index = 0
    while index < len(lines):
        line = lines[index]
        if len(line) <= COLUMNS_MAX:
            index += 1
            continue
        ruler = RULER.match(line)
        one_line = ONE_LINE.match(line)
        comment = COMMENT.match(line)
        if ruler:
            end = ruler.group(3) or ""
            lines[index] = ruler.group(1) + "-" * (COLUMNS_MAX - len(ruler.group(1) + end)) + end
        elif one_line and is_prose(one_line.group(3)):
            indent, star, text = one_line.groups()
            lines[index:index + 1] = [indent + "/*" + star, indent + " * " + text, indent + " */"]
        elif FIRST.match(line) and index + 1 < len(lines):
            indent, opening, text = FIRST.match(line).groups()
            kept, moved = split(text, COLUMNS_MAX - len(indent + opening))
            prefix = indent + " * "
            if moved and is_prose(text) and lines[index + 1].startswith(prefix):
                lines[index] = indent + opening + kept
                lines[index + 1] = prefix + moved + " " + lines[index + 1][len(prefix):]
        elif comment and is_prose(comment.group(3)):
            prefix = comment.group(1)
            kept, moved = split(comment.group(3), COLUMNS_MAX - len(prefix))
            if not moved:
                index += 1
                continue
            lines[index] = prefix + kept
            prefix = hanging(line, (lines[index + 1:] or [""])[0]) or prefix
            if index + 1 < len(lines) and continues(prefix, lines[index + 1]):
                lines[index + 1] = prefix + moved + " " + lines[index + 1][len(prefix):]
            else:
                lines.insert(index + 1, prefix + moved)
        index += 1
    return lines


def main():
    for path in sys.argv[1:]:
        with open(path, encoding="utf-8") as file:
            before = file.read()
        after = "\n".join(rewrap(before.split("\n")))
        if after != before:
            with open(path, "w", encoding="utf-8") as file:
                file.write(after)
    return 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""Searches the multipliers of the perfect hash in names.c and prints them with the slot table.
Run it from the repository's root when a field name is added to names.h and names.c."""
import random
import re

text = open("src/http/names.c").read()
names = re.findall(r"\[(HTTP_FIELD_\w+)\] = FIELD\(\"([^\"]+)\"\)", text)


def slot(name, k):
    b = [ord(c) | 0x20 for c in name]
    n = len(b)
    return ((n * k[0] + b[0] * k[1] + b[n // 2] * k[2] + b[n - 1] * k[3]) >> 4) & 255


random.seed(1)
while True:
    k = [random.randrange(1, 4096, 2) for _ in range(4)]
    if len({slot(name, k) for _, name in names}) == len(names):
        break
for i, word in enumerate(("N", "FIRST", "MIDDLE", "LAST")):
    print(f"#define NAME_HASH_{word} {k[i]}u")
for s, field in sorted((slot(name, k), field) for field, name in names):
    print(f"    [{s}] = {field},")

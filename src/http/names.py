#!/usr/bin/env python3
"""Searches the multiplier of the perfect hash in names_priv.h and prints it with the slot table
for names.c. Run it from the repository's root when a field name is added to names.h and names.c."""
import re

text = open("src/http/names.c").read()
names = re.findall(r"\[(HTTP_FIELD_\w+)\] = FIELD\(\"([^\"]+)\"\)", text)
names = [(field, name) for field, name in names if len(name) >= 4]
keys = [
    (int.from_bytes(name[-4:].encode(), "little") | 0x20202020) ^ len(name) for _, name in names
]
assert len(set(keys)) == len(keys), "two names with the same length and last four letters"

k = 0x9E3779B1
while len({key * k % 2**32 >> 24 for key in keys}) != len(keys):
    k = (k * 1664525 + 1013904223) % 2**32 | 1
print(f"#define NAME_HASH {k:#x}u")
for s, field in sorted((key * k % 2**32 >> 24, f) for key, (f, _) in zip(keys, names)):
    print(f"    [{s}] = {field},")

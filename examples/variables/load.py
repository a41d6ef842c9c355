#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A monitor in Python, with nothing but ctypes: writes a load figure into the variable table once a
second, and reads it back. Arguments: the table's file, the variable, how often (default: for ever).
TIDEVARS_LIB names the library when it is not installed."""
import ctypes
import os
import sys
import time


class Options(ctypes.Structure):  # struct tidevars_options
    _fields_ = [("path", ctypes.c_char_p), ("numbers", ctypes.c_uint32 * 10)]


class Error(ctypes.Structure):  # struct tidevars_error
    _fields_ = [("status", ctypes.c_int32), ("sys_errno", ctypes.c_int32),
                ("text", ctypes.c_char * 488)]


class Writer(ctypes.Structure):  # struct tidevars_writer
    _fields_ = [("who", ctypes.c_char_p), ("reason", ctypes.c_char_p), ("source", ctypes.c_uint32),
                ("uid", ctypes.c_uint32), ("gid", ctypes.c_uint32), ("pid", ctypes.c_uint32),
                ("wait_ms", ctypes.c_uint32), ("now_boot_ns", ctypes.c_uint64),
                ("now_real_ns", ctypes.c_uint64)]


class Value(ctypes.Structure):  # struct tidevars_value, its union read as a float
    _fields_ = [("type", ctypes.c_uint32), ("flags", ctypes.c_uint32), ("number", ctypes.c_double),
                ("smooth", ctypes.c_double), ("version", ctypes.c_uint64),
                ("until_boot_ns", ctypes.c_uint64), ("written_boot_ns", ctypes.c_uint64),
                ("text_n", ctypes.c_uint32), ("reserved", ctypes.c_uint32),
                ("text", ctypes.c_char * 256)]


lib = ctypes.CDLL(os.environ.get("TIDEVARS_LIB", "libtidevars.so.0"))
lib.tidevars_now_boot_ns.restype = ctypes.c_uint64
error = Error()


def must(status):
    if status != 0:
        sys.exit(error.text.decode())


path, name = os.fsencode(sys.argv[1]), os.fsencode(sys.argv[2])
times = int(sys.argv[3]) if len(sys.argv) > 3 else 0
table, handle, now = ctypes.c_void_p(), ctypes.c_uint32(), Value()
me = Writer(who=b"load.py", reason=b"measured", pid=os.getpid(), uid=os.getuid(), gid=os.getgid())
must(lib.tidevars_open(ctypes.byref(table), ctypes.byref(Options(path=path)), ctypes.byref(error)))
must(lib.tidevars_find(table, name, ctypes.c_size_t(len(name)), ctypes.byref(handle),
                       ctypes.byref(error)))
while True:
    load = min(100.0, 100 * os.getloadavg()[0] / os.cpu_count())
    text = os.environ.get("LOAD", f"{load:.1f}").encode()
    must(lib.tidevars_set_text(table, name, text, ctypes.c_uint64(0), ctypes.byref(me),
                               ctypes.byref(error)))
    lib.tidevars_read(table, handle, ctypes.c_uint64(lib.tidevars_now_boot_ns()),
                      ctypes.byref(now))
    print(f"{now.number:g}", flush=True)
    times -= 1
    if times == 0:
        break
    time.sleep(1)
lib.tidevars_close(ctypes.byref(table))

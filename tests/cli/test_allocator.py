"""Large buffers stay with the process, and only where the command line asks for it."""

import ctypes
import os
import platform
import subprocess
import sys

import pytest

from augmap.cli import allocator
from augmap.cli.allocator import keep_buffers

GLIBC = sys.platform == "linux" and platform.libc_ver()[0] == "glibc"
FAULTS = """
import ctypes, os, resource, sys
{first}
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]
def touch():
    held = [libc.malloc(48 << 20) for _ in range(2)]
    for where in held:
        ctypes.memset(where, 1, 48 << 20)
    for where in held:
        libc.free(where)
touch()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
touch()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(first, **environment):
    """Faults of taking and freeing two buffers of 48 MB for the second time, in a fresh process."""
    clean = {
        k: v for k, v in os.environ.items() if not k.startswith("MALLOC_") and k != "GLIBC_TUNABLES"
    } | environment
    done = subprocess.run(
        [sys.executable, "-c", FAULTS.format(first=first)],
        capture_output=True,
        text=True,
        env={**clean, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=True,
    )
    return int(done.stdout)


@pytest.mark.skipif(not GLIBC, reason="the setting is glibc's")
def test_the_command_line_keeps_what_is_freed_and_an_import_does_not():
    """96 MB are 24,576 pages, fewer where the system gives large ones."""
    kept = page_faults("from augmap.cli.main import configure_process; configure_process()")
    given_back = page_faults("import augmap, augmap.cli.main")
    assert kept < 20
    assert given_back > 40


@pytest.mark.skipif(not GLIBC, reason="the setting is glibc's")
def test_a_wish_of_the_user_stays():
    own = "from augmap.cli.main import configure_process; configure_process()"
    assert page_faults(own, MALLOC_TRIM_THRESHOLD_="131072") > 40


@pytest.mark.parametrize("name", ["GLIBC_TUNABLES", "MALLOC_ARENA_MAX"])
def test_nothing_is_set_beside_the_users_own(name, monkeypatch):
    monkeypatch.setattr(ctypes, "CDLL", lambda name: pytest.fail("the allocator was touched"))
    assert not keep_buffers({name: "1"})


@pytest.mark.parametrize(("system", "libc"), [("darwin", ""), ("win32", ""), ("linux", "musl")])
def test_other_systems_are_left_alone(system, libc, monkeypatch):
    monkeypatch.setattr(allocator.sys, "platform", system)
    monkeypatch.setattr(allocator.platform, "libc_ver", lambda: (libc, ""))
    monkeypatch.setattr(ctypes, "CDLL", lambda name: pytest.fail("the allocator was touched"))
    assert not keep_buffers({})


def test_an_older_library_takes_a_lower_threshold(monkeypatch):
    asked = []

    class Library:
        def mallopt(self, option, value):
            asked.append((option, value))
            return int(option != -3 or value <= 32 << 20)

    monkeypatch.setattr(allocator.sys, "platform", "linux")
    monkeypatch.setattr(allocator.platform, "libc_ver", lambda: ("glibc", "2.31"))
    monkeypatch.setattr(ctypes, "CDLL", lambda name: Library())
    assert keep_buffers({})
    assert asked == [(-1, 2**31 - 1), (-2, 64 << 20), (-3, 2**30), (-3, 32 << 20)]
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())  # a library without it
    assert not keep_buffers({})

"""Freed tensors stay in the process, so that the next one of that size costs no page faults."""

import platform
import subprocess
import sys

import pytest

FAULTS = """
import resource, sys
from models.allocator import keep_freed_memory
if sys.argv[1] == "kept":
    assert keep_freed_memory()
import numpy as np
np.ones(4_000_000, dtype=np.float32)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    np.ones(4_000_000, dtype=np.float32)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is told")
def test_large_arrays_are_not_faulted_in_again() -> None:
    kept, returned = (
        int(subprocess.run([sys.executable, "-c", FAULTS, how], capture_output=True, check=True).stdout)
        for how in ("kept", "returned")
    )
    assert kept < 100
    assert returned > 10 * max(1, kept)

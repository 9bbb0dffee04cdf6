"""How kernels are compiled: cached, without the GIL, and without reference counts."""

from __future__ import annotations

from functools import partial

from numba import njit

kernel = partial(njit, cache=True, nogil=True, error_model="numpy", _nrt=False)
"""Decorator of a kernel, with brackets: ``@kernel()``.

Without numba's run-time for memory a kernel cannot allocate, which the compiler then checks; and handing a
group of arrays from function to function costs nothing, where counting the references of each of its arrays
took longer than fitting a disk (half a microsecond a call).
"""

fast_sums = partial(kernel, fastmath={"contract", "reassoc", "nsz"})
"""The same for loops that add up many numbers: their order may change, so that they vectorise."""

part = partial(kernel, forceinline=True)
"""A named part of a kernel, set into its callers before they are compiled. For functions that take a whole group
of arrays: the machine's way to hand over a group is to copy the description of each array, every time.
"""

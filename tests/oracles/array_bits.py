"""Bits of arrays, to compare them by."""

import numpy as np


def raw(a):
    """Bits to compare: NaN-free and the same for bfloat16 and its uint16 form."""
    return np.ascontiguousarray(a).view(f"u{a.itemsize}")

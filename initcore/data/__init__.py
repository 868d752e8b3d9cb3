"""The bundled digits: 1797 real handwritten digits, 8 x 8 pixels (Alpaydin and Kaynak, UCI, CC BY 4.0).

The file was made by ``tools/make_digits.py``; its licence is ``LICENSE-digits.txt`` beside this file.
"""

from importlib import resources
from typing import NamedTuple

import numpy as np

from .._types import Array

__all__ = ["Split", "load_digits", "split_digits"]

class Split(NamedTuple):
    """Training and test set: ``x (rows, 64)`` float32, ``y (rows,)`` int64."""

    x_train: Array
    y_train: Array
    x_test: Array
    y_test: Array


def load_digits() -> tuple[Array, Array]:
    """Images ``(1797, 64)`` float32 in [0, 1] (ink / 16) and labels ``(1797,)`` int64 in 0..9.

    scikit-learn's ``load_digits(return_X_y=True)`` has the same rows in the same order, with values 0..16.

    >>> x, y = load_digits()
    >>> x.shape, str(x.dtype), float(x.max()), y[:10].tolist()
    ((1797, 64), 'float32', 1.0, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    """
    with resources.files(__name__).joinpath("digits.npz").open("rb") as file, np.load(file) as archive:
        images, labels = archive["images"], archive["labels"]
    return images.astype(np.float32) / np.float32(16), labels.astype(np.int64)


def split_digits(*, center: bool = True) -> Split:
    """The fixed split: rows 2, 5, 8, ... (599 images) are the test set, the other 1198 the training set.

    Every third, because the rows often count 0 to 9 and a step sharing a factor with 10 would favour some digits.
    The same writers stand in both sets, so the test error is that of known handwriting.

    With ``center`` (default) the mean image of the training set is subtracted and everything divided by one
    number, the root mean square of what remains, so that a training pixel has second moment 1 on average;
    the border, nearly always blank, stays near 0. With ``center=False`` the values are in [0, 1].

    >>> s = split_digits()
    >>> len(s.x_train), len(s.x_test), round(float((s.x_train ** 2).mean()), 3)
    (1198, 599, 1.0)
    """
    x, y = load_digits()
    test = np.arange(len(x)) % 3 == 2
    if center:
        exact = x.astype(np.float64)
        exact -= exact[~test].mean(axis=0)
        x = (exact / np.sqrt(np.mean(np.square(exact[~test])))).astype(np.float32)
    return Split(x[~test], y[~test], x[test], y[test])

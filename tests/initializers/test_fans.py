"""Fans: every layout, groups, errors; against counting the weights one by one."""

import itertools
import math

import numpy as np
import pytest

from initcore import errors
from initcore.fans import LAYOUTS, fan, fans

SIZES = {"i": 6, "o": 8, "d": 2, "h": 3, "w": 5}


def brute_force(shape, layout, groups):
    """Count the weights one output (one input) is connected by, from the layer's own definition."""
    transposed = layout in ("iow", "woi", "iohw", "hwoi", "iodhw", "dhwoi")
    per_out, per_in = {}, {}
    for index in itertools.product(*map(range, shape)):
        at = dict(zip(layout, index))
        if transposed:      # the array holds (in, out/groups): input i belongs to group i // (in/groups)
            step = shape[layout.index("i")] // groups
            i, o = at["i"], (at["i"] // step, at["o"])
        else:               # (out, in/groups)
            step = shape[layout.index("o")] // groups
            i, o = (at["o"] // step, at["i"]), at["o"]
        per_out[o] = per_out.get(o, 0) + 1
        per_in[i] = per_in.get(i, 0) + 1
    assert len(set(per_out.values())) == 1 and len(set(per_in.values())) == 1
    return next(iter(per_out.values())), next(iter(per_in.values()))


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_against_counting(layout, groups):
    shape = tuple(SIZES[c] for c in layout)
    got = fans(shape, layout=layout, groups=groups)
    assert got[:2] == brute_force(shape, layout, groups)
    assert got.receptive_field == math.prod(SIZES[c] for c in layout if c in "dhw")
    assert fans(shape, layout=layout.upper(), groups=groups) == got


def test_known_tables():
    assert fans((784, 256)) == (784, 256, 1)
    assert fans((256, 784), layout="oi") == (784, 256, 1)
    assert fans((64, 3, 7, 7), layout="oihw") == (147, 3136, 49)             # ResNet's first layer
    assert fans((7, 7, 3, 64), layout="hwio") == (147, 3136, 49)
    assert fans((32, 1, 3, 3), layout="oihw", groups=32) == (9, 9, 9)        # depthwise
    assert fans((5, 0)) == (5, 0, 1)


@pytest.mark.parametrize("mode, want", [("fan_in", 4), ("fan_out", 16), ("fan_avg", 10), ("fan_geo_avg", 8), (3, 3),
                                        (np.int64(7), 7)])
def test_modes(mode, want):
    assert fan((4, 16), mode) == want


def test_layout_is_required_above_two_dimensions_and_the_error_tells_the_spelling():
    with pytest.raises(errors.ShapeError) as e:
        fans((64, 3, 7, 7))
    for word in ("PyTorch nn.Conv2d", "'oihw'", "'hwio'", "Keras", "JAX", "'iohw'", "(64, 3, 7, 7)"):
        assert word in str(e.value)
    with pytest.raises(errors.ShapeError, match=r"layout='oiw'.*'wio'.*'iow'"):
        fans((4, 4, 3))
    with pytest.raises(errors.ShapeError, match=r"layout='oidhw'.*'dhwio'.*'iodhw'"):
        fans((4, 4, 3, 3, 3))


@pytest.mark.parametrize("call, kind, words", [
    (lambda: fans((3, 4), layout="oihw"), errors.ShapeError, "names 4 axes"),
    (lambda: fans((3, 4, 3, 3), layout="io"), errors.ShapeError, "names 2 axes"),
    (lambda: fans((3, 4, 3, 3), layout="oihv"), errors.UnknownNameError, "did you mean 'oihw'"),
    (lambda: fans((3, 4), layout=3), errors.ArgumentTypeError, "must be a string"),
    (lambda: fans((10, 4, 3, 3), layout="oihw", groups=3), errors.ShapeError, "does not divide the output axis"),
    (lambda: fans((10, 4, 3, 3), layout="iohw", groups=3), errors.ShapeError, "does not divide the input axis"),
    (lambda: fans((10, 4), groups=0), errors.ArgumentError, "groups must be at least 1"),
    (lambda: fans((10, 4), groups=True), errors.ArgumentTypeError, "groups must be an integer"),
    (lambda: fans((10,)), errors.ShapeError, "bias"),
    (lambda: fans(()), errors.ShapeError, "0 dimension"),
    (lambda: fans((1,) * 6, layout="oihw"), errors.ShapeError, "6 dimension"),
    (lambda: fans((3, -1)), errors.ShapeError, "negative"),
    (lambda: fans((3.0, 1)), errors.ArgumentTypeError, "integer"),
    (lambda: fan((0, 4)), errors.ShapeError, "fan_in is 0"),
    (lambda: fan((4, 0), "fan_out"), errors.ShapeError, "fan_out is 0"),
    (lambda: fan((4, 0), "fan_avg"), errors.ShapeError, "fan_out is 0"),
    (lambda: fan((3, 4), "fan_inn"), errors.UnknownNameError, "did you mean 'fan_in'"),
    (lambda: fan((3, 4), 0), errors.ArgumentError, "at least 1"),
    (lambda: fan((3, 4), True), errors.ArgumentTypeError, "mode"),
    (lambda: fan((3, 4), -2.5), errors.ArgumentError, "mode must be at least 1, or a positive fraction"),
    (lambda: fan((3, 4), math.inf), errors.ArgumentError, "mode must be finite"),
    (lambda: fan((3, 4), (2, 3)), errors.ArgumentTypeError, "mode must be one of fan_in, fan_out"),
])
def test_errors(call, kind, words):
    with pytest.raises(kind, match=words):
        call()

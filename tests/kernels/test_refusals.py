"""Every compiled function, public or not, given wrong things for every argument: the same mistake gets the same
exception and the same words everywhere, nothing is read or written that should not be, nothing is half written."""

import inspect

import numpy as np
import pytest

import initcore as ic
from initcore import errors
from initcore.reference import field

K = ic.kernels
F32, F64, U64 = np.float32, np.float64, np.uint64
RNG = np.random.default_rng(5)
FIELDS = field.drawn()
X, W, B, DY = (RNG.standard_normal(s).astype(F32) for s in ((4, 3), (3, 5), (5,), (4, 5)))
# name -> a good call; arrays are made anew for each test
CALLS = {
    "matmul": {"a": X, "b": W, "out": np.zeros((4, 5), F32), "threads": 1},
    "_matmul_add": {"a": X, "b": W, "out": np.zeros((4, 5), F32)},
    "dense_forward": {"x": X, "w": W, "b": B, "activation": "tanh", "out": np.zeros((4, 5), F32),
                      "z_out": np.zeros((4, 5), F32), "threads": None},
    "dense_backward": {"x": X, "w": W, "b": B, "activation": "tanh", "dy": DY, "z": X @ W + B, "y": None,
                       "out": (np.zeros((4, 3), F32), np.zeros((3, 5), F32), np.zeros(5, F32)), "threads": 2,
                       "need_dx": True},
    "activation_forward": {"activation": "gelu", "z": DY, "out": np.zeros((4, 5), F32), "threads": 1},
    "activation_backward": {"activation": "sigmoid", "z": DY, "dy": DY, "out": np.zeros((4, 5), F32), "threads": 1},
    "loss": {"name": "mse", "prediction": DY, "target": DY * 2},
    "signals": {"activation": "tanh", "z": DY, "a": np.tanh(DY), "zero": (-1.0, 1.0)},
    "random_fill": {"distribution": 2, "kind": 1, "method": 0, "words": (1, 2, 3, 4), "out": np.zeros((4, 5), F32),
                    "whole": (9, 9), "first": (5, 4), "params": (0.0, 1.0), "threads": 1},
    "_ties_project": {"w": W, "v": RNG.standard_normal((2, 3))},
    "_ties_fields": {"w": W, "r": np.arange(6, dtype=U64).reshape(2, 3), "p": FIELDS.p.ravel(),
                     "inverse": FIELDS.inverse_p.ravel(), "powers": FIELDS.powers},
    "_ties_multisets": {"w": W, "colour": np.arange(6, dtype=U64).reshape(2, 3), "sign": np.ones(3), "both": True},
    "_ties_look": {"w": W},
    "_weights_statistics": {"w": W, "tiny": 1e-38, "small": 1e-8},
    "_weights_sums": {"w": W, "u": np.arange(3.0), "v": np.ones(3)},
}
# without arguments to refuse, or refused with None
OTHERS = {"variants": {}, "build_info": {}, "_chain_gradients": dict.fromkeys(("layers", "x", "labels", "threads"))}
INPUTS = [(f, a) for f, call in CALLS.items() for a, v in call.items() if isinstance(v, np.ndarray) and "out" not in a]
OUTPUTS = [(f, a) for f, call in CALLS.items() for a in call if a in ("out", "z_out") and f != "dense_backward"]
WHOLE = {"v", "u", "r", "colour", "sign", "p", "inverse", "powers"}   # one exact dtype: made by the callers
LONE = {"_ties_look", "_weights_statistics"}    # no other array that w must fit
FLEXIBLE = {("activation_forward", "z"), ("activation_backward", "z"), ("loss", "prediction"), ("loss", "target")}


def compiled():
    """The names of all functions and classes of the compiled module but Cython's own for the module itself."""
    own = {"__reduce_cython__", "__setstate_cython__"}
    return {n for n in dir(K) if callable(getattr(K, n)) and getattr(K, n).__module__ == K.__name__} - own


def copied(call):
    """A call's arguments, with arrays of their own."""
    return {k: v.copy() if isinstance(v, np.ndarray) else tuple(a.copy() for a in v)
            if isinstance(v, tuple) and v and isinstance(v[0], np.ndarray) else v for k, v in call.items()}


def call(name, changed=()):
    """The function on its good call with some arguments changed."""
    arguments = copied(CALLS[name]) | dict(changed)
    function = getattr(K, name)
    positional = [p.name for p in inspect.signature(function).parameters.values() if p.kind != p.KEYWORD_ONLY]
    return function(*[arguments.pop(p) for p in positional], **arguments)


def arrays_of(result):
    """All arrays in a result, in order."""
    if isinstance(result, np.ndarray):
        return [result]
    if isinstance(result, dict):
        return [a for v in result.values() for a in arrays_of(v)]
    return [a for v in result for a in arrays_of(v)] if isinstance(result, tuple) else [np.asarray(result)]


def test_the_table_is_complete():
    assert compiled() == CALLS.keys() | OTHERS.keys()
    for name, arguments in {**CALLS, **OTHERS}.items():
        assert set(inspect.signature(getattr(K, name)).parameters) == set(arguments), name
        if name in CALLS:
            call(name)


@pytest.mark.parametrize(("function", "argument"), INPUTS)
@pytest.mark.parametrize("wrong", [
    None, "text", b"text", object(), {"a": 1}, 1j, [[1, "a"]], np.array(["a"]), np.array([None]),
    np.zeros((4, 5), np.int32), np.zeros((4, 5), complex), np.zeros((4, 5), "M8[s]"), np.zeros((4, 5), bool),
    np.zeros((4, 5), [("a", "f4")])], ids=lambda v: type(v).__name__)
def test_what_holds_no_numbers(function, argument, wrong):
    if wrong is None and (function, argument) in (("dense_forward", "b"), ("dense_backward", "b"),
                                                  ("dense_backward", "z"), ("activation_backward", "dy")):
        return                                  # None says that there is none
    if (function, argument) == ("loss", "target") and getattr(wrong, "dtype", None) in (np.int32, bool):
        return                                  # integers and truth values are targets
    with pytest.raises(errors.DTypeError, match=rf"^{argument} (must hold|has dtype)"):
        call(function, {argument: wrong})


@pytest.mark.parametrize(("function", "argument"), [i for i in INPUTS if i[1] not in WHOLE])
def test_rows_of_different_lengths(function, argument):
    with pytest.raises(errors.ShapeError, match=f"^{argument} has no shape"):
        call(function, {argument: [[1.0, 2.0], [3.0]]})


@pytest.mark.parametrize(("function", "argument"), INPUTS)
def test_another_precision(function, argument):
    good = CALLS[function][argument]
    lone = argument in ("a", "x", "w", "z", "prediction") and function != "dense_forward" \
        and (function, argument) not in (("dense_backward", "w"), ("dense_backward", "z"), ("signals", "a"))
    other = {F32: F64, F64: F32, U64: np.int64}[good.dtype.type]
    name = argument
    if lone:                                    # it sets the precision; the next one is refused
        others = [a for f, a in INPUTS if f == function and a != argument and a not in WHOLE]
        if not others:
            call(function, {argument: good.astype(other)} | ({"out": None} if "out" in CALLS[function] else {}))
            return
        name = others[0]
    elif (function, argument) == ("dense_forward", "x"):
        name = "w"
    with pytest.raises(errors.DTypeError, match=rf"^{name} (has dtype|must hold)"):
        call(function, {argument: good.astype(other)})


@pytest.mark.parametrize(("function", "argument"), INPUTS)
def test_another_rank(function, argument):
    good = CALLS[function][argument]
    for wrong in (good[None], good[0, ...], np.array(good.sum())):
        if (function, argument) in FLEXIBLE or (function, argument) == ("activation_backward", "dy"):
            words = "(z|dy|out|target) has shape"
        else:
            words = rf"^{argument} must have {good.ndim} dimension\(s\), got shape"
        with pytest.raises(errors.ShapeError, match=words):
            call(function, {argument: wrong})


@pytest.mark.parametrize(("function", "argument"), INPUTS)
def test_another_length(function, argument):
    good = CALLS[function][argument]
    for axis in range(good.ndim):
        free = {("_ties_fields", "r"): 0, ("_ties_multisets", "colour"): 0}.get((function, argument))
        units = argument == "w" and axis == 1 and function.startswith(("_ties", "_weights"))
        if axis == free or function in LONE or units:
            continue
        for other in (good.take(range(good.shape[axis] - 1), axis), np.repeat(good, 2, axis),
                      good.take(range(0), axis)):
            with pytest.raises(errors.ShapeError, match=r"has shape \(.*\)"):
                call(function, {argument: other})


@pytest.mark.parametrize(("function", "argument"), OUTPUTS)
def test_outputs_that_do_not_fit(function, argument):
    frozen = np.zeros((4, 5), F32)
    frozen.flags.writeable = False
    spread = np.lib.stride_tricks.as_strided(np.zeros(40, F32), (4, 5), (8, 4))
    for wrong, error, words in (
            ([[0.0] * 5] * 4, errors.ArgumentTypeError, "must be a NumPy array, got"),
            ("text", errors.ArgumentTypeError, "must be a NumPy array, got"),
            (np.zeros((4, 5)), errors.DTypeError, "has dtype float64, but the result is float32"),
            (np.zeros((4, 5), ">f4"), errors.DTypeError, "has dtype >f4, but the result is float32"),
            (np.zeros((4, 6), F32), errors.ShapeError, r"(has shape \(4, 6\)|leaves axis 1)"),
            (np.zeros((4, 5, 1), F32), errors.ShapeError, r"(has shape \(4, 5, 1\)|2 entries)"),
            (frozen, errors.ArgumentError, "is read-only; pass a writable array"),
            (np.broadcast_to(np.zeros(5, F32), (4, 5)), errors.ArgumentError, "is read-only"),
            (spread, errors.ArgumentError, "has overlapping elements")):
        with pytest.raises(error, match=rf"{words}"):
            call(function, {argument: wrong})


def test_outputs_of_the_backward_pass_that_do_not_fit():
    good = CALLS["dense_backward"]["out"]
    for at, name in enumerate(("dx", "dw", "db")):
        for change, error, words in ((lambda a: a.tolist(), errors.ArgumentTypeError, "must be a NumPy array"),
                                     (lambda a: a.astype(F64), errors.DTypeError, "has dtype float64"),
                                     (lambda a: np.repeat(a, 2, 0), errors.ShapeError, "has shape"),
                                     (lambda a: np.broadcast_to(a, a.shape), errors.ArgumentError, "is read-only")):
            out = [a.copy() for a in good]
            out[at] = change(out[at])
            with pytest.raises(error, match=rf"^out\[{at}\] \({name}\) {words}"):
                call("dense_backward", {"out": tuple(out)})
            assert all((np.asarray(a) == 0).all() for a in out)


JUNK = [
    None, True, False, 0, -1, 3, 10 ** 30, -10 ** 400, 1.5, float("nan"), float("inf"), 1j, "", "tanh", "text", b"x",
    (), (1,), (1, 2), (None, None), ("a", "b"), (10 ** 30,) * 4, (-1,) * 2, (0,) * 70, [], [1.0, 2.0],
    [[1.0], [2.0, 3.0]], [10 ** 400], {}, object(), type, len, float, np.float32(1), np.array(1.0), np.zeros(0),
    np.zeros((0, 0), F32),
    np.zeros((4, 5), np.float16), np.zeros((4, 5), np.longdouble), np.zeros((2,) * 20, F32), np.array([None]),
    np.broadcast_to(F32(1), (1 << 40, 1 << 10)), np.broadcast_to(F32(1), (3, 1 << 58)),
    np.ma.masked_array([1.0, 2.0]), np.zeros(3, [("a", "f4"), ("b", "i1")])["a"]]


@pytest.mark.parametrize(("function", "argument"), [(f, a) for f, call in CALLS.items() for a in call])
def test_anything_for_anything(function, argument):
    """Whatever it is: a result, or an exception of ours, and then every output is what it was."""
    for junk in JUNK:
        if isinstance(junk, np.ndarray) and junk.size > 1 << 40 and function in LONE and argument == "w":
            continue                            # it would be looked at, for weeks
        outs = [np.full((4, 5), 7, F32), np.full((4, 5), 7, F32)]
        three = (np.full((4, 3), 7, F32), np.full((3, 5), 7, F32), np.full(5, 7, F32))
        changed = {n: outs[i] for i, n in enumerate(("out", "z_out")) if n in CALLS[function]}
        if function == "dense_backward":
            changed = {"out": three}
        changed |= {argument: junk}
        try:
            call(function, changed)
        except (errors.InitcoreError, MemoryError) as e:
            assert str(e) or isinstance(e, MemoryError)
            assert all((a == 7).all() for a in (*outs, *three)), (junk, "an output was written")


def odd(a):
    """The same array one byte off its alignment."""
    raw = np.zeros(a.nbytes + 1, np.uint8)
    moved = raw[1:].view(a.dtype).reshape(a.shape)
    moved[...] = a
    assert not moved.flags.aligned
    return moved


@pytest.mark.parametrize("function", CALLS)
def test_misaligned_arrays_are_read_and_written(function):
    want = arrays_of(call(function))
    for argument, good in CALLS[function].items():
        if isinstance(good, np.ndarray):
            moved = odd(good)
            got = arrays_of(call(function, {argument: moved}))
            for g, w in zip(got, want):
                assert g.tobytes() == w.tobytes(), argument
            if argument == "out":
                good_out = np.zeros((4, 5), F32)
                call(function, {"out": good_out})
                assert moved.tobytes() == good_out.tobytes() and good_out.any()
    if function == "dense_backward":
        out = tuple(odd(a) for a in CALLS[function]["out"])
        for g, w in zip(call(function, {"out": out}), want):
            assert g.tobytes() == w.tobytes()


def test_a_callable_activation_is_refused_the_same_way_everywhere():
    for function in ("dense_forward", "dense_backward", "activation_forward", "activation_backward", "signals"):
        with pytest.raises(errors.ArgumentTypeError, match="callable without a compiled kernel"):
            call(function, {"activation": lambda v: v})
        with pytest.raises(errors.UnknownNameError, match="did you mean 'tanh'"):
            call(function, {"activation": "tanhh"})


def test_losses_without_axes():
    for name, want in (("mse", 4.0), ("binary_cross_entropy", np.log1p(np.exp(3.0)) - 3.0)):
        value, grad = K.loss(name, np.array(3.0), np.array(1.0))
        assert value == pytest.approx(want) and grad.shape == () and np.isfinite(grad)
    with pytest.raises(errors.ShapeError, match="logits"):
        K.loss("softmax_cross_entropy", np.array(3.0), np.array(1.0))


def test_sizes_beyond_all_memory():
    column, row = np.broadcast_to(F32(1), (1 << 40, 1)), np.broadcast_to(F32(1), (1, 1 << 40))
    with pytest.raises(errors.ShapeError, match="more than there can be memory for"):
        K.matmul(column, row)


@pytest.mark.parametrize("method", range(5))
def test_parameters_of_no_distribution_reach_no_memory(method):
    """What comes of them is of no use, but it comes from the tables and goes where it should."""
    for kind, dtype in ((1, F32), (2, F64), (3, np.float16)):
        for params in ((), (0.0,) * 8, (-1e300,) * 8, (1e300,) * 8, (float("inf"),) * 8, (0.0, 1.0, -9.0, 9.0, -1e9)):
            whole = np.zeros(200, dtype)
            call("random_fill", {"distribution": 3, "kind": kind, "method": method, "params": params, "whole": None,
                                 "first": None, "out": whole[50:150]})
            assert not whole[:50].any() and not whole[150:].any()

"""Recurrent layers of .keras files with states, masks and both directions: Keras's own numbers, run in NumPy."""

import numpy as np
import pytest

keras = pytest.importorskip("keras")
pytest.importorskip("h5py")

from keras import layers  # noqa: E402

from initcore._running import forward, unrolled  # noqa: E402
from initcore.files import check_file, open_weights  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def reset_before():
    return keras.Sequential([keras.Input((5, 3)), layers.GRU(4, reset_after=False, return_sequences=True),
                             layers.GRU(3, reset_after=False, use_bias=False), layers.Dense(2)])


def translation():
    """A decoder that starts from the encoder's states."""
    first, second = keras.Input((5, 3)), keras.Input((5, 2))
    _, h, c = layers.LSTM(4, return_state=True)(first)
    y = layers.LSTM(4, return_sequences=True)(second, initial_state=[h, c])
    y, last = layers.GRU(3, return_sequences=True, return_state=True)(y)
    return keras.Model([first, second], layers.Concatenate()([layers.Flatten()(y), last]))


def both(mode):
    def make():
        x = keras.Input((5, 3))
        y = layers.Bidirectional(layers.GRU(4, return_sequences=True), merge_mode=mode)(x)
        y = layers.Add()(y) if mode is None else y
        return keras.Model(x, layers.Bidirectional(layers.LSTM(2), merge_mode=mode)(y) if mode else y)
    return make


def masked():
    return keras.Sequential([keras.Input((5,), dtype="int32"), layers.Embedding(11, 6, mask_zero=True), layers.LSTM(4),
                             layers.Dense(2)])


@pytest.mark.parametrize("make", [reset_before, translation, both("concat"), both("sum"), both("mul"), both("ave"),
                                  both(None), masked], ids=["reset", "translation", "concat", "sum", "mul", "ave",
                                                            "none", "masked"])
def test_numbers_are_keras(make, tmp_path):
    model, rng = make(), np.random.default_rng(3)
    model.set_weights([rng.normal(size=w.shape) for w in model.get_weights()])
    model.save(tmp_path / "net.keras")
    weights = open_weights(tmp_path / "net.keras")
    program, _ = unrolled(weights.graph(weights))
    xs = [rng.integers(1, 11, v.shape) if "int" in v.dtype else rng.normal(size=v.shape).astype("float32")
          for v in program.inputs]
    run = forward(program, [dict(zip(program.inputs, xs))], {p.value: np.asarray(p.read()) for p in program.parameters})
    theirs = np.asarray(keras.ops.convert_to_numpy(model(xs[0] if len(xs) == 1 else xs)))
    assert np.allclose(run.values[program.outputs[0]][0], theirs, atol=1e-5)
    report = check_file(tmp_path / "net.keras", select=["SYM", "TEN"])
    assert report.coverage.nothing == 0 and report.network.signal is not None, report
    assert report.coverage.network == 1 or make is translation       # units as first states: no proof of the decoder
    assert any("masks" in note for note in report.notes) == (make is masked)

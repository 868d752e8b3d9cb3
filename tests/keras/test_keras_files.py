"""What Keras saves is read back without Keras: the model's own numbers, ties found, and no code of a file run."""

import numpy as np
import pytest

keras = pytest.importorskip("keras")
torch = pytest.importorskip("torch")
pytest.importorskip("h5py")

from exact_program import run  # noqa: E402
from keras import layers  # noqa: E402

from initcore.files import check_file, open_weights  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")      # Keras's own way of asking for arrays


def image():
    """Convolutions of every kind, pools, norms."""
    return keras.Sequential([
        keras.Input((12, 12, 3)), layers.Conv2D(8, 3, strides=2, padding="same", activation="relu"),
        layers.BatchNormalization(), layers.DepthwiseConv2D(3, depth_multiplier=2), layers.SpatialDropout2D(0.1),
        layers.SeparableConv2D(6, 2, activation="silu"), layers.Conv2DTranspose(4, 3, strides=2, padding="same"),
        layers.GroupNormalization(2), layers.ZeroPadding2D(((0, 1), (2, 1))), layers.AveragePooling2D(2),
        layers.UpSampling2D(2), layers.MaxPooling2D(3, strides=2), layers.LeakyReLU(0.1),
        layers.GlobalAveragePooling2D(), layers.Dense(5, activation="softmax")])


def words():
    """Tokens through attention, cells both ways, a shared layer, a model inside."""
    tokens = keras.Input((5,), dtype="int32")
    x = layers.Embedding(11, 8)(tokens)
    x = layers.LayerNormalization()(layers.Add()([x, layers.MultiHeadAttention(2, 3)(x, x, use_causal_mask=True)]))
    x = layers.Bidirectional(layers.LSTM(6, return_sequences=True))(x)
    x = layers.TimeDistributed(layers.Dense(7, activation="gelu"))(x)
    x = layers.SimpleRNN(4, return_sequences=True, go_backwards=True, use_bias=False)(x)
    x = layers.GRU(6)(x)
    shared = layers.Dense(6, activation="tanh")
    x = shared(layers.Dropout(0.2)(shared(x)))
    inner = keras.Sequential([layers.Dense(4, use_bias=False), layers.Activation("elu"), layers.Dense(3)])
    return keras.Model(tokens, inner(x) * 2.0 + 1.0)


def signal():
    """One dimension, positions beside each other, two inputs."""
    wave, more = keras.Input((16, 2)), keras.Input((4,))
    x = layers.Conv1D(6, 3, padding="causal", dilation_rate=2, activation="softplus")(wave)
    x = layers.Permute((2, 1))(layers.MaxPooling1D(2)(x))
    x = layers.Reshape((8, 6))(layers.PReLU()(x))
    x = layers.GlobalMaxPooling1D()(x)
    x = layers.Concatenate()([x, layers.ReLU(max_value=6.0)(layers.Dense(3)(more))])
    x = layers.RepeatVector(2)(x)
    x = layers.Average()([x, layers.Multiply()([x, layers.Rescaling(0.5, 1.0)(x)])])
    return keras.Model([wave, more], layers.Flatten()(x))


@pytest.fixture
def saved(tmp_path):
    """Saves a model; its path."""
    def save(model):
        model.save(tmp_path / "net.keras")
        return tmp_path / "net.keras"
    return save


@pytest.mark.parametrize("make", [image, words, signal], ids=lambda f: f.__name__)
def test_the_file_holds_what_the_model_computes(make, saved):
    keras.utils.set_random_seed(0)
    model = make()
    weights = open_weights(saved(model))
    program = weights.graph(weights)
    assert not [op.source for op in program.ops if op.kind == "opaque"]
    rng = np.random.default_rng(0)
    inputs = [torch.tensor(rng.normal(size=v.shape).astype("float32") if "float" in v.dtype else
                           rng.integers(0, 11, v.shape)) for v in program.inputs]
    for layer in model._flatten_layers():
        if "Dropout" in type(layer).__name__:
            layer.rate = 0.0
    wanted = np.asarray(keras.ops.convert_to_numpy(model([t.numpy() for t in inputs] if len(inputs) > 1 else
                                                         inputs[0].numpy(), training=True)))
    made = run(program, inputs)
    assert len(made) == 1
    np.testing.assert_allclose(made[0].detach().numpy(), wanted, rtol=2e-5, atol=2e-6)
    report = check_file(saved(model), optimizer="adam")
    assert report.coverage.network > 0.9 and not any(f.severity == "fail" for f in report.findings), str(report)


def test_a_stack_of_dense_layers_is_the_network_with_its_activations(saved):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((6,)), layers.Dense(9, "relu"), layers.Dense(7, "selu"), layers.Dense(2)])
    report = check_file(saved(model))
    assert report.network.net.widths == (6, 9, 7, 2) and report.coverage.network == 1
    assert [la.activation.name for la in report.network.net.layers] == ["relu", "selu", "identity"]
    assert np.array_equal(report.network.net.layers[1].w, keras.ops.convert_to_numpy(model.layers[1].kernel))


def test_tied_units_are_found_through_the_file(saved):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((8, 8, 3)), layers.Conv2D(6, 3, kernel_initializer="ones", activation="tanh"),
                              layers.Conv2D(4, 3, kernel_initializer="ones"), layers.Flatten(), layers.Dense(2)])
    report = check_file(saved(model))
    found = [f for f in report.findings if f.rule == "SYM101"]
    assert found and found[0].tensor == "layers/conv2d/kernel" and not report.ok


def test_a_layer_of_code_is_opaque_and_its_code_stays_where_it_is(saved):
    model = keras.Sequential([keras.Input((6,)), layers.Dense(8), layers.Lambda(lambda x: x + 1), layers.Dense(3)])
    report = check_file(saved(model))
    assert report.coverage.network == 1 and "keras.Lambda" in str(report)

    @keras.saving.register_keras_serializable("mine")
    class Odd(layers.Layer):
        def build(self, shape):
            self.k = self.add_weight(shape=(shape[-1], 4))

        def call(self, x):
            return keras.ops.matmul(x, self.k)
    model = keras.Sequential([keras.Input((6,)), layers.Dense(8), Odd(), layers.Dense(3)])
    report = check_file(saved(model))
    assert report.coverage.network == pytest.approx(1 - 32 / model.count_params())
    assert "keras.Odd" in str(report)

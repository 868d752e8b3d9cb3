"""How Keras 3 names the variables of a layer in a file, and what they are called in a layer."""

from __future__ import annotations

import re

# What Keras 3 numbers vars/0, vars/1, ... in a layer whose folder is called so.
_VARIABLES = ((r"(lstm|gru|simple_rnn|rnn)_cell|cell", ("kernel", "recurrent_kernel", "bias")),
              (r"batch_normalization", ("gamma", "beta", "moving_mean", "moving_variance")),
              (r"(layer|group|rms|unit)_normalization", ("gamma", "beta")),
              (r"embedding", ("embeddings",)),
              (r"(separable|depthwise)_conv\dd", ("depthwise_kernel", "pointwise_kernel", "bias")),
              (r".*", ("kernel", "bias")))


def keras_name(path: str) -> str:
    """The path with Keras 3's numbered variables named as Keras 2 did: layers/dense_1/vars/0 is its kernel."""
    bare = path.strip("/")
    match = re.fullmatch(r"(?:_layer_checkpoint_dependencies/|model_weights/)?(.*?)/vars/(\d{1,6})", bare)
    if not match:
        return bare.removeprefix("model_weights/")
    owner = match[1].rsplit("/", 1)[-1]
    names = next(names for pattern, names in _VARIABLES if re.fullmatch(rf"(?:{pattern})(?:_\d+)?", owner))
    number = int(match[2])
    return f"{match[1]}/{names[number]}" if number < len(names) else bare

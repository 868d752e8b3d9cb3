# Elementwise activations: checked wrappers. (Placeholder bodies: the NumPy twin.)


def activation_forward(activation, z, *, out=None, threads=None):
    return _ref.activation_forward(activation, z)


def activation_backward(activation, z, dy, *, out=None, threads=None):
    return _ref.activation_backward(activation, z, dy)

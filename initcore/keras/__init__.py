"""Keras 3: initialisers that are saved with the model and never repeat themselves, and models filled by rules (extra
``keras``).

``ik.HeNormal(rng=0)`` and its kin stand where Keras' own stand; ``ik.initialize`` fills every variable from the key of
its path. On the torch, JAX and NumPy backends; TensorFlow's is refused.
"""

from .._doors import called_by
from ..errors import needs

needs("keras", "keras", "initcore.keras", ", and KERAS_BACKEND=torch, jax or numpy before the first import")

from .._named import Table
from ._further import (
    DeltaOrthogonal,
    Dirac,
    Embedding,
    MupStd,
    Siren,
    SmallInit,
    Sparse,
    Spectral,
    TorchDefault,
    WangInit,
)
from ._models import initialize
from ._plain import Constant, Identity, Ones, Orthogonal, RandomNormal, RandomUniform, TruncatedNormal, Zeros
from ._programs import check, program
from ._scaling import (
    GlorotNormal,
    GlorotUniform,
    HeNormal,
    HeUniform,
    LecunNormal,
    LecunUniform,
    VarianceScaling,
)
from ._streams import Initializer

__all__ = ["Constant", "DeltaOrthogonal", "Dirac", "Embedding", "GlorotNormal", "GlorotUniform", "HeNormal",
           "HeUniform", "Identity", "Initializer", "LecunNormal", "LecunUniform", "MupStd", "Ones", "Orthogonal",
           "RandomNormal", "RandomUniform", "Siren", "SmallInit", "Sparse", "Spectral", "Table", "TorchDefault",
           "TruncatedNormal", "VarianceScaling", "WangInit", "Zeros", "check", "initialize", "program"]

called_by(globals())

"""Build: `pip install --no-build-isolation .` where initcore and Cython are installed."""

from Cython.Build import cythonize
from setuptools import Extension, setup

import initcore

setup(ext_modules=cythonize([Extension("initcore_consumer", ["initcore_consumer.pyx"])],
                            include_path=[initcore.get_include()], language_level=3))

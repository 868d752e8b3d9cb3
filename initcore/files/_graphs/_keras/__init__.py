"""Keras's config of a model and its layers."""

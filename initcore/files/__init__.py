"""Weights and networks on disk, read safely."""

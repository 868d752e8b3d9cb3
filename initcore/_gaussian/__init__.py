"""Gaussian expectations of an activation: quadrature, closed forms, shares, pairs."""

"""The coarsest partition of units that training cannot split: signatures of their weights, compared exactly."""

"""Models of transformers by their ``config.json``."""

"""Watching a training run: do units stay apart, do activations stay alive?"""

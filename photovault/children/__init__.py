"""Processes of our own that are asked over a line: ``pool.Pool`` keeps them, ``process.Process`` is one, ``frames`` is what is said.

The decoders and the face workers are such children.  What they may do is decided in ``sandbox``, by themselves.
"""

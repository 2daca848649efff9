"""Symbolic execution of constructors: what a model class builds, as a function of its config.

The source of `__init__` is interpreted with every field of the config as a symbol. Where an `if` cannot be decided both
branches are run and their effects merged; a loop over a symbolic range is run once, with its index as a symbol. So the
names of tensors, the conditions under which they exist and their shapes come out as expressions, without sampling.
"""

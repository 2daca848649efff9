"""hfcheck says what a loader would do with a model repository, without running anything from it."""

__version__ = "0.1.0"

"""Holds the pickle machine against the unpicklers of Python itself, on streams that nobody wrote."""

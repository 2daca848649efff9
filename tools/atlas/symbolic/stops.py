"""What stops the interpreter."""


class Unsupported(Exception):
    """Something in a constructor that the interpreter cannot follow."""


class Raised(Exception):
    """The constructor raises on every path."""


class Endless(Exception):
    """A constructor that would take too long."""

"""The command `hfcheck dry-run`: what it is asked on a command line, and how it answers."""

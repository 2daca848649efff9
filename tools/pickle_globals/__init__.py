"""The tables of `schemas/pickle-globals.json`, and how the names in them are read from releases."""

"""The token table of hfcheck against the tokenizers that transformers makes of the same files."""

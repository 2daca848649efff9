"""The only room whose programs may import numpy, torch or transformers: each runs in a process of its own."""

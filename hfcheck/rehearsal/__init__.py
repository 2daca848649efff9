"""The only room that may import torch or transformers. Its modules are programs: each runs in a process of its own."""

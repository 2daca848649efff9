"""What `from_pretrained` of transformers would do with these headers and this config, without torch."""

"""Whether hfcheck says the same of a model that is saved as safetensors and as `.bin`."""

"""From files of `torch.save` to safetensors, without unpickling: bytes are copied from where a pickle says they are."""

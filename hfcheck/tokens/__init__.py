"""The token table: what `AutoTokenizer.from_pretrained` of transformers 5.23 makes of the files of a folder."""

"""hfcheck and other scanners side by side, on hostile and benign pickles that are made here."""

"""A second opinion about pickles, from another tool: it stands beside the verdict of hfcheck and is no part of it."""

"""Networks built with PyTorch, one file for each architecture."""

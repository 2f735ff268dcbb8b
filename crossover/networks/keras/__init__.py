"""Networks built with Keras, one file for each architecture."""

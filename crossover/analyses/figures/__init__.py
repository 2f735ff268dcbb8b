"""The figures, one module each, and what they share: style, planes of images, parts of captions."""

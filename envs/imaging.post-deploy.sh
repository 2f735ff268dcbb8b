#!/usr/bin/env bash
# Built with the numpy that the environment has.
python -m pip install --quiet --no-deps --no-build-isolation pyradiomics==3.0.1

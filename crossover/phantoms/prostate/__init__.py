"""Synthetic cohorts of prostate MRI at three sites, written as DICOM with the masks beside it.

A patient is a function of the cohort's settings, its seed and the patient's index alone:

>>> source = ProstateSource(site="B", patients=30, seed=5, matrix=128, slices=(18, 20),
...                         slice_thickness_mm=4)
>>> patient_id(source, 7)
'SYN-PROSTATE-B-0007'

`write_patient` writes what a scanner and an archive would have sent: `<patient>/T2W/*.dcm`, two series
that nobody asks for, and the mask as an NRRD with both zones (A and B) or as DICOM slices in
`<patient>/GT/prostate` (C); it returns the patient's clinical row. Every file says that it is
synthetic, and two runs write the same bytes. Patients are simulated: nothing here is a patient's.

The parts: `sites` (what differs between the three), `clinical` (who the patients are), `tissues` (the
contrast), `layer` (a coat of paint), `gland`, `pelvis` and `viscera` (anatomy), `person` (these put
together), `coils` (receive fields), `scan` (images), `examination` (these put together), `patients` (files).
"""

"""Synthetic cohorts of head-and-neck planning CT with twelve organs at risk, written as DICOM.

A patient is a function of the cohort's settings, its seed and the patient's index alone:

>>> source = HeadNeckSource(center="target", patients=40, seed=5, matrix=128, slices=(30, 32),
...                         slice_thickness_mm=5.5, field_of_view_mm=(240, 260))
>>> patient_id(source, 7)
'SYN-HN-TARGET-0007'

`write_patient` writes what a scanner and a planning station would have sent, `<patient>/CT/*.dcm`
and `<patient>/RTSTRUCT/rtstruct.dcm`, and returns the patient's clinical row. Every file says that
it is synthetic, and two runs write the same bytes. Patients are simulated: nothing here is a
patient's.

The parts: `clinical` (who the patients are), `organs` (the twelve), `skeleton`, `soft_tissue`,
`outline` and `tumour` (everything else), `layer` (a coat of paint), `person` (these put together),
`body` (size and posture), `tissues` (HU), `centers` (what differs between the two centers), `scan`
(images), `contouring` (truth), `examination` (these put together), `patients` (files).
"""

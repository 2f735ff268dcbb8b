"""Synthetic cohorts of female pelvis diffusion MRI, written as DICOM.

A patient is a function of the cohort's settings, its seed and the patient's index alone:

>>> source = PhantomSource(anatomy="cervix", patients=25, seed=1, matrix=64, slices=(10, 14))
>>> examine(source, 7).patient_id
'SYN-CERVIX-0007'

`write_patient` writes what a scanner and a planning station would have sent:
`<patient>/{DWI_b0,DWI_b1000,ADC,CONTOUR}/*.dcm`, and returns the patient's clinical row. Every file
says that it is synthetic, and two runs write the same bytes.

The parts: `clinical` (who the patients are), `tissues` (what tissue looks like), `uterus` and `anatomy` (where
everything is), `canvas` (labels on samples), `scanners` and `signal` (the MR signal), `examination` (these put
together), `patients` (files).
"""

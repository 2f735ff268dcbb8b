"""Synthetic patients with a known truth, written as a scanner and a planning station would have sent them, in DICOM.

`pelvis`, `head_neck` and `prostate` are one anatomy each: `settings` says what a cohort is, `examination` draws a
patient and the images, and `patients`, which the rest of the library calls, writes the files. What they share is
`kit`: tissues, shapes and how they are painted, stacks of slices, clinical tables, DICOM images and structure sets.
An anatomy imports `kit` and no other anatomy.

It may import `core`; `sources` and `cli` may import it. Begin with `pelvis.examination`.
"""

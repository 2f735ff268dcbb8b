"""Reading of what people have: DICOM exports, volumes with a table of patients, public archives.

It gives cases, each with images and structures on one grid, under names that identify nobody.

It may import `core`, `imaging` and `phantoms`. Begin with `settings` and `cases`.
"""

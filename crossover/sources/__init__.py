"""Reading of what people have: DICOM exports, volumes with a table of patients, public archives, scores.

It gives cases, each with images and structures on one grid, under names that identify nobody, and the scores that
other tools wrote (`score_files`). Public cohorts are downloaded by `fetching`, which no run imports.

It may import `core`, `imaging` and `phantoms`; `study`, `exchange`, `report`, `execution` and `cli` may import it.
Begin with `settings` and `cases`.
"""

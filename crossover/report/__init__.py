"""What people read: the page of a run, the page of a comparison of scores, and numbers by name for a manuscript.

It may import `core`, `sources`, `study`, `statistics` and `analyses`; `execution` and `cli` may import it. Begin with
`page.study_page`: what a study's page holds follows from the study and the frames that its run has. `study_tables`
lists the tables, `answers` and the `*_section` modules find the facts, and `prose.j2` has the words.
"""

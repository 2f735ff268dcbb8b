"""What every other package may need and what knows nothing of studies.

Configuration files, digests, JSON files, locks, tables that a person or the workflow wrote, work that is redone only
where it must be, and the provenance record of an output.

It may import no other package; every other package may import it. Begin with `files` and `incremental`.
"""

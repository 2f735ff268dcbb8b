"""Which module reads a table of patients."""

from __future__ import annotations

from types import ModuleType

from crossover.sources.settings import OpenKbpSource, VolumesSource


def form_of(source: VolumesSource | OpenKbpSource) -> ModuleType:
    """Return the module that reads a table's form: it has `rows`, `patient_files` and `read_patient`."""
    # Imported here: pandas and nibabel, which DICOM doesn't need.
    if isinstance(source, OpenKbpSource):
        from crossover.sources import openkbp

        return openkbp
    from crossover.sources import volumes

    return volumes

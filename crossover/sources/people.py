"""Whether each PatientID (0010,0020) is one person's, by what else headers say of whom they are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

from crossover.core.wording import counted, first_few
from crossover.sources.dicom.header import IMAGES, Instance
from crossover.sources.dicom.places import first_folder
from crossover.sources.dicom.scan import Examination
from crossover.sources.findings import Finding
from crossover.sources.pseudonyms import PUBLIC, person_name

SHOWN = 5
"""The number of patients that a finding names."""
SEXES = 3
"""The values of Patient's Sex (0010,0040): M, F and O."""
FEWEST, MANY = 3, 5
"""The fewest patients of whom what all have in common may be an anonymiser's, and the fewest for each of several
combinations: a person may have two PatientIDs or three."""


def people_of(instances: Iterable[Instance], key: bytes) -> list[str]:
    """Return a keyed hash of each combination of name, birth date and sex in the headers of images.

    Images without all three count for none. Of public cohorts, whose key is known to all, there is none: names could be
    guessed from it.
    """
    if key == PUBLIC:
        return []
    found = {i.person for i in instances if i.modality in IMAGES and all(i.person)}
    return sorted({person_name(*person, key) for person in found})


def doubtful_ids(people: Iterable[tuple[str, Collection[str]]]) -> list[Finding]:
    """Warn of patients who may be several people, and of those who may be one.

    What an anonymiser wrote tells nobody apart: what all patients have in common, and there are three or more; or one
    name and date with each sex, so that there are no more combinations than `SEXES`, with `MANY` patients or more each.

    Args:
        people: the pseudonym of each case's patient, with `people_of` its images.
    """
    of_patient: dict[str, set[str]] = defaultdict(set)
    having: dict[str, set[str]] = defaultdict(set)
    for patient, own in people:
        of_patient[patient].update(own)
        for person in own:
            having[person].add(patient)
    out = [
        Finding("id-shared", f"patient {patient}: its images have {len(own)} combinations of name, birth date and sex")
        for patient, own in of_patient.items()
        if len(own) > 1
    ]
    told = {patient for patient, own in of_patient.items() if own}
    anonymised = len(having) <= SEXES and len(told) >= MANY * len(having)
    for own in having.values():
        if len(own) > 1 and not anonymised and (len(own) < FEWEST or own != told):
            what = f"{counted(len(own), 'patient')} have one name, birth date and sex: {first_few(sorted(own), SHOWN)}"
            out.append(Finding("id-doubled", what))
    return out


def one_id_for_all(found: Mapping[str, Examination]) -> list[Finding]:
    """Warn where all examinations have one PatientID and lie in folders of other examinations, as patients do.

    Args:
        found: the examinations by case name.
    """
    folders: Sequence[set[str]] = [{first_folder(file) for file in own.files} for own in found.values()]
    several = len(set().union(*folders)) if folders else 0
    apart = sum(map(len, folders)) == several
    if several < 2 or len(folders) < 2 or not apart or len({own.patient for own in found.values()}) > 1:
        return []
    where = f"{several} folders with examinations of their own"
    return [Finding("id-shared", f"all {len(found)} examinations have one PatientID, and lie in {where}")]

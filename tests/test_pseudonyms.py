"""Identifiers: what is one person's by any form of Unicode, and what may be, by how it is written."""

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from crossover.core.file_names import alike, one_form, plainly_written
from crossover.sources.dicom.places import LabelMapFiles, of_patient
from crossover.sources.pseudonyms import days_back, pseudonym

KEY = b"a secret"
FORMATS = ("\u200b", "\ufeff", "\u200e", "\u00ad")
"""Characters that are not seen: a zero-width space, a byte-order mark, left to right, a soft hyphen."""
BETWEEN_DIGITS = ("-", "_", "/", ",", "--", "\uff0d", "_-")
ANYWHERE = ("", " ", "-", "_", ".", "^", ", ", "\u2019", "\u200b")


def test_the_names_that_cases_have_stay():
    """They stand in users' results."""
    assert pseudonym("MUSTERMANN-01", KEY) == "peade90b3646b" and days_back("MUSTERMANN-01", KEY) == 2254
    assert pseudonym("M\u00fcller", KEY) == "p8ed32a97131d"
    assert len({pseudonym(p, KEY) for p in ("sub-07", "sub_07", "sub07", "DOE^JANE", "DOE JANE")}) == 5


@given(st.text(st.characters(codec="ascii")))
def test_ascii_has_one_form(identifier: str):
    assert one_form(identifier) == identifier


@given(st.text(max_size=8), st.integers(0, 8), st.sampled_from(FORMATS))
def test_every_form_in_which_unicode_stores_an_identifier_has_one_pseudonym_and_date(text: str, place: int, sign: str):
    forms = [unicodedata.normalize(form, text) for form in ("NFC", "NFD")]
    forms += [own[:place] + sign + own[place:] for own in forms]
    assert len({(pseudonym(own, KEY), days_back(own, KEY)) for own in forms}) == 1
    assert len({plainly_written(own) for own in forms}) == 1 and not alike(forms)
    assert one_form(forms[-1]) == one_form(one_form(forms[-1]))


@given(st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E)))
def test_the_width_of_letters_does_not_count(text: str):
    assert plainly_written(text.translate({c: c + 0xFEE0 for c in range(0x21, 0x7F)})) == plainly_written(text)


@given(
    st.lists(st.from_regex("[a-z]{1,3}", fullmatch=True), min_size=1, max_size=3),
    st.lists(st.integers(1, 120), min_size=3, max_size=3),
    st.lists(st.sampled_from(ANYWHERE), min_size=12, max_size=12),
)
def test_signs_beside_letters_do_not_count(words: list[str], numbers: list[int], signs: list[str]):
    parts = [part for word, number in zip(words, numbers) for part in (word, str(number))]
    written = "".join(sign + part for sign, part in zip(signs, parts)) + signs[-1]
    assert plainly_written(written) == "".join(parts) == plainly_written(written.upper())


@given(*[st.integers(0, 120)] * 4, *[st.sampled_from(BETWEEN_DIGITS)] * 2)
def test_groups_of_digits_stay_apart_whatever_stands_between(a: int, b: int, c: int, d: int, one: str, other: str):
    same = plainly_written(f"{a}{one}{b}") == plainly_written(f"{c}{other}{d:03}")
    assert same == ((a, b) == (c, d))
    assert plainly_written(f"{a}{one}{b}") != plainly_written(f"{a}{b}")


def test_a_label_map_is_its_patients_in_any_form_of_unicode():
    composed, loose = (unicodedata.normalize(form, "M\u00fcller") for form in ("NFC", "NFD"))
    map_of = {f"masks/{loose}.nii.gz": LabelMapFiles((), folder=False)}
    assert of_patient(map_of, "masks/{patient}.nii.gz", composed, [composed, "Weber"]) == [*map_of.values()]
    assert of_patient(map_of, "masks/{patient}.nii.gz", "Muller", [composed, "Muller"]) == []


def test_two_spellings_of_one_person_are_told_and_one_in_two_forms_is_not():
    assert alike(["sub-07", "sub08", "sub_07", "sub07"]) == [["sub-07", "sub_07", "sub07"]]
    assert alike(["DOE^JANE", "Doe, Jane", "DOE JOHN"]) == [["DOE^JANE", "Doe, Jane"]]
    assert alike(["..", "/", "*"]) == alike(["1-12", "11-2", "112"]) == [] and alike(["12", "12.0", "1.2"]) == [
        ["12", "12.0"]
    ]
    assert alike(["M\u00fcller", "Mu\u0308ller", "M\u00fcller\u200b"]) == []

"""Files made of a run: tables."""

import csv
import io

from hypothesis import given
from hypothesis import strategies as st

from aecore.session.render import csv_text

FORMULA = ("=", "+", "-", "@", "\t")


@given(
    st.lists(
        st.text(min_size=1, max_size=6) | st.sampled_from([f"{sign}cmd|x" for sign in FORMULA]), min_size=1, max_size=4
    )
)
def test_no_text_of_a_table_begins_a_formula(texts):
    _, found = csv.reader(io.StringIO(csv_text(["a"] * len(texts), [texts]), newline=""))
    for before, after in zip(texts, found, strict=True):
        number = before.startswith(FORMULA) and is_number(before)
        assert number or not after.startswith(FORMULA)
        assert after.removeprefix("'") == before.replace("\r", " ").removeprefix("'")


def test_numbers_stay_as_they_are():
    assert csv_text(["index", "-h"], [[-3, "-0.25"], [4, "+1e-07"]]) == "index,'-h\n-3,-0.25\n4,+1e-07\n"


def is_number(text):
    try:
        float(text)
    except ValueError:
        return False
    return True

"""What lint sees in a pattern without running it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logscan.rulebook.rulelint import fixed_texts, nested_quantifier


@pytest.mark.parametrize(
    ("pattern", "nested"),
    [
        ("(a+)+", True), (r"(?:\w+\s*)*x", True), ("(?:a|b+)+", True), ("(x+x?)+", True), ("(?P<n>(?:a*)*)", True),
        ("(?:a{2,}){3,}", True), ("a+b*", False), ("(?>a+)+", False), ("(?:a++b)+", False), ("(?:a|b)+", False),
        ("(?:,[^,]+)*", False), ("(?:[^,]+,)+x", False), (r"(?:\n[^\n]+)*?", False), ("(a{1,3})+", False),
        ("[(a+]+)+", False), (r"\(a+\)+", False), ("(?i)(?#a+)+", False),
    ],
)  # fmt: skip
def test_nested_quantifiers_are_seen_and_harmless_ones_left_alone(pattern: str, nested: bool):
    assert nested_quantifier(pattern) is nested


@pytest.mark.parametrize(
    ("pattern", "texts"),
    [
        ("abc", ["abc"]),
        (r"a\.b\d+c", ["a.b", "c"]),
        ("(?:ab)(?P<n>cd)e", ["abcde"]),
        ("a(?:b|c)d", ["a", "b", "c", "d"]),
        ("a(?:bc)?d", ["a", "bc", "d"]),
        ("abc*d", ["ab", "d"]),
        ("ab(?!cd)(?<!ef)gh", ["abgh"]),
        ("[ab]c", ["c"]),
    ],
)
def test_the_fixed_texts_of_a_pattern_are_known_without_running_it(pattern: str, texts: list[str]):
    assert fixed_texts(pattern) == texts


@given(st.text(alphabet="a(|)[]^?*+{}1,\\:<>=!P#."))
def test_any_text_can_be_looked_at_as_a_pattern(pattern: str):
    assert isinstance(fixed_texts(pattern), list)
    assert nested_quantifier(pattern) in {True, False}

"""Records that are parsed late, and views of mappings: what one asks for is all that is read."""

from stripeline.contracts.operator.definitions_by_key import DefinitionsByKey, chained
from stripeline.contracts.operator.parsed_late import ParsedLate


def late(**raw: tuple[bytes, ...]) -> tuple[ParsedLate[bytes, int], list[str], list[str]]:
    parsed: list[str] = []
    told: list[str] = []

    def parse(name: str, value: bytes) -> int:
        parsed.append(name)
        return int(value)

    return ParsedLate(raw, parse, lambda name, _: told.append(name)), parsed, told


def test_only_what_is_asked_for_is_parsed_and_once():
    found, parsed, _ = late(a=(b"1",), b=(b"2",))
    assert (found["b"], found.get("b"), "b" in found, found.get("c"), "c" in found) == (2, 2, True, None, False)
    assert parsed == ["b"]
    assert (dict(found), len(found)) == ({"a": 1, "b": 2}, 2)
    assert parsed == ["b", "a"]


def test_what_can_not_be_read_leaves_the_last_good_one():
    found, _, told = late(a=(b"1", b"x"), b=(b"x", b"y"))
    assert (dict(found), "b" in found, found.get("b")) == ({"a": 1}, False, None)
    assert told == ["a", "b", "b"], "each is told once"


def test_a_key_is_looked_up_in_its_kind_alone():
    connections, parsed, _ = late(acme=(b"1",), globex=(b"2",))
    by_key = DefinitionsByKey({"connection": connections, "trigger": {"pay": 3}})
    assert (by_key["connection/globex"], by_key.get("workflow/x"), "trigger/acme" in by_key) == (2, None, False)
    assert parsed == ["globex"]
    assert list(by_key.items()) == [("connection/acme", 1), ("connection/globex", 2), ("trigger/pay", 3)]
    assert len(by_key) == 3


def test_the_first_of_two_mappings_goes_before():
    second, parsed, _ = late(a=(b"1",), b=(b"2",))
    both = chained({"a": 7}, second)
    assert (both["a"], both["b"], "c" in both, parsed) == (7, 2, False, ["b"])

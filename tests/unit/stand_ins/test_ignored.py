"""Claims about `ignoreChanges` paths."""

from lab.stand_ins import diff


def test_a_star_matches_any_item() -> None:
    ignored = [diff.parse("webhooks[*].failurePolicy")]
    assert diff.within(("webhooks", 1, "failurePolicy"), ignored)
    assert not diff.within(("webhooks", 1, "name"), ignored)
    assert not diff.within(("webhooks",), ignored)


def test_what_lies_below_is_ignored_too() -> None:
    assert diff.within(("spec", "a", "b"), [diff.parse("spec.a")])

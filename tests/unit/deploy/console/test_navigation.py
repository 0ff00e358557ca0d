"""Each page of the navigation has a key and a place of its own."""

from stripeline.deploy.console.page_table import all_pages


def test_no_two_pages_of_the_navigation_share_a_key_or_a_place() -> None:
    items = [page.navigation for page in all_pages() if page.navigation is not None]
    assert len({item.key for item in items}) == len(items)
    assert len({item.place for item in items}) == len(items)


def test_names_of_pages_are_unique() -> None:
    names = [page.name for page in all_pages()]
    assert len(set(names)) == len(names)

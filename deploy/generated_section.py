"""Replaces the generated part of a page of the documentation, between two markers. Pure."""


def with_section(page: str, begin: str, end: str, text: str) -> str:
    """The page with this text between its markers; the rest is left as it is. Raises ValueError without markers."""
    before, found_begin, rest = page.partition(begin)
    _, found_end, after = rest.partition(end)
    if not found_begin or not found_end:
        raise ValueError(f"the page needs the lines {begin!r} and {end!r}")
    return f"{before}{begin}\n\n{text}\n{end}{after}"

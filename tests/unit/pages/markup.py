"""Strict reading of a page: it is XML besides HTML, so every tag is closed and quoted."""

from __future__ import annotations

import itertools
from collections import Counter

from lxml import etree

_KNOWN = frozenset(
    """html head meta title link body a header footer main nav section div p span strong code pre ul
    ol li dl dt dd h1 h2 h3 table caption thead tbody tr th td details summary time""".split()  # noqa: SIM905
)
_ALLOWED = frozenset(
    """lang charset name content rel href class id aria-label aria-labelledby aria-current
    aria-hidden role tabindex scope datetime""".split()  # noqa: SIM905
)
_VOID = {"meta", "link"}
_PHRASING_ONLY = {"p", "h1", "h2", "h3", "span", "strong", "code", "summary", "caption", "title"}
_PHRASING = {"a", "span", "strong", "code", "time"}
_MUST_BE_IN = {
    "li": {"ul", "ol"},
    "dt": {"div", "dl"},
    "dd": {"div", "dl"},
    "caption": {"table"},
    "thead": {"table"},
    "tbody": {"table"},
    "tr": {"thead", "tbody"},
    "th": {"tr"},
    "td": {"tr"},
    "summary": {"details"},
}


def read_page(text: str) -> etree._Element:
    """Parse a page and check its form. Raises AssertionError."""
    doctype, _, rest = text.partition("\n")
    assert doctype == "<!DOCTYPE html>"
    page = etree.fromstring(rest.encode(), etree.XMLParser(resolve_entities=False))
    assert page.tag == "html"
    assert page.get("lang") == "en"
    for element in page.iter():
        _check_element(element)
    ids = Counter(element.get("id") for element in page.iter() if element.get("id"))
    assert all(count == 1 for count in ids.values()), ids
    for element in page.iter():
        for name in (element.get("aria-labelledby") or "").split():
            assert name in ids, name
    assert [one.tag for one in page] == ["head", "body"]
    (title,) = page.iter("title")
    assert (title.text or "").strip()
    assert len(list(page.iter("h1"))) == 1
    assert len(list(page.iter("main"))) == 1
    _check_headings(page)
    for table in page.iter("table"):
        assert table[0].tag == "caption"
        assert all(cell.get("scope") in ("col", "row") for cell in table.iter("th"))
        widths = {len(row) for row in table.iter("tr")}
        assert len(widths) == 1, "rows of a table have as many cells"
    return page


def _check_element(element: etree._Element) -> None:
    tag = element.tag
    assert tag in _KNOWN, tag
    assert set(element.attrib) <= _ALLOWED, (tag, element.attrib)
    assert not (tag in _VOID and (len(element) or element.text))
    parent = element.getparent()
    if tag in _MUST_BE_IN:
        assert parent is not None
        assert parent.tag in _MUST_BE_IN[tag], (tag, parent.tag)
    if tag in _PHRASING_ONLY:
        assert {child.tag for child in element} <= _PHRASING, (tag, [c.tag for c in element])
    if tag in ("ul", "ol"):
        assert {child.tag for child in element} <= {"li"}
    if tag == "a":
        assert "a" not in {above.tag for above in element.iterancestors()}
        assert "".join(element.itertext()).strip(), "a link without words"


def _check_headings(page: etree._Element) -> None:
    levels = [int(one.tag[1]) for one in page.iter("h1", "h2", "h3")]
    for before, after in itertools.pairwise(levels):
        assert after <= before + 1, levels


def links(page: etree._Element) -> list[str]:
    """Every address that the page names."""
    return [one.get("href") or "" for one in page.iter("a", "link")]

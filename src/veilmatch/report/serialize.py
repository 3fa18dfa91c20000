"""Write a record as XML: UTF-8, elements in the schema's order. Spec section 2."""

from __future__ import annotations

import enum
import re
from datetime import date, datetime, timedelta
from xml.sax.saxutils import escape, quoteattr

from veilmatch.errors import EncodingError
from veilmatch.report.model.fields import Place, Record, Slot, slots_of

_PROLOG = '<?xml version="1.0" encoding="UTF-8"?>\n'
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def is_xml_text(value: str) -> bool:
    """Tell whether XML 1.0 can carry every character of a text."""
    return _NOT_XML.search(value) is None


def _plain(value: object, slot: Slot) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, enum.Enum):
        return str(value.value)
    if isinstance(value, datetime):
        text = value.isoformat()
        return text[:-6] + "Z" if value.utcoffset() == timedelta(0) else text
    if isinstance(value, date):
        return value.isoformat()
    text = str(value)
    if not is_xml_text(text):
        raise EncodingError("a text holds a character that XML cannot", field=slot.xml_name)
    return text


def _escaped(value: object, slot: Slot) -> str:
    # A bare carriage return would come back as a line feed.
    return escape(_plain(value, slot), {"\r": "&#13;"})


def _element(name: str, record: Record, out: list[str]) -> None:
    attributes: list[str] = []
    inner: list[str] = []
    text = ""
    for slot in slots_of(type(record)):
        value = getattr(record, slot.field_name)
        if value is None:
            continue
        if slot.place is Place.ATTRIBUTE:
            quoted = quoteattr(_plain(value, slot), {"\t": "&#9;", "\n": "&#10;", "\r": "&#13;"})
            attributes.append(f" {slot.xml_name}={quoted}")
        elif slot.place is Place.TEXT:
            text = _escaped(value, slot)
        else:
            _children(slot, value, inner)
    out.append(f"<{name}{''.join(attributes)}>{text}")
    out.extend(inner)
    out.append(f"</{name}>")


def _children(slot: Slot, value: object, out: list[str]) -> None:
    if isinstance(value, frozenset):
        if value:
            flags = [f"<{flag.value}/>" for flag in slot.kinds[0] if flag in value]
            out.append(f"<{slot.xml_name}>{''.join(flags)}</{slot.xml_name}>")
        return
    for item in value if isinstance(value, tuple) else (value,):
        if not isinstance(item, Record):
            out.append(f"<{slot.xml_name}>{_escaped(item, slot)}</{slot.xml_name}>")
        elif len(slot.kinds) > 1:
            out.append(f"<{slot.xml_name}>")
            _element(item.tag, item, out)
            out.append(f"</{slot.xml_name}>")
        else:
            _element(slot.xml_name, item, out)


def to_xml(record: Record) -> bytes:
    """Write a document. Equal records give equal bytes.

    Raises:
        EncodingError: A text holds a character that XML 1.0 cannot carry.
    """
    out = [_PROLOG]
    _element(record.tag, record, out)
    return "".join(out).encode("utf-8")

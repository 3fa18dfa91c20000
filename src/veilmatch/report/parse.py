"""Read a record from XML bytes: no entities, no document type, bounded size and depth.

Bytes are read by their own prolog. Whatever a transport says about the character set is not
asked: recorded answers declare ISO-8859-1 in the header and UTF-8 in the prolog.
Spec: ``spec/70-report.md`` section 3.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, NoReturn, TypeVar
from xml.parsers import expat

from veilmatch.errors import EncodingError
from veilmatch.report.model.fields import Flag, Place, Record, Slot, slots_of

MAX_LEN = 8 << 20
_MAX_DEPTH, _MAX_ELEMENTS = 32, 100_000
_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)?")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_INTEGER = re.compile(r"-?\d{1,18}")
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}

R = TypeVar("R", bound=Record)


@dataclass
class Element:
    """One XML element: name, attributes, text, children."""

    name: str
    attributes: dict[str, str]
    text: str = ""
    children: list[Element] = field(default_factory=list)

    def __repr__(self) -> str:
        return "Element(<private>)"


class _Builder:
    """Builds the tree while the parser reads, and refuses what could grow or reach out."""

    def __init__(self) -> None:
        self.root: Element | None = None
        self._open: list[Element] = []
        self._count = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._count += 1
        if len(self._open) >= _MAX_DEPTH or self._count > _MAX_ELEMENTS:
            raise EncodingError("the XML is nested too deep or has too many elements")
        element = Element(name, attributes)
        if self._open:
            self._open[-1].children.append(element)
        else:
            self.root = element
        self._open.append(element)

    def end(self, _name: str) -> None:
        self._open.pop()

    def data(self, text: str) -> None:
        self._open[-1].text += text


def _refuse(*_arguments: object) -> NoReturn:
    raise EncodingError("the XML declares a document type or an entity; that is not accepted")


def parse_tree(data: bytes) -> Element:
    """Read XML bytes into a tree.

    Raises:
        EncodingError: Not well formed, too large, or with a document type or entities.
    """
    if len(data) > MAX_LEN:
        raise EncodingError("the XML is too large")
    parser = expat.ParserCreate()
    builder = _Builder()
    parser.buffer_text = True
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    # Refused at its first letter: nothing is ever declared, so nothing can be expanded or fetched.
    parser.StartDoctypeDeclHandler = _refuse
    parser.EntityDeclHandler = _refuse
    parser.ExternalEntityRefHandler = _refuse
    parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
    try:
        parser.Parse(data, True)
    except expat.ExpatError as exc:
        raise EncodingError("not well-formed XML", offset=parser.ErrorByteIndex) from exc
    except (LookupError, ValueError) as exc:
        if isinstance(exc, EncodingError):
            raise
        raise EncodingError("the XML names an unknown character set") from exc
    if builder.root is None:
        raise EncodingError("the XML is empty")
    return builder.root


def _wrong(slot: Slot) -> EncodingError:
    return EncodingError(f"{slot.xml_name} has a wrong value", field=slot.xml_name)


def _scalar(slot: Slot, kind: type[Any], text: str) -> Any:
    try:
        if kind is str:
            return text
        if kind is bool:
            return _BOOLEANS[text.strip()]
        if issubclass(kind, enum.Enum):
            return kind(text)
        stripped = text.strip()
        if kind is int and _INTEGER.fullmatch(stripped):
            return int(stripped)
        if kind is float:
            return float(stripped)
        if kind is datetime and _DATE_TIME.fullmatch(stripped):
            return datetime.fromisoformat(stripped)
        if kind is date and _DATE.fullmatch(stripped):
            return date.fromisoformat(stripped)
    except (ValueError, KeyError) as exc:
        raise _wrong(slot) from exc
    raise _wrong(slot)


def _no_attributes(element: Element, slot: Slot) -> None:
    if element.attributes or element.children:
        raise EncodingError(f"{slot.xml_name} has unknown content", field=slot.xml_name)


def _flags(slot: Slot, kind: type[Flag], element: Element) -> frozenset[Flag]:
    found = set()
    for child in element.children:
        _no_attributes(child, slot)
        if child.text.strip() not in ("", "true"):
            raise _wrong(slot)
        found.add(_scalar(slot, kind, child.name))
    return frozenset(found)


def _value(slot: Slot, element: Element, strict: bool) -> Any:
    kind = slot.kinds[0]
    if slot.is_flags:
        return _flags(slot, kind, element)
    if len(slot.kinds) > 1:
        by_tag = {one.tag: one for one in slot.kinds}
        if len(element.children) != 1 or element.children[0].name not in by_tag:
            raise EncodingError(f"{slot.xml_name} needs exactly one child", field=slot.xml_name)
        child = element.children[0]
        return _record(by_tag[child.name], child, strict)
    if issubclass(kind, Record):
        return _record(kind, element, strict)
    if strict:
        _no_attributes(element, slot)
    return _scalar(slot, kind, element.text)


def _take(slot: Slot, waiting: list[Element], strict: bool) -> Any:
    found = []
    while waiting and waiting[0].name == slot.xml_name:
        found.append(_value(slot, waiting.pop(0), strict))
    if slot.is_many:
        return tuple(found)
    if len(found) > 1:
        raise EncodingError(f"{slot.xml_name} stands there twice", field=slot.xml_name)
    return found[0] if found else None


def _record(kind: type[R], element: Element, strict: bool) -> R:
    slots = slots_of(kind)
    attributes = dict(element.attributes)
    known = {slot.xml_name for slot in slots if slot.place is Place.ELEMENT}
    waiting = [child for child in element.children if strict or child.name in known]
    values: dict[str, Any] = {}
    has_text = False
    for slot in slots:
        if slot.place is Place.ATTRIBUTE:
            raw = attributes.pop(slot.xml_name, None)
            found = None if raw is None else _scalar(slot, slot.kinds[0], raw)
        elif slot.place is Place.TEXT:
            has_text, found = True, _scalar(slot, slot.kinds[0], element.text)
        else:
            found = _take(slot, waiting, strict)
        if found is not None:
            values[slot.field_name] = found
        elif slot.is_required:
            raise EncodingError(f"{element.name} lacks {slot.xml_name}", field=slot.xml_name)
    # What is left is unknown, or known but out of order.
    if waiting or (strict and (attributes or (not has_text and element.text.strip()))):
        raise EncodingError(
            f"{element.name} has content that is unknown or out of order", field=element.name
        )
    return kind(**values)


def parse_document(kind: type[R], data: bytes) -> R:
    """Read a document that we or an operator wrote: every element known and in order.

    Raises:
        EncodingError: Malformed, unsafe, or not of this kind.
    """
    root = parse_tree(data)
    if root.name != kind.tag:
        raise EncodingError(f"the document is not a {kind.tag}", field="root")
    return _record(kind, root, True)


def parse_answer(kind: type[R], data: bytes) -> R:
    """Read an answer of a body: elements that we do not know are passed over.

    Raises:
        EncodingError: Malformed, unsafe, or not of this kind.
    """
    root = parse_tree(data)
    if root.name != kind.tag:
        raise EncodingError(f"the answer is not a {kind.tag}", field="root")
    return _record(kind, root, False)

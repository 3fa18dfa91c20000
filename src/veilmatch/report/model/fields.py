"""How a record's fields stand in its XML: one description for writer, reader and rules.

A record is a frozen dataclass; the order of its fields is the order of its elements. Every
type below is plain: ``str``, ``bool``, ``int``, ``float``, ``date``, ``datetime``, an
enumeration, a set of flags, another record, or a tuple of one of these.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import types
import typing
from dataclasses import dataclass
from typing import Any, ClassVar

_PLACE, _NAME = "place", "name"


class Place(enum.Enum):
    """Where a value stands."""

    ELEMENT = "element"
    ATTRIBUTE = "attribute"
    TEXT = "text"


class Flag(enum.Enum):
    """Base of flags: an element that is there or not, never ``false``."""


@dataclass(frozen=True, kw_only=True, repr=False)
class Record:
    """Base of all records. Its printed form shows nothing of its content."""

    tag: ClassVar[str] = ""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(<private>)"


TEXT = {_PLACE: Place.TEXT}
"""Metadata of the field that is the element's own text."""


def attribute(name: str = "") -> dict[str, Any]:
    """Give the metadata of a field that is an XML attribute."""
    return {_PLACE: Place.ATTRIBUTE, _NAME: name}


def named(name: str) -> dict[str, Any]:
    """Give the metadata of an element whose name does not follow from the field's."""
    return {_NAME: name}


@dataclass(frozen=True)
class Slot:
    """One field of a record, as writer and reader need it."""

    field_name: str
    xml_name: str
    place: Place
    kinds: tuple[type[Any], ...]  # more than one: exactly one child of these, by its tag
    is_many: bool
    is_flags: bool
    is_required: bool


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)


def _union_members(hint: Any) -> tuple[Any, ...]:
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        return tuple(part for part in typing.get_args(hint) if part is not types.NoneType)
    return (hint,)


def slots_of(kind: type[Record]) -> tuple[Slot, ...]:
    """Return the fields of a record type in the order of its elements."""
    hashable: Any = kind
    return _slots_of(hashable)


@functools.cache
def _slots_of(kind: Any) -> tuple[Slot, ...]:
    hints = typing.get_type_hints(kind)
    slots = []
    for one_field in dataclasses.fields(kind):
        members = _union_members(hints[one_field.name])
        origin = typing.get_origin(members[0])
        is_many, is_flags = origin is tuple, origin is frozenset
        if is_many or is_flags:
            members = _union_members(typing.get_args(members[0])[0])
        has_default = one_field.default is not dataclasses.MISSING
        slots.append(
            Slot(
                field_name=one_field.name,
                xml_name=one_field.metadata.get(_NAME) or _camel(one_field.name),
                place=one_field.metadata.get(_PLACE, Place.ELEMENT),
                kinds=members,
                is_many=is_many,
                is_flags=is_flags,
                is_required=not has_default,
            )
        )
    return tuple(slots)


def walk(record: Record) -> typing.Iterator[tuple[Record, Slot, Any]]:
    """Give every single value inside a record, with the record and field that hold it."""
    for slot in slots_of(type(record)):
        value = getattr(record, slot.field_name)
        values = value if slot.is_many else () if value is None or slot.is_flags else (value,)
        for item in values:
            if isinstance(item, Record):
                yield from walk(item)
            else:
                yield record, slot, item

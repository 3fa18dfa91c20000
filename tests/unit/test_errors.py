"""The one tree of errors."""

from __future__ import annotations

import inspect

import pytest

from veilmatch import errors


def _classes() -> list[type[errors.Error]]:
    return [
        value
        for value in vars(errors).values()
        if inspect.isclass(value) and issubclass(value, errors.Error)
    ]


def test_every_name_ends_in_error_and_hangs_in_the_tree() -> None:
    for one in _classes():
        assert one.__name__.endswith("Error")
        assert one is errors.Error or issubclass(one, errors.Error)
        assert one.__doc__


def test_wrong_input_is_also_a_value_error() -> None:
    assert issubclass(errors.InputError, ValueError)
    assert not issubclass(errors.VerificationError, ValueError)


def test_a_hint_is_kept_and_has_a_default() -> None:
    assert errors.TableError("m", hint="h").hint == "h"
    assert errors.TableError("m").hint == ""
    assert errors.InternalError("m").hint == errors.InternalError.hint_default != ""


def test_structured_errors_carry_their_parts() -> None:
    length = errors.LengthError("voucher", 3, 2)
    assert (length.field, length.expected, length.actual) == ("voucher", 3, 2)
    few = errors.TooFewSharesError(3, 4)
    assert (few.have, few.need) == (3, 4)
    assert errors.ImageError("cut", "the picture is cut short").reason == "cut"
    assert errors.ConfigError("m", setting="port").setting == "port"
    with pytest.raises(errors.InputError):
        raise errors.EncodingError("m", field="x", offset=7)

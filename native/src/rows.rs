//! Between numpy arrays and rows, with the refusals of `veilmatch.errors`.

use numpy::{
    Element, PyArray1, PyArray2, PyReadonlyArray1, PyReadonlyArray2, PyUntypedArrayMethods,
    prelude::*,
};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use veilmatch_core::{NotCanonical, element::Messages};

/// Rows and columns.
pub(crate) fn shape<T: Element>(array: &PyReadonlyArray2<'_, T>) -> [usize; 2] {
    [array.shape()[0], array.shape()[1]]
}

/// Makes an exception of the one error tree, which lives in Python.
fn error_of<'py>(
    py: Python<'py>,
    class: &str,
    arguments: impl pyo3::call::PyCallArgs<'py>,
    named: &Bound<'py, PyDict>,
) -> PyErr {
    let made = py
        .import("veilmatch.errors")
        .and_then(|errors| errors.getattr(class)?.call(arguments, Some(named)));
    made.map_or_else(|error| error, PyErr::from_value)
}

/// `InputError`: what was handed over is malformed.
pub(crate) fn input_error(py: Python<'_>, message: &str) -> PyErr {
    error_of(py, "InputError", (message,), &PyDict::new(py))
}

/// `LengthError`: a fixed length is wrong.
pub(crate) fn length_error(py: Python<'_>, field: &str, expected: usize, actual: usize) -> PyErr {
    error_of(py, "LengthError", (field, expected, actual), &PyDict::new(py))
}

/// `EncodingError`: a row is not canonical. The offset is in bytes.
pub(crate) fn encoding_error(py: Python<'_>, error: NotCanonical) -> PyErr {
    let named = PyDict::new(py);
    let set =
        named.set_item("field", "element").and_then(|()| named.set_item("offset", 32 * error.row));
    match set {
        Ok(()) => error_of(py, "EncodingError", ("not a canonical group element",), &named),
        Err(error) => error,
    }
}

pub(crate) fn check_count(
    py: Python<'_>,
    field: &str,
    expected: usize,
    actual: usize,
) -> PyResult<()> {
    if expected == actual { Ok(()) } else { Err(length_error(py, field, expected, actual)) }
}

/// The rows of an array that must be `W` bytes wide.
pub(crate) fn rows_of<'a, const W: usize>(
    py: Python<'_>,
    field: &str,
    array: &'a PyReadonlyArray2<'_, u8>,
) -> PyResult<&'a [[u8; W]]> {
    check_count(py, field, W, shape(array)[1])?;
    Ok(array.as_slice()?.as_chunks().0)
}

/// An array that must be one row of `W` bytes.
pub(crate) fn one_row<'a, const W: usize>(
    py: Python<'_>,
    field: &str,
    array: &'a PyReadonlyArray1<'_, u8>,
) -> PyResult<&'a [u8; W]> {
    let bytes = array.as_slice()?;
    bytes.try_into().map_err(|_| length_error(py, field, W, bytes.len()))
}

/// Rows of any width.
pub(crate) fn messages<'a>(array: &'a PyReadonlyArray2<'_, u8>) -> PyResult<Messages<'a>> {
    let [count, width] = shape(array);
    Ok(Messages { bytes: array.as_slice()?, width, count })
}

/// An array of rows.
pub(crate) fn to_array<T: Element, const W: usize>(
    py: Python<'_>,
    rows: Vec<[T; W]>,
) -> PyResult<Bound<'_, PyArray2<T>>> {
    let count = rows.len();
    to_shape(py, rows.into_flattened(), count, W)
}

/// An array of a shape that the values fill.
pub(crate) fn to_shape<T: Element>(
    py: Python<'_>,
    values: Vec<T>,
    rows: usize,
    width: usize,
) -> PyResult<Bound<'_, PyArray2<T>>> {
    PyArray1::from_vec(py, values).reshape([rows, width])
}

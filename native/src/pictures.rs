//! The kernels of the image hash LFH.

use numpy::{PyArray1, PyArray2, PyReadonlyArray2, PyReadonlyArray3, PyUntypedArrayMethods};
use pyo3::prelude::*;
use veilmatch_core::lfh::{self, CELLS, FEATURES, GRID, Samples};

use crate::rows::{check_count, input_error, length_error, shape, to_shape};

fn cells<'a>(py: Python<'_>, luma: &'a PyReadonlyArray2<'_, i64>) -> PyResult<&'a [i64]> {
    let [rows, columns] = shape(luma);
    if (rows, columns) != (GRID, GRID) {
        return Err(length_error(py, "luma", CELLS, rows * columns));
    }
    Ok(luma.as_slice()?)
}

pub(crate) fn coarse_luma<'py>(
    py: Python<'py>,
    samples: &PyReadonlyArray3<'py, u8>,
) -> PyResult<Bound<'py, PyArray2<i64>>> {
    let &[height, width, channels] = samples.shape() else { unreachable!("three dimensions") };
    if ![1, 3, 4].contains(&channels) {
        return Err(length_error(py, "samples", 3, channels));
    }
    let picture = Samples { bytes: samples.as_slice()?, height, width, channels };
    match py.detach(|| lfh::coarse_luma(picture)) {
        Some(averages) => to_shape(py, averages, GRID, GRID),
        None => Err(input_error(py, "a side of the picture is out of range")),
    }
}

pub(crate) fn low_frequencies<'py>(
    py: Python<'py>,
    luma: &PyReadonlyArray2<'py, i64>,
) -> PyResult<Bound<'py, PyArray1<i64>>> {
    let luma = cells(py, luma)?;
    match py.detach(|| lfh::low_frequencies(luma)) {
        Some(found) => Ok(PyArray1::from_vec(py, found)),
        None => Err(input_error(py, "luma out of range")),
    }
}

pub(crate) fn hash_luma<'py>(
    py: Python<'py>,
    luma: &PyReadonlyArray2<'py, i64>,
    weights: &PyReadonlyArray2<'py, i64>,
    probes: usize,
) -> PyResult<(Bound<'py, PyArray2<u8>>, u64)> {
    let luma = cells(py, luma)?;
    check_count(py, "weights", FEATURES, shape(weights)[1])?;
    let weights = weights.as_slice()?;
    match py.detach(|| lfh::vartime_hash(luma, weights, probes)) {
        Some(hashed) => {
            let count = hashed.rows.len() / hashed.width;
            Ok((to_shape(py, hashed.rows, count, hashed.width)?, hashed.quality))
        }
        None => Err(input_error(py, "luma, weights or the number of probes out of range")),
    }
}

//! The kernels that seal and open a batch.

use numpy::{PyArray1, PyArray2};
use pyo3::prelude::*;
use veilmatch_core::seal;

use crate::{
    Flags, In, Out,
    rows::{check_count, length_error, messages, rows_of, to_shape},
};

pub(crate) fn seal<'py>(
    py: Python<'py>,
    keys: &In<'py>,
    plaintexts: &In<'py>,
    aads: &In<'py>,
    salts: &In<'py>,
) -> Out<'py> {
    let keys = rows_of(py, "keys", keys)?;
    let salts = rows_of(py, "salts", salts)?;
    let (texts, aads) = (messages(plaintexts)?, messages(aads)?);
    check_count(py, "plaintexts", keys.len(), texts.count)?;
    check_count(py, "aads", keys.len(), aads.count)?;
    check_count(py, "salts", keys.len(), salts.len())?;
    let width = texts.width + seal::OVERHEAD_LEN;
    let out = py.detach(|| {
        let mut out = vec![0; keys.len() * width];
        for (i, sealed) in out.chunks_exact_mut(width).enumerate() {
            seal::seal_into(sealed, &keys[i], texts.row(i), aads.row(i), &salts[i]);
        }
        out
    });
    to_shape(py, out, keys.len(), width)
}

pub(crate) fn open<'py>(
    py: Python<'py>,
    keys: &In<'py>,
    sealed: &In<'py>,
    aads: &In<'py>,
) -> PyResult<(Bound<'py, PyArray2<u8>>, Flags<'py>)> {
    let keys = rows_of(py, "keys", keys)?;
    let (texts, aads) = (messages(sealed)?, messages(aads)?);
    check_count(py, "sealed", keys.len(), texts.count)?;
    check_count(py, "aads", keys.len(), aads.count)?;
    let Some(width) = texts.width.checked_sub(seal::OVERHEAD_LEN) else {
        return Err(length_error(py, "sealed", seal::OVERHEAD_LEN, texts.width));
    };
    let (out, flags) = py.detach(|| {
        let mut out = vec![0; keys.len() * width];
        let open = |i: usize, out: &mut [u8]| {
            seal::open_into(out, &keys[i], texts.row(i), aads.row(i)).into()
        };
        let flags: Vec<bool> =
            (0..keys.len()).map(|i| open(i, &mut out[i * width..(i + 1) * width])).collect();
        (out, flags)
    });
    Ok((to_shape(py, out, keys.len(), width)?, PyArray1::from_vec(py, flags)))
}

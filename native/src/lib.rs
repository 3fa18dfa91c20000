//! The thin bridge between Python and `veilmatch-core`: checks shapes, lets go of the
//! interpreter lock, hands over slices, turns refusals into `veilmatch.errors`.
//!
//! Arguments must not be written to by another thread while a call runs.

mod pictures;
mod rows;
mod sealing;

use numpy::{PyArray1, PyArray2, PyReadonlyArray1, PyReadonlyArray2, PyReadonlyArray3};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use veilmatch_core::{dhf, element, engine::Path, expand::Expander, merkle, place, scalar, slots};

use rows::{check_count, encoding_error, length_error, messages, one_row, rows_of, to_array};

type In<'py> = PyReadonlyArray2<'py, u8>;
type One<'py> = PyReadonlyArray1<'py, u8>;
type Out<'py> = PyResult<Bound<'py, PyArray2<u8>>>;
type Flags<'py> = Bound<'py, PyArray1<bool>>;

fn expander(dst: &[u8], py: Python<'_>) -> PyResult<Expander> {
    Expander::new(dst).ok_or_else(|| length_error(py, "dst", 255, dst.len()))
}

/// The kernels, on one of the paths of this machine.
#[pyclass(frozen, subclass, module = "veilmatch_native._core")]
struct Core {
    path: Path,
}

#[pymethods]
impl Core {
    #[new]
    #[pyo3(signature = (path = None))]
    fn new(path: Option<&str>) -> PyResult<Self> {
        let all = Path::available();
        let wanted = |p: &&Path| path.is_none_or(|name| p.name() == name);
        match all.iter().find(wanted) {
            Some(&path) => Ok(Self { path }),
            None => Err(pyo3::exceptions::PyValueError::new_err("this machine has no such path")),
        }
    }

    /// `ifma`, `avx2` or `serial`.
    #[getter]
    fn path(&self) -> &'static str {
        self.path.name()
    }

    #[staticmethod]
    fn scalar_reduce<'py>(py: Python<'py>, wide: In<'py>) -> Out<'py> {
        let wide = rows_of::<64>(py, "wide", &wide)?;
        to_array(py, py.detach(|| scalar::reduce(wide)))
    }

    #[staticmethod]
    fn scalar_add<'py>(py: Python<'py>, left: In<'py>, right: In<'py>) -> Out<'py> {
        pair(py, &left, &right, scalar::add)
    }

    #[staticmethod]
    fn scalar_sub<'py>(py: Python<'py>, left: In<'py>, right: In<'py>) -> Out<'py> {
        pair(py, &left, &right, scalar::sub)
    }

    #[staticmethod]
    fn scalar_mul<'py>(py: Python<'py>, left: In<'py>, right: In<'py>) -> Out<'py> {
        pair(py, &left, &right, scalar::mul)
    }

    #[staticmethod]
    fn scalar_invert<'py>(py: Python<'py>, scalars: In<'py>) -> Out<'py> {
        let scalars = rows_of(py, "scalars", &scalars)?;
        to_array(py, py.detach(|| scalar::invert(scalars)))
    }

    #[staticmethod]
    fn evaluate_polynomial<'py>(
        py: Python<'py>,
        coefficients: In<'py>,
        points: In<'py>,
    ) -> Out<'py> {
        let coefficients = rows_of(py, "coefficients", &coefficients)?;
        let points = rows_of(py, "points", &points)?;
        if coefficients.is_empty() {
            return Err(length_error(py, "coefficients", 1, 0));
        }
        to_array(py, py.detach(|| scalar::evaluate_polynomial(coefficients, points)))
    }

    #[pyo3(signature = (points, *, threads = 1))]
    fn is_valid<'py>(
        &self,
        py: Python<'py>,
        points: In<'py>,
        threads: usize,
    ) -> PyResult<Flags<'py>> {
        let points = rows_of(py, "points", &points)?;
        let flags = py.detach(|| element::is_valid(self.path, points, threads));
        Ok(PyArray1::from_vec(py, flags))
    }

    #[allow(clippy::wrong_self_convention)] // the name in the typed door
    fn from_uniform<'py>(&self, py: Python<'py>, uniform: In<'py>) -> Out<'py> {
        let uniform = rows_of(py, "uniform", &uniform)?;
        to_array(py, py.detach(|| element::from_uniform(self.path, uniform)))
    }

    #[staticmethod]
    fn add<'py>(py: Python<'py>, left: In<'py>, right: In<'py>) -> Out<'py> {
        let (left, right) = (rows_of(py, "left", &left)?, rows_of(py, "right", &right)?);
        check_count(py, "right", left.len(), right.len())?;
        let sum = py.detach(|| element::add(left, right));
        to_array(py, sum.map_err(|error| encoding_error(py, error))?)
    }

    #[staticmethod]
    fn sub<'py>(py: Python<'py>, left: In<'py>, right: In<'py>) -> Out<'py> {
        let (left, right) = (rows_of(py, "left", &left)?, rows_of(py, "right", &right)?);
        check_count(py, "right", left.len(), right.len())?;
        let difference = py.detach(|| element::sub(left, right));
        to_array(py, difference.map_err(|error| encoding_error(py, error))?)
    }

    #[pyo3(signature = (scalar, points, *, threads = 1))]
    fn mul<'py>(
        &self,
        py: Python<'py>,
        scalar: One<'py>,
        points: In<'py>,
        threads: usize,
    ) -> Out<'py> {
        let scalar = one_row(py, "scalar", &scalar)?;
        let points = rows_of(py, "points", &points)?;
        let scalars = std::slice::from_ref(scalar);
        let product = py.detach(|| element::mul(self.path, scalars, points, threads));
        to_array(py, product.map_err(|error| encoding_error(py, error))?)
    }

    #[pyo3(signature = (scalars, points, *, threads = 1))]
    fn mul_each<'py>(
        &self,
        py: Python<'py>,
        scalars: In<'py>,
        points: In<'py>,
        threads: usize,
    ) -> Out<'py> {
        let (scalars, points) =
            (rows_of(py, "scalars", &scalars)?, rows_of(py, "points", &points)?);
        check_count(py, "points", scalars.len(), points.len())?;
        let product = py.detach(|| element::mul(self.path, scalars, points, threads));
        to_array(py, product.map_err(|error| encoding_error(py, error))?)
    }

    #[staticmethod]
    fn mul_base<'py>(py: Python<'py>, scalars: In<'py>) -> Out<'py> {
        let scalars = rows_of(py, "scalars", &scalars)?;
        to_array(py, py.detach(|| element::mul_base(scalars)))
    }

    #[pyo3(signature = (messages, dst, *, threads = 1))]
    fn hash_to_group<'py>(
        &self,
        py: Python<'py>,
        messages: In<'py>,
        dst: &[u8],
        threads: usize,
    ) -> Out<'py> {
        let rows = rows::messages(&messages)?;
        let expander = expander(dst, py)?;
        to_array(py, py.detach(|| element::hash_to_group(self.path, rows, &expander, threads)))
    }

    #[pyo3(signature = (messages, dst, scalar, *, threads = 1))]
    fn blind_rows<'py>(
        &self,
        py: Python<'py>,
        messages: In<'py>,
        dst: &[u8],
        scalar: One<'py>,
        threads: usize,
    ) -> Out<'py> {
        let rows = rows::messages(&messages)?;
        let expander = expander(dst, py)?;
        let scalar = one_row(py, "scalar", &scalar)?;
        to_array(py, py.detach(|| element::blind_rows(self.path, rows, &expander, scalar, threads)))
    }

    #[staticmethod]
    fn seal<'py>(
        py: Python<'py>,
        keys: In<'py>,
        plaintexts: In<'py>,
        aads: In<'py>,
        salts: In<'py>,
    ) -> Out<'py> {
        sealing::seal(py, &keys, &plaintexts, &aads, &salts)
    }

    #[staticmethod]
    fn open<'py>(
        py: Python<'py>,
        keys: In<'py>,
        sealed: In<'py>,
        aads: In<'py>,
    ) -> PyResult<(Bound<'py, PyArray2<u8>>, Flags<'py>)> {
        sealing::open(py, &keys, &sealed, &aads)
    }

    #[pyo3(signature = (left, right, public, beta, gamma, payload_keys, aads, salts, *, threads = 1))]
    #[allow(clippy::too_many_arguments)] // the order of the typed door
    fn seal_slots<'py>(
        &self,
        py: Python<'py>,
        left: In<'py>,
        right: In<'py>,
        public: One<'py>,
        beta: In<'py>,
        gamma: In<'py>,
        payload_keys: In<'py>,
        aads: In<'py>,
        salts: In<'py>,
        threads: usize,
    ) -> Out<'py> {
        let inputs = slots::SlotInputs {
            left: rows_of(py, "left", &left)?,
            right: rows_of(py, "right", &right)?,
            public: one_row(py, "public", &public)?,
            beta: rows_of(py, "beta", &beta)?,
            gamma: rows_of(py, "gamma", &gamma)?,
            payload_keys: rows_of(py, "payload_keys", &payload_keys)?,
            aads: messages(&aads)?,
            salts: rows_of(py, "salts", &salts)?,
        };
        let count = inputs.left.len();
        check_count(py, "right", count, inputs.right.len())?;
        check_count(py, "beta", count, inputs.beta.len())?;
        check_count(py, "gamma", count, inputs.gamma.len())?;
        check_count(py, "payload_keys", count, inputs.payload_keys.len())?;
        check_count(py, "aads", count, inputs.aads.count)?;
        check_count(py, "salts", count, inputs.salts.len())?;
        let made = py.detach(|| slots::seal_slots(self.path, inputs, threads));
        to_array(py, made.map_err(|error| encoding_error(py, error))?)
    }

    #[pyo3(signature = (scalar, slots, aads, *, threads = 1))]
    fn open_slots<'py>(
        &self,
        py: Python<'py>,
        scalar: One<'py>,
        slots: In<'py>,
        aads: In<'py>,
        threads: usize,
    ) -> PyResult<(Bound<'py, PyArray2<u8>>, Flags<'py>)> {
        let scalar = one_row(py, "scalar", &scalar)?;
        let rows = rows_of(py, "slots", &slots)?;
        let aads = messages(&aads)?;
        check_count(py, "aads", rows.len(), aads.count)?;
        let (keys, flags) = py.detach(|| {
            let opened = slots::open_slots(self.path, scalar, rows, aads, threads);
            let keys: Vec<_> = opened.iter().map(|one| one.key).collect();
            let flags = opened.iter().map(|one| one.good == 1).collect();
            (keys, flags)
        });
        Ok((to_array(py, keys)?, PyArray1::from_vec(py, flags)))
    }

    #[staticmethod]
    fn evaluate_dhf<'py>(
        py: Python<'py>,
        coefficients: PyReadonlyArray2<'py, u64>,
        inputs: PyReadonlyArray1<'py, u64>,
    ) -> PyResult<Bound<'py, PyArray2<u64>>> {
        let [s, t] = rows::shape(&coefficients);
        if t == 0 {
            return Err(length_error(py, "coefficients", 1, 0));
        }
        let (all, points) = (coefficients.as_slice()?, inputs.as_slice()?);
        let values = py.detach(|| dhf::evaluate(all, t, points));
        rows::to_shape(py, values, points.len(), s)
    }

    #[staticmethod]
    #[pyo3(signature = (leaves, *, threads = 1))]
    fn merkle_root<'py>(
        py: Python<'py>,
        leaves: In<'py>,
        threads: usize,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let rows = messages(&leaves)?;
        let root = py.detach(|| merkle::root(rows.bytes, rows.width, rows.count, threads));
        Ok(PyBytes::new(py, &root))
    }

    #[staticmethod]
    #[pyo3(signature = (prefix, items, rows, *, threads = 1))]
    fn derive_positions<'py>(
        py: Python<'py>,
        prefix: &[u8],
        items: In<'py>,
        rows: usize,
        threads: usize,
    ) -> PyResult<Bound<'py, PyArray2<i64>>> {
        let items = messages(&items)?;
        if items.width > usize::from(u16::MAX) {
            return Err(length_error(py, "items", usize::from(u16::MAX), items.width));
        }
        if rows < 2 {
            return Err(length_error(py, "rows", 2, rows));
        }
        let pairs = py.detach(|| place::vartime_positions(prefix, items, rows as u64, threads));
        to_array(py, pairs)
    }

    #[staticmethod]
    fn place<'py>(
        py: Python<'py>,
        positions: PyReadonlyArray2<'py, i64>,
        rows: usize,
    ) -> PyResult<Bound<'py, PyArray1<i64>>> {
        check_count(py, "positions", 2, rows::shape(&positions)[1])?;
        let pairs = positions.as_slice()?.as_chunks().0;
        match py.detach(|| place::vartime_place(pairs, rows)) {
            Some(placed) => Ok(PyArray1::from_vec(py, placed)),
            None => Err(rows::input_error(py, "positions outside the table")),
        }
    }

    /// Threads are accepted for the typed door; one is enough for a sort.
    #[staticmethod]
    #[pyo3(signature = (rows, *, threads = 1))]
    fn duplicate_index<'py>(py: Python<'py>, rows: In<'py>, threads: usize) -> PyResult<isize> {
        let _ = threads;
        let rows = rows_of(py, "rows", &rows)?;
        let found = py.detach(|| veilmatch_core::rows::vartime_duplicate_index(rows));
        Ok(found.map_or(-1, |index| index as isize))
    }

    #[staticmethod]
    fn coarse_luma<'py>(
        py: Python<'py>,
        samples: PyReadonlyArray3<'py, u8>,
    ) -> PyResult<Bound<'py, PyArray2<i64>>> {
        pictures::coarse_luma(py, &samples)
    }

    #[staticmethod]
    fn low_frequencies<'py>(
        py: Python<'py>,
        luma: PyReadonlyArray2<'py, i64>,
    ) -> PyResult<Bound<'py, PyArray1<i64>>> {
        pictures::low_frequencies(py, &luma)
    }

    #[staticmethod]
    fn hash_luma<'py>(
        py: Python<'py>,
        luma: PyReadonlyArray2<'py, i64>,
        weights: PyReadonlyArray2<'py, i64>,
        probes: usize,
    ) -> PyResult<(Bound<'py, PyArray2<u8>>, u64)> {
        pictures::hash_luma(py, &luma, &weights, probes)
    }
}

/// A kernel over two arrays of 32-byte rows.
fn pair<'py>(
    py: Python<'py>,
    left: &In<'py>,
    right: &In<'py>,
    kernel: impl Fn(&[[u8; 32]], &[[u8; 32]]) -> Vec<[u8; 32]> + Sync,
) -> Out<'py> {
    let (left, right) = (rows_of(py, "left", left)?, rows_of(py, "right", right)?);
    check_count(py, "right", left.len(), right.len())?;
    let kernel = &kernel;
    to_array(py, py.detach(move || kernel(left, right)))
}

/// The paths that this machine can run, best first.
#[pyfunction]
fn paths() -> Vec<&'static str> {
    Path::available().into_iter().map(Path::name).collect()
}

/// The native core of Veilmatch: kernels over batches of rows.
#[pymodule]
fn _core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<Core>()?;
    module.add_function(wrap_pyfunction!(paths, module)?)
}

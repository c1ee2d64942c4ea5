//! The arithmetic of the forward pass, on plain `f32` slices in row-major order.
//!
//! The element-wise loops are written so that the compiler vectorises them. They run through `pulp`, which
//! also compiles each one for AVX2 and AVX-512 and chooses at run time. `exp` and `erf` are polynomials for
//! the same reason: those of libm are called for one number at a time, and took longer than the matrix
//! products around them.

use gemm::Parallelism;
use pulp::Arch;

/// The number of accumulators, as many as the widest vector register holds. A single accumulator would force
/// the sum to be computed in order, one number at a time.
const LANES: usize = 16;

/// A matrix inside a slice: element (i, j) is `data[i * row_stride + j * col_stride]`.
#[derive(Clone, Copy)]
pub struct View<'a> {
    /// The numbers, with whatever stands between those of the matrix.
    pub data: &'a [f32],
    /// The number of rows.
    pub rows: usize,
    /// The number of columns.
    pub cols: usize,
    /// The distance from an element to the one below it.
    pub row_stride: usize,
    /// The distance from an element to the one beside it.
    pub col_stride: usize,
}

impl<'a> View<'a> {
    /// Returns a row-major matrix whose rows start `row_stride` apart.
    pub fn rows(data: &'a [f32], rows: usize, cols: usize, row_stride: usize) -> Self {
        Self { data, rows, cols, row_stride, col_stride: 1 }
    }

    /// Returns the matrix with rows and columns exchanged, on the same numbers.
    pub fn transposed(self) -> Self {
        Self {
            rows: self.cols,
            cols: self.rows,
            row_stride: self.col_stride,
            col_stride: self.row_stride,
            ..self
        }
    }

    fn fits(&self) -> bool {
        self.rows == 0
            || self.cols == 0
            || (self.rows - 1) * self.row_stride + (self.cols - 1) * self.col_stride < self.data.len()
    }
}

/// Computes `out = scale * left * right`, plus the former content of `out` if `accumulate`.
///
/// `out` is row-major, its rows `out_stride` apart, and as large as the product. It runs on the calling
/// thread only: the server has one thread per batch, which loses less than sharing one.
///
/// # Panics
/// If the shapes do not fit each other or their slices.
pub fn matmul(out: &mut [f32], out_stride: usize, accumulate: bool, scale: f32, left: View, right: View) {
    let m = left.rows;
    let k = left.cols;
    let n = right.cols;

    assert!(right.rows == k && left.fits() && right.fits(), "matmul operands do not fit");
    assert!(out_stride >= n, "rows of the product overlap");
    assert!(m == 0 || n == 0 || (m - 1) * out_stride + n <= out.len(), "product does not fit");

    // SAFETY: the assertions above keep every element that is read or written inside its slice;
    // `out` is borrowed mutably, so it aliases neither operand, and its rows do not overlap.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out.as_mut_ptr(),
            1,
            out_stride as isize,
            accumulate,
            left.data.as_ptr(),
            left.col_stride as isize,
            left.row_stride as isize,
            right.data.as_ptr(),
            right.col_stride as isize,
            right.row_stride as isize,
            1.0,
            scale,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}

/// Replaces each row of `cols` numbers by its softmax.
pub fn softmax_rows(values: &mut [f32], cols: usize) {
    Arch::new().dispatch(|| {
        for row in values.chunks_exact_mut(cols) {
            softmax(row);
        }
    });
}

#[inline(always)]
fn softmax(row: &mut [f32]) {
    let max = lanes(row, f32::NEG_INFINITY, f32::max);
    for value in row.iter_mut() {
        *value = exp(*value - max);
    }

    let scale = 1.0 / lanes(row, 0.0, |a, b| a + b);
    for value in row.iter_mut() {
        *value *= scale;
    }
}

/// Replaces each number by its GELU in the exact form, `x * Φ(x)`. BERT was not trained with the tanh
/// approximation, which is off by up to 5e-4.
pub fn gelu(values: &mut [f32]) {
    Arch::new().dispatch(|| {
        for value in values.iter_mut() {
            let x = *value;
            *value = 0.5 * x * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2));
        }
    });
}

/// Adds `residual` to each row of `values`, then scales the row to mean 0 and variance 1, times `weight` plus
/// `bias`. A row is as long as `weight`.
pub fn add_and_normalise(values: &mut [f32], residual: &[f32], weight: &[f32], bias: &[f32]) {
    Arch::new().dispatch(|| {
        let rows = values.chunks_exact_mut(weight.len());
        for (row, residual) in rows.zip(residual.chunks_exact(weight.len())) {
            for (value, residual) in row.iter_mut().zip(residual) {
                *value += residual;
            }
            layer_norm(row, weight, bias);
        }
    });
}

/// Does the same as [`add_and_normalise`], but without the addition.
pub fn normalise(values: &mut [f32], weight: &[f32], bias: &[f32]) {
    Arch::new().dispatch(|| {
        for row in values.chunks_exact_mut(weight.len()) {
            layer_norm(row, weight, bias);
        }
    });
}

#[inline(always)]
fn layer_norm(row: &mut [f32], weight: &[f32], bias: &[f32]) {
    const EPSILON: f32 = 1e-12;
    let scale = 1.0 / row.len() as f32;

    let mean = lanes(row, 0.0, |a, b| a + b) * scale;
    for value in row.iter_mut() {
        *value -= mean;
    }

    let variance = sum_of_squares(row) * scale;
    let factor = 1.0 / (variance + EPSILON).sqrt();
    for ((value, weight), bias) in row.iter_mut().zip(weight).zip(bias) {
        *value = *value * factor * weight + bias;
    }
}

/// Returns the sum of the squares of `row`.
#[inline(always)]
pub fn sum_of_squares(row: &[f32]) -> f32 {
    let mut sums = [0.0f32; LANES];
    let chunks = row.chunks_exact(LANES);
    let rest: f32 = chunks.remainder().iter().map(|value| value * value).sum();
    for chunk in chunks {
        for (sum, value) in sums.iter_mut().zip(chunk) {
            *sum += value * value;
        }
    }
    sums.iter().sum::<f32>() + rest
}

/// Folds `row` with `join`, in [`LANES`] parts that are joined at the end.
#[inline(always)]
fn lanes(row: &[f32], start: f32, join: impl Fn(f32, f32) -> f32) -> f32 {
    let mut strands = [start; LANES];
    let chunks = row.chunks_exact(LANES);
    let rest = chunks.remainder().iter().fold(start, |a, b| join(a, *b));
    for chunk in chunks {
        for (strand, value) in strands.iter_mut().zip(chunk) {
            *strand = join(*strand, *value);
        }
    }
    strands.iter().fold(rest, |a, b| join(a, *b))
}

/// Returns `e^x` for x ≤ 0, to two units in the last place. Below -87 it stays at e^-87 (1.6e-38).
#[inline(always)]
fn exp(x: f32) -> f32 {
    /// Adding this leaves no bits for a fraction: the sum is rounded to an integer, which then
    /// stands in the low bits of the mantissa.
    const ROUNDER: f32 = 12_582_912.0;
    /// ln 2 in two parts, the first short enough that its products are exact.
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = -2.121_944_4e-4;

    let x = x.max(-87.0);
    let rounded = x * std::f32::consts::LOG2_E + ROUNDER;
    let power = rounded - ROUNDER;
    let r = x - power * LN_2_HIGH - power * LN_2_LOW;

    // |r| ≤ ln(2)/2, where the Taylor series needs seven terms for the precision of f32.
    let series = 1.0 / 5040.0;
    let series = series * r + 1.0 / 720.0;
    let series = series * r + 1.0 / 120.0;
    let series = series * r + 1.0 / 24.0;
    let series = series * r + 1.0 / 6.0;
    let series = series * r + 0.5;
    let series = series * r + 1.0;
    let series = series * r + 1.0;

    let exponent = (rounded.to_bits() << 23).wrapping_add(127 << 23);
    series * f32::from_bits(exponent)
}

/// Returns the error function of `x`, to 5e-7 (Abramowitz and Stegun, formula 7.1.26).
#[inline(always)]
fn erf(x: f32) -> f32 {
    let t = 1.0 / (1.0 + 0.327_591_1 * x.abs());
    let series = 1.061_405_4;
    let series = series * t - 1.453_152;
    let series = series * t + 1.421_413_7;
    let series = series * t - 0.284_496_74;
    let series = series * t + 0.254_829_6;
    let tail = series * t * exp(-x * x);
    (1.0 - tail).copysign(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(from: f32, to: f32) -> impl Iterator<Item = f32> {
        (0..=10_000).map(move |i| from + (to - from) * i as f32 / 10_000.0)
    }

    /// erf in double precision by its power series, which converges for every x.
    fn exact_erf(x: f64) -> f64 {
        let mut term = x;
        let mut sum = x;
        for n in 1..200 {
            term *= -x * x / n as f64;
            sum += term / (2 * n + 1) as f64;
        }
        sum * std::f64::consts::FRAC_2_SQRT_PI
    }

    #[test]
    fn exp_is_precise() {
        for x in grid(-86.0, 0.0) {
            let exact = f64::from(x).exp();
            assert!((f64::from(exp(x)) / exact - 1.0).abs() < 2.5e-7, "at {x}");
        }
        assert_eq!(exp(0.0), 1.0);
        assert!(exp(-1e30) < 1e-37);
    }

    #[test]
    fn gelu_is_the_exact_one() {
        for x in grid(-4.0, 4.0) {
            let mut value = [x];
            gelu(&mut value);
            let x = f64::from(x);
            let exact = 0.5 * x * (1.0 + exact_erf(x / 2f64.sqrt()));
            assert!((f64::from(value[0]) - exact).abs() < 2e-6, "at {x}: {value:?} {exact}");
        }
    }

    #[test]
    fn gelu_is_the_identity_or_nothing_far_out() {
        let mut values = [-1e4, -20.0, 0.0, 20.0, 1e4];
        gelu(&mut values);
        assert_eq!(values, [-0.0, -0.0, 0.0, 20.0, 1e4]);
    }

    #[test]
    fn softmax_rows_sum_to_one_whatever_their_length() {
        for cols in [1, 2, 15, 16, 17, 256] {
            let mut values: Vec<f32> = (0..2 * cols).map(|i| (i * 37 % 101) as f32).collect();
            let input = values.clone();
            softmax_rows(&mut values, cols);
            for (row, input) in values.chunks(cols).zip(input.chunks(cols)) {
                let exact: f64 = input.iter().map(|x| f64::from(x - 100.0).exp()).sum();
                for (value, x) in row.iter().zip(input) {
                    let exact = f64::from(x - 100.0).exp() / exact;
                    assert!((f64::from(*value) - exact).abs() < 1e-6, "{cols} columns");
                }
            }
        }
    }

    #[test]
    fn matmul_follows_strides_and_accumulates() {
        let left = [1.0, 2.0, 9.0, 3.0, 4.0, 9.0];
        let right = [5.0, 6.0, 7.0, 8.0];
        let mut out = [1.0, 1.0, -1.0, 1.0, 1.0];
        let left = View::rows(&left, 2, 2, 3);
        matmul(&mut out, 3, true, 2.0, left, View::rows(&right, 2, 2, 2).transposed());
        assert_eq!(out, [35.0, 47.0, -1.0, 79.0, 107.0]);
    }

    #[test]
    #[should_panic(expected = "do not fit")]
    fn matmul_refuses_an_operand_beyond_its_slice() {
        let view = View::rows(&[0.0; 5], 2, 3, 3);
        matmul(&mut [0.0; 4], 2, false, 1.0, view, view.transposed());
    }
}

//! The effect of rounding alone on B·A. All arithmetic is f64: files may hold any numbers, and squares overflow in f32 where norms do not.

use super::encode::encode;
use super::gram::{columns, own_gram, rows};
use super::outer::Strips;
use super::panels::{PANEL, loaded, panel, panels};
use crate::{Dtype, Stored};

/// The pair [‖B·E_A‖ + ‖E_B·A‖, ‖B·A‖] in units of the result, for A r×n times the first of `scales` and B m×r times the second;
/// rounding each to `dtype` adds E_A and E_B. The first is a bound on the error of the saved product, except for the term E_B·E_A.
/// If nothing is rounded, neither is computed and both are 0.
#[inline(never)]
pub fn rounding(down: &Stored<'_>, up: &Stored<'_>, scales: [f64; 2], dtype: Dtype) -> [f64; 2] {
    // F32 holds the values of all formats exactly.
    let keeps = |stored: &Stored<'_>, scale| scale == 1.0 && (stored.dtype == dtype || dtype == Dtype::F32);
    let kept = [keeps(down, scales[0]), keeps(up, scales[1])];
    if kept == [true, true] {
        return [0.0, 0.0];
    }
    let r = down.rows;
    let (down_gram, up_gram) = (own_gram(r, rows::<f64>(down)), own_gram(r, columns::<f64>(up)));
    let of = |up: &[f64], down: &[f64]| {
        let square = up.iter().zip(down).map(|(b, a)| b * a).sum::<f64>();
        (scales[0] * scales[1]).abs() * square.max(0.0).sqrt()
    };
    // `encode` gives the errors in units of its input.
    let errors = |values: &[f32], scale| encode(values, scale, dtype).1.into_iter().map(f64::from).collect();
    let mut error = 0.0;
    if !kept[0] {
        let strips = panels(down.cols).map(|columns| {
            let errors: Vec<f64> = errors(&panel(down, &columns, 0), scales[0]);
            Strips::of_rows(&errors, columns.len(), 0..columns.len())
        });
        error += of(&up_gram, &own_gram(r, strips));
    }
    if !kept[1] {
        let strips = up.blocks(PANEL).map(|block| {
            let errors: Vec<f64> = errors(&loaded(&block), scales[1]);
            Strips::of_columns(&errors, r, 0..r)
        });
        error += of(&own_gram(r, strips), &down_gram);
    }
    [error, of(&up_gram, &down_gram)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode;
    use nalgebra::DMatrix;

    #[test]
    fn it_is_no_less_than_what_is_lost_and_not_much_more() {
        let (m, r, n) = (150, 3, 140);
        let value = |at: usize, by: f32| ((at * 37 % 101) as f32 - 50.3) * by;
        // Ordinary numbers, scales of all sizes, and numbers that sixteen bits cannot represent.
        for (by, scales) in [
            ([0.02, 0.03], [1.0, 1.0]),
            ([0.02, 3.0], [-0.3, 1.0]),
            ([1e-3, 1e-2], [1e-2, 4.0]),
            ([1e-30, 1.0], [1.0, 1.0]),
            ([1e-38, 1e30], [0.5, 1.0]),
        ] {
            let words =
                |count: usize, by| (0..count).flat_map(|at| value(at, by).to_le_bytes()).collect::<Vec<u8>>();
            let (a, b) = (words(r * n, by[0]), words(m * r, by[1]));
            let down = Stored { bytes: &a, dtype: Dtype::F32, rows: r, cols: n };
            let up = Stored { bytes: &b, dtype: Dtype::F32, rows: m, cols: r };
            for dtype in [Dtype::BF16, Dtype::F16] {
                let whole = |values: Vec<f32>, rows, scale: f64| {
                    DMatrix::from_row_iterator(rows, values.len() / rows, values.into_iter().map(f64::from))
                        * scale
                };
                let saved = |stored: &Stored<'_>, scale| {
                    let bytes = encode(&loaded::<f32>(stored), scale, dtype).0;
                    whole(decode(&Stored { bytes: &bytes, dtype, ..stored.clone() }, false), stored.rows, 1.0)
                };
                let exact = whole(loaded(&up), m, scales[1]) * whole(loaded(&down), r, scales[0]);
                let is = saved(&up, scales[1]) * saved(&down, scales[0]);
                if !is.iter().all(|x| x.is_finite()) {
                    continue; // refused elsewhere
                }
                let apart = (is - &exact).norm();
                let [error, size] = rounding(&down, &up, scales, dtype);
                assert!((size / exact.norm() - 1.0).abs() < 1e-12, "{by:?} {scales:?} {dtype}");
                assert!(
                    apart <= 1.01 * error && error <= 2.5 * apart,
                    "{by:?} {scales:?} {dtype}: {apart:e} {error:e}"
                );
            }
            assert_eq!(rounding(&down, &up, [1.0, 1.0], Dtype::F32), [0.0, 0.0]);
        }
    }
}

//! `basis`.

use crate::common::{Matrix, at_most, largest, matrix, normal, single, values};
use crate::on_both::on_both;
use crate::{shape, skew};
use np_lora::backend::kernels::{Basis, Kernels};
use pollster::block_on;

on_both! {
    a_basis_is_orthonormal_and_gives_the_matrix_back
    dependent_rows_are_dropped_from_a_basis
    rows_of_any_size_are_given_back
}

/// Checks A = diag(2^e)·L·Q row by row and the form of the parts; gives the live rows of Q.
fn checked_basis<K: Kernels>(kernels: &K, a: &Matrix) -> (Basis, Matrix) {
    let (rows, cols) = a.shape();
    let basis = block_on(kernels.basis(&values(a), shape(a))).unwrap();
    let (q, l) = (matrix(&basis.q, cols), matrix(&basis.l, rows));
    let product = &l * &q;
    for i in 0..rows {
        let back = product.row(i) * 2f64.powi(basis.exponent[i]);
        at_most((back - a.row(i)).norm(), 1e-6 * a.row(i).norm(), "a row from its basis");
        assert!((i + 1..rows).all(|j| l[(i, j)] == 0.0), "L is lower triangular");
        let most = largest(&a.rows(i, 1).into_owned());
        let expected = if most == 0.0 { 0 } else { most.log2().floor() as i32 };
        assert_eq!(basis.exponent[i], expected, "{most:e}");
        let dropped = basis.pivot[i] == 0.0;
        assert_eq!(dropped, l[(i, i)] == 0.0);
        assert_eq!(dropped, q.row(i).iter().all(|&x| x == 0.0));
    }
    let live: Vec<usize> = (0..rows).filter(|&i| basis.pivot[i] > 0.0).collect();
    let q = q.select_rows(&live);
    at_most(skew(&q), 1e-6, "orthonormality");
    (basis, q)
}

fn a_basis_is_orthonormal_and_gives_the_matrix_back<K: Kernels>(kernels: &K) {
    let shapes = [
        (1, 1),
        (1, 7),
        (2, 2),
        (3, 300),
        (8, 64),
        (16, 257),
        (33, 1000),
        (64, 2304),
        (128, 130),
        (4, 65_536),
        (256, 300),
    ];
    for (rows, cols) in shapes {
        let (basis, q) = checked_basis(kernels, &normal("basis", rows, cols));
        assert_eq!(q.nrows(), rows);
        at_most(f64::from((basis.pivot[0] - 1.0).abs()), 1e-6, "nothing is taken out of the first row");
    }
    // Rows that nearly depend on others are kept, and orthogonal all the same; also where the others are far before them.
    for (half, closeness) in [6, 28].into_iter().flat_map(|half| [1e-2, 1e-3, 1e-4, 1e-5].map(|c| (half, c)))
    {
        let base = normal("near", half, 400);
        let noise = normal("noise", half, 400) * closeness;
        let mut a = Matrix::zeros(2 * half, 400);
        a.rows_mut(0, half).copy_from(&base);
        a.rows_mut(half, half).copy_from(&(base + noise));
        let (basis, q) = checked_basis(kernels, &single(a));
        assert_eq!(q.nrows(), 2 * half);
        for pivot in &basis.pivot[half..] {
            at_most((f64::from(*pivot) / closeness - 1.0).abs(), 0.2, "a pivot is the share that is left");
        }
    }
    // And where each depends on that before it.
    let mut a = normal("chain", 40, 300);
    for i in 1..40 {
        let next = a.row(i - 1) + a.row(i) * 1e-2;
        a.row_mut(i).copy_from(&next);
    }
    let (_, q) = checked_basis(kernels, &single(a));
    assert_eq!(q.nrows(), 40);
    // None of these rows nearly depends on another, but together they lose as much.
    for share in [0.15, 0.25, 0.4] {
        let base = normal("lean", 32, 320);
        let lean = (1.0f64 - share * share).sqrt();
        let mut a = base.clone();
        for i in 1..32 {
            a.row_mut(i).copy_from(&(base.row(i - 1) * lean + base.row(i) * share));
        }
        let (_, q) = checked_basis(kernels, &single(a));
        assert_eq!(q.nrows(), 32);
    }
}

fn dependent_rows_are_dropped_from_a_basis<K: Kernels>(kernels: &K) {
    let row = |at: usize| normal(&format!("row {at}"), 1, 200);
    // Row 2 repeats row 0, 3 is zero, 5 combines 1 and 4, 6 is row 0 tiny, 7 is row 4 but for less than the tolerance,
    // 9 is row 8 but for more.
    let rows = [
        row(0),
        row(1),
        row(0),
        row(9) * 0.0,
        row(4),
        row(1) * 0.25 - row(4),
        row(0) * -1e-20,
        row(4) + row(7) * 1e-7,
        row(8),
        row(8) + row(10) * 1e-3,
    ];
    let a = single(Matrix::from_fn(rows.len(), 200, |i, j| rows[i][(0, j)]));
    let (basis, _) = checked_basis(kernels, &a);
    let live: Vec<usize> = (0..rows.len()).filter(|&i| basis.pivot[i] > 0.0).collect();
    assert_eq!(live, [0, 1, 4, 8, 9]);
    at_most((f64::from(basis.pivot[9]) / 1e-3 - 1.0).abs(), 0.2, "a pivot is the share that is left");
    // Far behind what they depend on: 18 repeats 2, 35 combines 1, 20 and 33, 36 is zero, 39 repeats 34 but for less than
    // the tolerance.
    let mut a = normal("far", 50, 300);
    let repeated = [
        (18, a.row(2) * -3.0),
        (35, a.row(1) + a.row(20) * 0.5 - a.row(33)),
        (36, a.row(0) * 0.0),
        (39, a.row(34) + a.row(39) * 1e-7),
    ];
    for (i, row) in repeated {
        a.row_mut(i).copy_from(&row);
    }
    let (basis, _) = checked_basis(kernels, &single(a));
    let dropped: Vec<usize> = (0..50).filter(|&i| basis.pivot[i] == 0.0).collect();
    assert_eq!(dropped, [18, 35, 36, 39]);
    // More rows than columns.
    for (rows, cols) in [(5, 1), (16, 8), (70, 33)] {
        let (basis, q) = checked_basis(kernels, &normal("tall", rows, cols));
        assert_eq!(q.nrows(), cols);
        assert!(basis.pivot[..cols].iter().all(|&pivot| pivot > 0.0));
    }
    let (basis, _) = checked_basis(kernels, &Matrix::zeros(3, 10));
    assert_eq!((basis.pivot, basis.exponent), (vec![0.0; 3], vec![0; 3]));
}

fn rows_of_any_size_are_given_back<K: Kernels>(kernels: &K) {
    let mut a = normal("sizes", 8, 500);
    for (mut row, size) in a.row_iter_mut().zip([1e-20, 1e20, 1.0, 1e-30, 3e30, 1e-20, 7.0, 1e-6]) {
        row *= size;
    }
    let (_, q) = checked_basis(kernels, &single(a));
    assert_eq!(q.nrows(), 8);
    let (_, q) = checked_basis(kernels, &single(normal("tiny", 16, 320) * 1e-20));
    assert_eq!(q.nrows(), 16);
}

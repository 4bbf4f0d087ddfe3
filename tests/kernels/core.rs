//! `core`, `jacobi` and `cut`: everything r×r.

use crate::common::{Matrix, Random, at_most, largest, matrix, normal, orthonormal, single, values};
use crate::on_both::on_both;
use crate::{apart, skew};
use np_lora::backend::Cut;
use np_lora::backend::kernels::{Basis, Kernels, Svd};
use pollster::block_on;

on_both! {
    the_core_is_the_product_of_the_triangles
    jacobi_finds_singular_values_and_orthonormal_vectors
    jacobi_takes_singular_and_zero_matrices
    the_cut_keeps_the_largest_and_gives_their_projector
    the_cut_leaves_out_what_is_below_the_tolerance
    ties_are_cut_to_the_right_number
}

/// A made-up triangular factor; row `zero` is zero.
fn triangle(seed: &str, r: usize, zero: usize) -> Basis {
    let mut random = Random::new(seed);
    let l = Matrix::from_fn(r, r, |i, j| if j <= i && i != zero { random.normal() * 10.0 } else { 0.0 });
    let exponent = (0..r).map(|i| if i == zero { 0 } else { (random.unit() * 40.0) as i32 - 30 }).collect();
    let pivot = (0..r).map(|i| if i == zero { 0.0 } else { 1.0 }).collect();
    Basis { q: Vec::new(), l: values(&l), exponent, pivot }
}

fn the_core_is_the_product_of_the_triangles<K: Kernels>(kernels: &K) {
    for (r, zeros) in
        [(1, (9, 9)), (2, (9, 0)), (5, (1, 3)), (16, (2, 2)), (33, (0, 32)), (64, (99, 99)), (256, (7, 8))]
    {
        let (up, down) = (triangle("up", r, zeros.0), triangle("down", r, zeros.1));
        let (core, exponent) = block_on(kernels.core(&up, &down)).unwrap();
        let sums =
            (0..r).filter(|&i| i != zeros.0 && i != zeros.1).map(|i| up.exponent[i] + down.exponent[i]);
        assert_eq!(exponent, sums.max().unwrap());
        let mut powers = Matrix::zeros(r, r);
        for i in 0..r {
            powers[(i, i)] = 2f64.powi(up.exponent[i] + down.exponent[i] - exponent);
        }
        let expected = matrix(&up.l, r).transpose() * powers * matrix(&down.l, r);
        at_most(apart(&matrix(&core, r), &expected), 1e-6, "core");
    }
    let (core, exponent) = block_on(kernels.core(&triangle("up", 1, 0), &triangle("down", 1, 5))).unwrap();
    assert_eq!((core, exponent), (vec![0.0], 0));
}

/// Checks core·W = U·Σ; gives the singular values, sorted.
fn checked_svd<K: Kernels>(kernels: &K, core: &Matrix) -> Vec<f64> {
    let r = core.nrows();
    let Svd { sigma, w } = block_on(kernels.jacobi(&values(core), r)).unwrap();
    let w = matrix(&w, r);
    at_most(skew(&w.transpose()), 1e-6, "orthonormality of W");
    let mut expected: Vec<f64> = core.singular_values().iter().copied().collect();
    expected.sort_by(|a, b| b.total_cmp(a));
    // Every column goes through a rotation with every other, in each sweep, and is rounded each time.
    let bound = 5e-7 * (r as f64).sqrt();
    let turned = core * &w;
    for (j, &s) in sigma.iter().enumerate() {
        at_most(
            (turned.column(j).norm() - f64::from(s)).abs(),
            bound * expected[0],
            "a column has its length",
        );
    }
    let products = turned.transpose() * &turned;
    let crossed = Matrix::from_fn(r, r, |i, j| if i == j { 0.0 } else { products[(i, j)] });
    at_most(largest(&crossed), bound * expected[0] * expected[0], "columns are orthogonal");
    let mut sorted: Vec<f64> = sigma.iter().map(|&s| s.into()).collect();
    sorted.sort_by(|a, b| b.total_cmp(a));
    for (is, should) in sorted.iter().zip(&expected) {
        at_most((is - should).abs(), bound * expected[0], "a singular value");
    }
    sorted
}

fn jacobi_finds_singular_values_and_orthonormal_vectors<K: Kernels>(kernels: &K) {
    for r in [1, 2, 3, 5, 8, 16, 33, 64, 127, 128, 256] {
        checked_svd(kernels, &normal("core", r, r));
    }
    // As large and as small as a core gets, and a spectrum over five decades.
    checked_svd(kernels, &single(normal("large", 9, 9) * 1e8));
    checked_svd(kernels, &single(normal("small", 9, 9) * 1e-6));
    let decades: Vec<f64> = (0..20).map(|i| 10f64.powf(-f64::from(i) / 4.0)).collect();
    let spread = Matrix::from_fn(20, 20, |i, j| if i == j { decades[i] } else { 0.0 });
    let core = orthonormal("left", 20, 20) * spread * orthonormal("right", 20, 20);
    checked_svd(kernels, &single(core));
}

fn jacobi_takes_singular_and_zero_matrices<K: Kernels>(kernels: &K) {
    for r in [1, 2, 7, 40] {
        assert_eq!(checked_svd(kernels, &Matrix::zeros(r, r)), vec![0.0; r]);
        checked_svd(kernels, &Matrix::identity(r, r));
    }
    for (r, rank) in [(4, 1), (17, 5), (64, 63), (64, 20)] {
        let core = single(normal("thin", r, rank) * normal("flat", rank, r));
        let sigma = checked_svd(kernels, &core);
        assert_eq!(sigma.iter().filter(|&&s| s > 2e-6 * sigma[0]).count(), rank, "{sigma:?}");
    }
    // Zero and repeated columns, as zero rows of a factor leave them.
    let mut core = normal("holes", 10, 10);
    core.column_mut(3).fill(0.0);
    core.row_mut(7).fill(0.0);
    let copy = core.column(1).into_owned();
    core.set_column(8, &copy);
    checked_svd(kernels, &core);
}

/// Checks the cut of the given singular values, which stand in this order in W's columns.
fn checked_cut<K: Kernels>(kernels: &K, sigma: &[f64], cut: Cut, k: usize) {
    let r = sigma.len();
    let w = single(orthonormal("w", r, r));
    let svd = Svd { sigma: sigma.iter().map(|&s| s as f32).collect(), w: values(&w) };
    let protected = block_on(kernels.cut(&svd, &vec![true; r], cut)).unwrap();
    assert_eq!(protected.k, k, "{sigma:?} {cut:?}");
    let projector = matrix(&protected.projector, r);
    if k == r {
        assert_eq!(projector, Matrix::identity(r, r), "the basis itself");
        return;
    }
    let mut order: Vec<usize> = (0..r).collect();
    order.sort_by(|&a, &b| sigma[b].total_cmp(&sigma[a]));
    let kept = w.select_columns(&order[..k]);
    at_most(largest(&(projector - &kept * kept.transpose())), 1e-6, "projector");
}

fn the_cut_keeps_the_largest_and_gives_their_projector<K: Kernels>(kernels: &K) {
    // Squares 25, 16, 9, 4, 1: 55 in all.
    let sigma = [2.0, 5.0, 1.0, 4.0, 3.0];
    let cuts = [
        (Cut::All, 5),
        (Cut::Count(0), 0),
        (Cut::Count(1), 1),
        (Cut::Count(3), 3),
        (Cut::Count(5), 5),
        (Cut::Count(70_000), 5),
        (Cut::Energy(0.4), 1),
        (Cut::Energy(0.5), 2),
        (Cut::Energy(0.9), 3),
        (Cut::Energy(0.95), 4),
        (Cut::Energy(0.99), 5),
        (Cut::Energy(1.0), 5),
    ];
    for (cut, k) in cuts {
        checked_cut(kernels, &sigma, cut, k);
    }
    for r in [2, 33, 256] {
        let fading: Vec<f64> = (0..r).map(|i| 0.98f64.powi((i * 7 % r) as i32)).collect();
        checked_cut(kernels, &fading, Cut::Count(r / 2), r / 2);
    }
}

fn the_cut_leaves_out_what_is_below_the_tolerance<K: Kernels>(kernels: &K) {
    checked_cut(kernels, &[1.0, 1e-6, 0.5, 0.0], Cut::All, 2);
    checked_cut(kernels, &[1e-20, 1e-20 * 3e-6, 1e-20 * 1e-6], Cut::All, 2);
    // All of the energy is that of all directions that count, however weak.
    let weak = [[1.0; 16].as_slice(), &[3e-6, 1e-7]].concat();
    checked_cut(kernels, &weak, Cut::Energy(1.0), 17);
    checked_cut(kernels, &[0.0, 0.0], Cut::All, 0);
    checked_cut(kernels, &[0.0, 0.0], Cut::Energy(0.5), 0);
    // Where the basis has no row, nothing is protected; its other rows are, exactly.
    let svd = Svd { sigma: vec![3.0, 0.0, 1.0], w: values(&orthonormal("w", 3, 3)) };
    let protected = block_on(kernels.cut(&svd, &[true, false, true], Cut::All)).unwrap();
    assert_eq!((protected.k, protected.projector), (2, vec![1., 0., 0., 0., 0., 0., 0., 0., 1.]));
}

fn ties_are_cut_to_the_right_number<K: Kernels>(kernels: &K) {
    for (cut, k) in [(Cut::Count(3), 3), (Cut::Count(5), 5), (Cut::Energy(0.7), 6), (Cut::Energy(0.5), 4)] {
        let svd = Svd { sigma: vec![2.0; 8], w: values(&single(orthonormal("w", 8, 8))) };
        let protected = block_on(kernels.cut(&svd, &[true; 8], cut)).unwrap();
        assert_eq!(protected.k, k);
        // Any k of the equal directions are right.
        let p = matrix(&protected.projector, 8);
        at_most(largest(&(&p * &p - &p)), 1e-6, "a projector");
        at_most((p.trace() - k as f64).abs(), 1e-6, "its rank");
    }
    checked_cut(kernels, &[1.0, 2.0, 2.0, 1.0], Cut::Count(2), 2);
}

//! `project` and `gram`, the kernels together, and both implementations side by side.

use crate::common::method::Spectrum;
use crate::common::{self, Matrix, at_most, largest, matrix, normal, orthonormal, single, values};
use crate::on_both::on_both;
use crate::{apart, bits, shape, skew};
use np_lora::backend::cpu::Cpu;
use np_lora::backend::kernels::{Kernels, Shape};
use np_lora::backend::{Blend, Cut};
use pollster::block_on;

on_both! {
    right_singular_vectors_are_orthonormal
    what_lies_in_the_space_is_weighed_against_the_whole
    nothing_is_touched_where_nothing_is_to_be_removed
    nothing_is_left_where_nothing_lies_in_the_space
    inner_products_are_exact_to_single_precision
}

/// From basis to cut: V_k, k×n, as the batch has it without forming it.
fn right_singular_vectors_are_orthonormal<K: Kernels>(kernels: &K) {
    for (m, n, r, k) in [(40, 64, 8, 3), (30, 500, 16, 15), (48, 2304, 33, 20), (130, 1000, 64, 10)] {
        let (up, down) = (normal("chain up", m, r), normal("chain down", r, n));
        let down_basis = block_on(kernels.basis(&values(&down), shape(&down))).unwrap();
        let up_basis = block_on(kernels.basis(&values(&up.transpose()), Shape { rows: r, cols: m })).unwrap();
        let (core, exponent) = block_on(kernels.core(&up_basis, &down_basis)).unwrap();
        let svd = block_on(kernels.jacobi(&core, r)).unwrap();
        let (w, q) = (matrix(&svd.w, r), matrix(&down_basis.q, n));
        let mut order: Vec<usize> = (0..r).collect();
        order.sort_by(|&a, &b| svd.sigma[b].total_cmp(&svd.sigma[a]));
        let v = w.select_columns(&order[..k]).transpose() * &q;
        at_most(skew(&v), 1e-6, "orthonormality of V");
        let expected = Spectrum::of(&(up * down));
        for (is, should) in order.iter().map(|&at| svd.sigma[at]).zip(&expected.sigma) {
            at_most((f64::from(is) * 2f64.powi(exponent) - should).abs(), 2e-6 * expected.sigma[0], "σ");
        }
        let gap = (expected.sigma[k - 1] - expected.sigma[k]) / expected.sigma[0];
        let protected = block_on(kernels.cut(&svd, &vec![true; r], Cut::Count(k))).unwrap();
        let projector = q.transpose() * matrix(&protected.projector, r) * q;
        let apart = largest(&(projector - expected.first(k) * expected.first(k).transpose()));
        at_most(apart, 1e-6 / gap, "the projector on the first k");
    }
}

/// (C, A_c').
fn project<K: Kernels>(
    kernels: &K,
    content: &Matrix,
    q: &Matrix,
    p: &Matrix,
    blend: Blend,
) -> (Vec<f32>, Vec<f32>) {
    block_on(kernels.project(&values(content), shape(content), &values(q), &values(p), blend)).unwrap()
}

fn what_lies_in_the_space_is_weighed_against_the_whole<K: Kernels>(kernels: &K) {
    let shapes = [
        (1, 1, 1),
        (1, 300, 1),
        (8, 64, 8),
        (9, 65, 3),
        (17, 1000, 33),
        (4, 65_536, 2),
        (16, 2304, 64),
        (3, 300, 256),
    ];
    for (rows, n, r) in shapes {
        let content = normal("content", rows, n);
        let q = single(orthonormal("q", n, r).transpose());
        let kept = orthonormal("p", r, r).columns(0, r.div_ceil(2)).into_owned();
        for projector in [single(&kept * kept.transpose()), Matrix::identity(r, r)] {
            let odd = Blend { keep: -0.75, added: 2.5 };
            for blend in [Blend::without(1.0 / 3.0), Blend::without(1.0), Blend::OVERLAP, odd] {
                let (along, projected) = project(kernels, &content, &q, &projector, blend);
                let expected = &content * q.transpose();
                at_most((matrix(&along, r) - &expected).norm(), 1e-6 * content.norm(), "C");
                let expected = blend.keep * &content + blend.added * (expected * &projector) * &q;
                let size = blend.added.abs().max(1.0) * content.norm();
                at_most((matrix(&projected, n) - &expected).norm(), 1e-6 * size, "A_c'");
            }
        }
    }
}

fn nothing_is_touched_where_nothing_is_to_be_removed<K: Kernels>(kernels: &K) {
    let (mut content, q) = (normal("content", 11, 333), single(orthonormal("q", 333, 5).transpose()));
    content[(3, 3)] = -0.0;
    for (projector, beta) in [(Matrix::identity(5, 5), 0.0), (Matrix::zeros(5, 5), 1.0)] {
        let (_, projected) = project(kernels, &content, &q, &projector, Blend::without(beta));
        assert_eq!(bits(&projected), bits(&values(&content)));
    }
}

fn nothing_is_left_where_nothing_lies_in_the_space<K: Kernels>(kernels: &K) {
    let (content, q) = (normal("content", 11, 333), single(orthonormal("q", 333, 5).transpose()));
    let (_, projected) = project(kernels, &content, &q, &Matrix::zeros(5, 5), Blend::OVERLAP);
    assert_eq!(projected.len(), 11 * 333);
    assert!(projected.iter().all(|&x| x == 0.0));
}

fn inner_products_are_exact_to_single_precision<K: Kernels>(kernels: &K) {
    for (p, q, n) in
        [(1, 1, 1), (3, 5, 7), (8, 8, 255), (5, 4, 257), (17, 33, 3000), (2, 3, 65_536), (1, 130, 64)]
    {
        let (x, y) = (normal("x", p, n), normal("y", q, n));
        let products = matrix(&block_on(kernels.gram(&values(&x), &values(&y), n)).unwrap(), q);
        assert_eq!(products.nrows(), p);
        let expected = &x * y.transpose();
        for ((i, j), is) in (0..p).flat_map(|i| (0..q).map(move |j| (i, j))).map(|at| (at, products[at])) {
            at_most((is - expected[(i, j)]).abs(), 1e-6 * x.row(i).norm() * y.row(j).norm(), "a product");
        }
    }
}

#[test]
fn both_implementations_give_the_same() {
    let gpu = common::gpu();
    let a = normal("same", 20, 700);
    let [ours, theirs] = [
        block_on(Cpu.basis(&values(&a), shape(&a))).unwrap(),
        block_on(gpu.basis(&values(&a), shape(&a))).unwrap(),
    ];
    assert_eq!(ours.exponent, theirs.exponent);
    let same = |ours: &[f32], theirs: &[f32], what: &str| {
        at_most(apart(&matrix(theirs, 1), &matrix(ours, 1)), 1e-6, what);
    };
    same(&ours.q, &theirs.q, "Q");
    same(&ours.l, &theirs.l, "L");
    same(&ours.pivot, &theirs.pivot, "pivots");
    let core = |of: (Vec<f32>, i32)| of;
    let (ours, theirs) =
        (core(block_on(Cpu.core(&ours, &ours)).unwrap()), core(block_on(gpu.core(&ours, &ours)).unwrap()));
    assert_eq!(ours.1, theirs.1);
    same(&ours.0, &theirs.0, "core");
    let (x, q) = (normal("x", 9, 700), orthonormal("q", 700, 6).transpose());
    let p = Matrix::identity(6, 6);
    for blend in [Blend::without(1.0), Blend::OVERLAP] {
        let (ours, theirs) = (project(&Cpu, &x, &q, &p, blend), project(&*gpu, &x, &q, &p, blend));
        same(&ours.0, &theirs.0, "C");
        same(&ours.1, &theirs.1, "A_c'");
    }
}

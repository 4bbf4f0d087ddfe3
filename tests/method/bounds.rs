//! The table of bounds, row by row.

use crate::Tested;
use crate::common::method::{Outcome, Pair, with_spectrum};
use crate::common::{Matrix, Words, at_most, largest, normal, orthonormal};
use crate::on_both::on_both;
use np_lora::backend::{Cut, Dtype, Place};
use std::fmt::Write;

on_both! {
    ordinary_factors_are_fused_to_1e_6
    ordinary_factors_stay_on_their_backend
    equal_values_are_fused_to_1e_6
    ill_conditioned_factors_are_fused_to_1e_5_and_1e_4
    deficient_factors_are_fused_to_1e_5
    a_small_k_is_cut_to_1e_5
    a_cut_between_equal_directions_leaks_no_more
    leaning_columns_are_cut_to_1e_5
    tied_directions_are_cut_to_a_projector_of_the_right_rank
    tiny_factors_are_fused_as_well
    the_projector_is_one_to_1e_6
}

/// The bound of the leak, whatever the factors are.
const LEAK: f64 = 1e-6;

/// The worst of a row of the table.
struct Row {
    bound: f64,
    worst: f64,
    leak: f64,
    log: String,
}

impl Row {
    fn new(bound: f64) -> Self {
        Self { bound, worst: 0.0, leak: 0.0, log: String::new() }
    }

    #[track_caller]
    fn check<B: Tested>(&mut self, backend: &B, what: &str, pair: &Pair, cut: Cut) {
        // Full strength shows most; less of it says nothing new of a device.
        let betas: &[f32] = if B::SLOW { &[1.0] } else { &[1.0 / 3.0, 1.0] };
        for &beta in betas {
            let Outcome { error, leak, k, expected_k, place } = pair.check(backend, cut, beta);
            assert_eq!(k, expected_k, "{what} {cut:?}");
            let leak = if beta == 1.0 { leak } else { 0.0 };
            self.worst = self.worst.max(error);
            self.leak = self.leak.max(leak);
            writeln!(self.log, "{} {what} β {beta:.2}: {error:.1e}, leak {leak:.1e}, {place:?}", B::NAME)
                .unwrap();
            assert!(error <= self.bound && leak <= LEAK, "{}", self.log);
        }
    }
}

impl Drop for Row {
    fn drop(&mut self) {
        println!("{}worst {:.1e}, leak {:.1e}; bound {:.0e}", self.log, self.worst, self.leak, self.bound);
    }
}

/// m, n, r_s, r_c, and whether a slow device takes its turn.
const ORDINARY: [(usize, usize, usize, usize, bool); 22] = [
    (24, 1, 1, 1, true),
    (1, 64, 1, 1, true),
    (24, 2, 1, 2, false),
    (20, 36, 4, 2, true),
    (24, 3, 2, 5, false),
    // More rows than columns.
    (40, 8, 16, 4, true),
    (40, 20, 33, 3, false),
    (16, 32, 16, 16, false),
    (64, 64, 8, 8, true),
    (48, 320, 8, 4, true),
    (64, 768, 16, 16, false),
    (40, 2880, 4, 9, false),
    (80, 1280, 33, 16, true),
    (64, 64, 64, 8, false),
    (96, 2304, 64, 32, false),
    (160, 3072, 128, 64, false),
    (136, 256, 128, 3, true),
    (264, 1152, 256, 16, false),
    (260, 280, 256, 5, true),
    (24, 5120, 8, 8, false),
    (24, 15_360, 16, 16, false),
    (24, 65_536, 4, 4, true),
];

fn ordinary_factors_are_fused_to_1e_6<B: Tested>(backend: &B) {
    let mut row = Row::new(1e-6);
    for (at, (m, n, r_s, r_c, everywhere)) in ORDINARY.into_iter().enumerate() {
        if B::SLOW && !everywhere {
            continue;
        }
        let dtype = [Dtype::F16, Dtype::BF16, Dtype::F32][at % 3];
        let pair = Pair::new(&normal("up", m, r_s), &(normal("down", r_s, n) * 0.05), r_c, dtype);
        row.check(backend, &format!("{m}×{n} rank {r_s}+{r_c} {dtype}"), &pair, Cut::All);
    }
}

/// The bounds would also hold if everything were computed in f64; that is for the few.
fn ordinary_factors_stay_on_their_backend<B: Tested>(backend: &B) {
    for (m, n, r) in [(64, 320, 4), (48, 320, 16), (80, 1280, 33)] {
        let pair = Pair::new(&normal("up", m, r), &normal("down", r, n), 4, Dtype::F16);
        let place = pair.run(backend, Cut::All, 1.0).computed_on;
        assert_eq!(place, if B::SLOW { Place::Gpu } else { Place::Cpu });
    }
}

/// Sums of equal terms are rounded the same way every time. The content lies within the style, so that nothing of it may be left.
fn equal_values_are_fused_to_1e_6<B: Tested>(backend: &B) {
    let mut row = Row::new(1e-6);
    let values: &[f64] =
        if B::SLOW { &[1.1, 1.7] } else { &[1.05, 1.1, 1.23, 1.31, 1.47, 1.52, 1.7, 1.89, 1.97] };
    for (n, r) in [(64, 1), (640, 1), (2048, 1), (640, 4)] {
        for &value in values {
            let down = normal("down", r, n);
            let down = Matrix::from_fn(r, n, |i, j| if i == 0 { value } else { down[(i, j)] });
            let mut pair = Pair::new(&normal("up", 24, r), &down, 1, Dtype::F32);
            pair.content_down = Words::new(&Matrix::from_element(1, n, 3.0 - value), Dtype::F32);
            row.check(backend, &format!("{value} rank {r} in {n}"), &pair.balanced(), Cut::All);
        }
    }
}

/// r rows that lie in each other's way: singular values from 1 down to 1/condition, and a B_s that makes up for it, so
/// that every direction counts in ΔW_s; or does not.
fn conditioned(m: usize, n: usize, r: usize, condition: f64, made_up: bool) -> (Matrix, Matrix) {
    let powers = |sign: f64| {
        Matrix::from_fn(
            r,
            r,
            |i, j| {
                if i == j { condition.powf(sign * i as f64 / (r - 1) as f64) } else { 0.0 }
            },
        )
    };
    let mix = orthonormal("mix", r, r);
    let down = &mix * powers(-1.0) * orthonormal("down", n, r).transpose();
    let up = normal("up", m, r);
    (if made_up { up * powers(1.0) * mix.transpose() } else { up }, down)
}

fn ill_conditioned_factors_are_fused_to_1e_5_and_1e_4<B: Tested>(backend: &B) {
    for (bound, condition) in [(1e-5, 30.0), (1e-5, 1e3), (1e-4, 1e6)] {
        let mut row = Row::new(bound);
        for (m, n, r) in [(40, 320, 4), (48, 200, 16), (64, 700, 33)] {
            let (up, down) = conditioned(m, n, r, condition, true);
            row.check(
                backend,
                &format!("{condition:e} rank {r}"),
                &Pair::new(&up, &down, 8, Dtype::F32),
                Cut::All,
            );
            if condition < 1e6 {
                let (up, down) = conditioned(m, n, r, condition, false);
                let pair = Pair::new(&up, &down, 8, Dtype::F32);
                row.check(backend, &format!("{condition:e} rank {r} as it is"), &pair, Cut::All);
            }
        }
        // Rows of very different norms, and columns that make up for half of it.
        for (n, r) in [(320, 6), (500, 17)] {
            let (mut up, mut down) = (normal("up", 48, r), normal("down", r, n));
            for i in 0..r {
                let size = condition.powf((i * 5 % r) as f64 / (r - 1) as f64);
                down.row_mut(i).scale_mut(size);
                up.column_mut(i).scale_mut(size.powf(-0.5));
            }
            row.check(
                backend,
                &format!("{condition:e} norms"),
                &Pair::new(&up, &down, 8, Dtype::F32),
                Cut::All,
            );
        }
    }
}

fn deficient_factors_are_fused_to_1e_5<B: Tested>(backend: &B) {
    let (m, n, r) = (40, 300, 12);
    let (up, down) = (normal("up", m, r), normal("down", r, n));
    let zero = |x: &Matrix| x * 0.0;
    let changed = |matrix: &Matrix, change: fn(&mut Matrix)| {
        let mut matrix = matrix.clone();
        change(&mut matrix);
        matrix
    };
    let thin = normal("thin", m, 5) * normal("flat", 5, r);
    let low = normal("low", r, 7) * normal("wide", 7, n);
    // A column of B_s that the product needs as much as any, on a row of A_s that all but depends on another.
    let (mut magnified, mut close) = (up.clone(), down.clone());
    magnified.column_mut(5).scale_mut(1e5);
    let nearly = down.row(2) + normal("bit", 1, n) * 1e-5;
    close.set_row(5, &nearly);
    let minus = magnified.column(2) - magnified.column(5);
    magnified.set_column(2, &minus);
    // On a grid, so that sums are exact: b·a₁ + b·a₂ − b·(a₁ + a₂) and so on, and nothing is left.
    let grid = |matrix: &Matrix| matrix.map(|x| (8.0 * x).round() / 8.0);
    let (mut cancelling, mut sums) = (grid(&up), grid(&down));
    for at in (0..r).step_by(3) {
        let column = cancelling.column(at).into_owned();
        cancelling.set_column(at + 1, &column);
        cancelling.set_column(at + 2, &-column);
        let sum = sums.row(at) + sums.row(at + 1);
        sums.set_row(at + 2, &sum);
    }
    let (mut negated, mut repeated) = (grid(&up), grid(&down));
    for at in 0..r / 2 {
        let (column, row) = (-negated.column(at), repeated.row(at).into_owned());
        negated.set_column(r / 2 + at, &column);
        repeated.set_row(r / 2 + at, &row);
    }
    let cases = [
        ("B zero", zero(&up), down.clone()),
        ("a style and its negative", negated, repeated),
        ("nothing left", cancelling, sums),
        ("A zero", up.clone(), zero(&down)),
        ("both zero", zero(&up), zero(&down)),
        ("column of B zero", changed(&up, |b| b.column_mut(4).fill(0.0)), down.clone()),
        ("first row of A zero", up.clone(), changed(&down, |a| a.row_mut(0).fill(0.0))),
        (
            "both, elsewhere",
            changed(&up, |b| b.column_mut(4).fill(0.0)),
            changed(&down, |a| a.row_mut(9).fill(0.0)),
        ),
        (
            "rows of A repeated",
            up.clone(),
            changed(&down, |a| {
                for (to, from) in [(3, 1), (8, 1), (11, 10)] {
                    let row = a.row(from).into_owned();
                    a.set_row(to, &row);
                }
            }),
        ),
        (
            "columns of B repeated",
            changed(&up, |b| {
                let column = b.column(2).into_owned();
                b.set_column(7, &column);
            }),
            down.clone(),
        ),
        (
            "rows that cancel",
            changed(&up, |b| {
                let column = -b.column(2);
                b.set_column(7, &column);
            }),
            changed(&down, |a| {
                let row = a.row(2).into_owned();
                a.set_row(7, &row);
            }),
        ),
        ("B of rank 5", thin.clone(), down.clone()),
        ("A of rank 7", up.clone(), low.clone()),
        ("both deficient", thin, low),
        ("fewer outputs than rank", normal("few", 3, r), down),
        ("close rows, magnified", magnified, close),
    ];
    let mut row = Row::new(1e-5);
    for (what, up, down) in &cases {
        for dtype in [Dtype::F32, Dtype::F16] {
            if dtype == Dtype::F16
                && (*what == "close rows, magnified" || what.contains("of rank") || *what == "both deficient")
            {
                continue; // rounding to 16 bits would make them something else
            }
            row.check(backend, &format!("{what} {dtype}"), &Pair::new(up, down, 6, dtype), Cut::All);
        }
    }
}

fn a_small_k_is_cut_to_1e_5<B: Tested>(backend: &B) {
    let mut row = Row::new(1e-5);
    for r in [4, 12, 33, 64, 128] {
        let k = r / 2;
        for gap in [1e-3, 4e-3, 1e-2, 3e-2, 0.07, 0.13, 0.3] {
            if B::SLOW && (r == 64 && gap != 0.13 || r == 128 && gap != 0.3) {
                continue;
            }
            // Falling from 1, with a step of `gap` in the middle.
            let sigma: Vec<f64> = (0..r)
                .map(|i| {
                    let tilt = 1.0 - 0.2 * (i % k) as f64 / k as f64;
                    if i < k { tilt } else { (0.8 + 0.2 / k as f64 - gap) * tilt }
                })
                .collect();
            let (up, down) = with_spectrum("cut", r + 8, 3 * r + 40, &sigma);
            let pair = Pair::new(&up, &down, 6, Dtype::F32);
            row.check(backend, &format!("rank {r} cut at {k}, gap {gap}"), &pair, Cut::Count(k));
            // The same by energy, whose decision stands half-way to the next direction.
            let energy = |k: usize| sigma[..k].iter().map(|s| s * s).sum::<f64>();
            let share = (energy(k) - 0.5 * sigma[k - 1].powi(2)) / energy(r);
            row.check(
                backend,
                &format!("rank {r} by energy {share:.3}, gap {gap}"),
                &pair,
                Cut::Energy(share),
            );
        }
        if B::SLOW && r > 33 {
            continue;
        }
        // Among weak directions.
        let fading: Vec<f64> = (0..r).map(|i| 0.5f64.powf(12.0 * i as f64 / r as f64)).collect();
        let (up, down) = with_spectrum("fading", r + 8, 3 * r + 40, &fading);
        let pair = Pair::new(&up, &down, 6, Dtype::F32);
        for k in [1, r / 3, r / 2] {
            if fading[k - 1] - fading[k] >= 1e-3 {
                row.check(backend, &format!("rank {r} fading, cut at {k}"), &pair, Cut::Count(k));
            }
        }
    }
}

/// Equal directions above the cut and equal ones below it, and a content that has nothing beside them: where a leak is largest.
fn a_cut_between_equal_directions_leaks_no_more<B: Tested>(backend: &B) {
    let mut row = Row::new(1e-5);
    for (r, gap) in [(8, 0.07), (16, 0.065), (32, 0.065), (32, 0.13), (32, 0.3)] {
        let k = r / 2;
        let sigma: Vec<f64> = (0..r).map(|i| if i < k { 1.0 } else { 1.0 - gap }).collect();
        let (up, down) = with_spectrum("equal", r + 8, 3 * r + 40, &sigma);
        let mut pair = Pair::new(&up, &down, 9, Dtype::F32);
        pair.content_down = Words::new(&(normal("within", 9, r) * &down), Dtype::F32);
        row.check(backend, &format!("rank {r} cut at {k}, gap {gap}"), &pair.balanced(), Cut::Count(k));
    }
}

/// A style of which none of lora_up's columns nearly depends on another, but each leans on the one before.
fn leaning_columns_are_cut_to_1e_5<B: Tested>(backend: &B) {
    let mut row = Row::new(1e-5);
    for (r, share) in [(8, 0.25), (12, 0.4), (16, 0.15), (16, 0.25), (16, 0.4)] {
        let base = orthonormal("lean", 90, r);
        let lean = (1.0f64 - share * share).sqrt();
        let mut up = base.clone();
        for j in 1..r {
            up.column_mut(j).copy_from(&(base.column(j - 1) * lean + base.column(j) * share));
        }
        let pair = Pair::new(&up, &normal("down", r, 320), 6, Dtype::F32);
        for cut in [Cut::Count(1), Cut::Count(2), Cut::Count(4)] {
            row.check(backend, &format!("rank {r}, {share} apart"), &pair, cut);
        }
    }
}

/// A pair whose content is the unit matrix, so that A_c' shows I − V_k·V_kᵀ itself.
fn bare(up: &Matrix, down: &Matrix) -> Pair {
    let n = down.ncols();
    Pair {
        content_down: Words::new(&Matrix::identity(n, n), Dtype::F32),
        content_up: Matrix::identity(n, n),
        scale: 1.0,
        ..Pair::new(up, down, 1, Dtype::F32)
    }
}

fn projector<B: Tested>(backend: &B, pair: &Pair, cut: Cut) -> Matrix {
    let n = pair.content_down.cols;
    Matrix::identity(n, n) - pair.down(&pair.run(backend, cut, 1.0), Dtype::F32)
}

fn tied_directions_are_cut_to_a_projector_of_the_right_rank<B: Tested>(backend: &B) {
    // Two directions stand out, five are equal, one is weaker: whichever of the five are taken is right.
    let sigma = [3.0, 2.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.5];
    let (up, down) = with_spectrum("tied", 40, 50, &sigma);
    let pair = bare(&up, &down);
    let v = |columns: usize| crate::common::method::Spectrum::of(&pair.style()).first(columns);
    for k in [3, 5, 6] {
        let p = projector(backend, &pair, Cut::Count(k));
        at_most(largest(&(&p * &p - &p)), 1e-5, "a projector");
        at_most(largest(&(&p - p.transpose())), 1e-6, "an orthogonal one");
        at_most((p.trace() - k as f64).abs(), 1e-5, "of rank k");
        at_most((&p * v(2) - v(2)).norm(), 1e-5, "that holds what stands out");
        at_most((v(7) * (v(7).transpose() * &p) - &p).norm(), 1e-5, "and nothing weaker than the tie");
    }
    // Where the cut is not in the tie, there is one right answer.
    for k in [2, 7] {
        let p = projector(backend, &pair, Cut::Count(k));
        at_most((p - v(k) * v(k).transpose()).norm(), 1e-5, "the only projector");
    }
}

fn tiny_factors_are_fused_as_well<B: Tested>(backend: &B) {
    let mut row = Row::new(1e-6);
    let (up, down) = (normal("up", 40, 8), normal("down", 8, 300));
    for (size_up, size_down) in [(1e-20, 1e-20), (1e-20, 1.0), (1.0, 1e-20), (1e20, 1e-20), (1e15, 1e15)] {
        for dtype in [Dtype::F32, Dtype::BF16] {
            let pair = Pair::new(&(&up * size_up), &(&down * size_down), 4, dtype);
            row.check(backend, &format!("{size_up:e}·{size_down:e} {dtype}"), &pair, Cut::All);
        }
    }
    // Below 2^-126, where devices may take numbers for zero.
    for (size_up, size_down) in [(1.0, 1e-40), (1e-40, 1.0)] {
        for (dtype, cut) in
            [(Dtype::F32, Cut::All), (Dtype::F32, Cut::Count(2)), (Dtype::BF16, Cut::Count(2))]
        {
            let spectrum = [1.0, 0.9, 0.5, 0.2];
            let (up, down) = with_spectrum("tiny", 40, 300, &spectrum);
            let pair = Pair::new(&(&up * size_up), &(&down * 300.0 * size_down), 4, dtype);
            row.check(backend, &format!("{size_up:e}·{size_down:e} {dtype}"), &pair, cut);
        }
    }
    // In some rows only, with the other factor making up for them.
    for (small, made_up, cut) in [(1e-36, 1e7, Cut::All), (3e-37, 1e7, Cut::All), (1e-39, 1e9, Cut::Count(2))]
    {
        let (mut up, mut down) = (normal("up", 48, 6), normal("down", 6, 320));
        for i in 0..6 {
            down.row_mut(i).scale_mut(if i % 2 == 0 { 1e-29 } else { small });
            up.column_mut(i).scale_mut(if i % 2 == 0 { 1.0 } else { made_up });
        }
        for dtype in [Dtype::F32, Dtype::BF16] {
            row.check(
                backend,
                &format!("style rows {small:e} {dtype}"),
                &Pair::new(&up, &down, 8, dtype),
                cut,
            );
        }
    }
    for (large, small) in [(1e-29, 1e-36), (1e-29, 1e-39), (1e8, 1e-29)] {
        let mut pair = Pair::new(&up, &down, 4, Dtype::F32);
        let mut content = normal("content", 4, down.ncols()) * large;
        content.row_mut(1).scale_mut(small / large);
        pair.content_up.column_mut(1).scale_mut(large / small);
        pair.content_down = Words::new(&content, Dtype::F32);
        row.check(backend, &format!("content row {small:e} beside {large:e}"), &pair.balanced(), Cut::All);
    }
    for size in [1e-20, 1e20] {
        let mut pair = Pair::new(&up, &down, 4, Dtype::F32);
        pair.content_down = Words::new(&(pair.content_down.matrix() * size), Dtype::F32);
        row.check(backend, &format!("content {size:e}"), &pair.balanced(), Cut::All);
    }
}

fn the_projector_is_one_to_1e_6<B: Tested>(backend: &B) {
    for (m, n, r, cut, k) in [
        (40, 48, 8, Cut::All, 8),
        (70, 100, 33, Cut::All, 33),
        (16, 12, 20, Cut::All, 12),
        (40, 60, 6, Cut::Count(3), 3),
    ] {
        let (up, down) = if k == 3 {
            with_spectrum("one", m, n, &[1.0, 0.9, 0.8, 0.3, 0.2, 0.1])
        } else {
            (normal("up", m, r), normal("down", r, n))
        };
        let p = projector(backend, &bare(&up, &down), cut);
        at_most(largest(&(&p * &p - &p)), 1e-6, "V_kᵀ·V_k is the unit matrix");
        at_most(largest(&(&p - p.transpose())), 1e-6, "symmetry");
        at_most((p.trace() - f64::from(k)).abs(), 1e-5, "rank");
    }
}

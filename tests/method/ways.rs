//! The short ways and the long one lead to the same, on the CPU and from a device.

use crate::common::method::{Pair, with_spectrum};
use crate::common::{Matrix, at_most, gpu, normal, orthonormal};
use np_lora::backend::cpu::{self, Cpu};
use np_lora::backend::{Backend, Batch, Blend, Cut, Dtype, Place};
use pollster::block_on;

/// Where the Gram matrix of B_s leaves no doubt, its singular values are not asked for. Whoever decides, it is the same.
#[test]
fn a_direction_counts_alike_with_and_without_singular_values() {
    type Change = fn(&mut Matrix, &Matrix, f64);
    let (m, n, r) = (60, 300, 12);
    let (up, down) = (normal("up", m, r), normal("down", r, n));
    let noise = normal("noise", m, 1);
    let changes: [(&str, Change); 3] = [
        ("nearly the same column", |b, noise, size| {
            let near = b.column(2) + noise * size;
            b.set_column(7, &near);
        }),
        ("a small column", |b, _, size| b.column_mut(4).scale_mut(size)),
        ("columns that nearly cancel", |b, noise, size| {
            let near = noise * size - b.column(0) - b.column(1);
            b.set_column(9, &near);
        }),
    ];
    for (what, change) in changes {
        let mut asked = Vec::new();
        for size in [1.0, 0.3, 0.1, 0.03, 0.01, 3e-3, 1e-3, 3e-4, 1e-4, 3e-5, 1e-5, 4e-6, 1e-6, 1e-7, 0.0] {
            let mut up = up.clone();
            change(&mut up, &noise, size);
            let pair = Pair::new(&up, &down, 4, Dtype::F32);
            let outcome = pair.check(&Cpu, Cut::All, 1.0);
            assert_eq!(outcome.k, outcome.expected_k, "{what} {size:e}");
            at_most(outcome.error, 1e-5, what);
            at_most(outcome.leak, 1e-6, what);
            let projected = pair.run(&Cpu, Cut::All, 1.0);
            let energy = pair.style().norm_squared();
            at_most((projected.style_energy / energy - 1.0).abs(), 1e-5, "‖ΔW_s‖²");
            asked.push(!projected.sigma.is_empty());
        }
        assert!(asked.is_sorted(), "{what}: {asked:?}");
        // Not for a plain case, and well before a direction is lost.
        let first = asked.iter().position(|&asked| asked).unwrap();
        assert!((3..10).contains(&first), "{what}: {asked:?}");
    }
}

/// Gram matrices decide a cut as long as it is clear, and bases in f64 from there on. Whoever decides, it is the same.
#[test]
fn a_cut_is_the_same_whether_gram_matrices_or_bases_decide_it() {
    type Change = fn(&mut Matrix, &mut Matrix);
    let changes: [(&str, Change); 5] = [
        ("as it is", |_, _| {}),
        ("rows of very different lengths", |b, a| {
            for i in 0..a.nrows() {
                let size = 10f64.powf((i * 7 % 13) as f64 - 6.0);
                a.row_mut(i).scale_mut(size);
                b.column_mut(i).scale_mut(size.recip());
            }
        }),
        ("columns of B that nearly depend on each other", |b, a| {
            // B·M and M⁻¹·A, the same product: column 1 is column 0 but for a ten thousandth.
            let near = b.column(0) + b.column(1) * 1e-4;
            b.set_column(1, &near);
            let first = a.row(0) - a.row(1) * 1e4;
            a.set_row(0, &first);
            a.row_mut(1).scale_mut(1e4);
        }),
        ("rows and columns that lean on each other", |b, a| {
            // The same with a twentieth, which f32 bears.
            let near = b.column(0) + b.column(1) * 0.05;
            b.set_column(1, &near);
            let first = a.row(0) - a.row(1) * 20.0;
            a.set_row(0, &first);
            a.row_mut(1).scale_mut(20.0);
        }),
        ("huge and tiny factors", |b, a| {
            b.scale_mut(1e18);
            a.scale_mut(1e-18);
        }),
    ];
    let (r, k) = (24, 10);
    for (what, change) in changes {
        let mut places = Vec::new();
        for gap in [0.1, 1e-2, 1e-3, 1e-4, 1e-5, 3e-7] {
            let sigma: Vec<f64> = (0..r)
                .map(|i| if i < k { 2.0 - 0.1 * i as f64 } else { (1.1 - gap) * 0.9f64.powi((i - k) as i32) })
                .collect();
            let (mut up, mut down) = with_spectrum("whoever", 40, 90, &sigma);
            change(&mut up, &mut down);
            let pair = Pair::new(&up, &down, 5, Dtype::F32);
            let energy = |k: usize| sigma[..k].iter().map(|s| s * s).sum::<f64>() / energy_of(&sigma);
            for cut in [Cut::Count(k), Cut::Energy(0.5 * (energy(k - 1) + energy(k)))] {
                let ours = pair.run(&Cpu, cut, 1.0);
                let [careful] = &cpu::careful(&pair.job(), cut, &[Blend::without(1.0)], Dtype::F32)[..]
                else {
                    panic!("one blend, one result");
                };
                assert_eq!((ours.protected, careful.protected), (k, k), "{what} {gap:e}");
                let [ours_down, theirs] = [&ours, careful].map(|projected| pair.down(projected, Dtype::F32));
                at_most((ours_down - &theirs).norm() / pair.content_down.matrix().norm(), 1e-6, what);
                at_most((ours.style_energy / careful.style_energy - 1.0).abs(), 1e-6, "‖ΔW_s‖²");
                for (ours, theirs) in ours.sigma.iter().zip(&careful.sigma) {
                    at_most((ours - theirs).abs(), 1e-6 * careful.sigma[0], "σ");
                }
                places.push(ours.computed_on);
            }
        }
        let quick = places.iter().filter(|&&place| place == Place::Cpu).count();
        println!("{what}: {places:?}");
        assert_eq!(places[places.len() - 1], Place::CpuCareful, "{what}: a gap that no Gram matrix shows");
        assert!(quick >= 8 || what.starts_with("columns"), "{what}: {places:?}");
    }
}

fn energy_of(sigma: &[f64]) -> f64 {
    sigma.iter().map(|s| s * s).sum()
}

/// Rows of A_s each of which is nearly made of those before it: no pivot is small, but the basis of the last ones is. An
/// f32 basis is as far off as that, whatever k leaves out and however clear the cut is.
#[test]
fn rows_that_lean_on_each_other_are_fused_within_the_bounds() {
    let (n, r) = (320, 4);
    let q = orthonormal("leaning", n, r).transpose();
    let up = orthonormal("leaning up", 40, r);
    for d in [0.2, 1.0 / 12.0, 1.0 / 20.0, 1.0 / 28.0, 1.0 / 40.0] {
        let rows = [
            [1.37, 0.0, 0.0, 0.0],
            [1.09, 1.21 * d, 0.0, 0.0],
            [0.34, 0.96, 1.13 * d, 0.0],
            [0.0, 0.0, 0.0, 0.1 * d * d],
        ];
        let down = Matrix::from_fn(r, r, |i, j| rows[i][j]) * &q;
        let pair = Pair::new(&up, &down, 6, Dtype::F32);
        for cut in [Cut::All, Cut::Count(3), Cut::Count(2)] {
            let outcome = pair.check(&Cpu, cut, 1.0);
            println!("{d:.3} {cut:?}: {outcome:?}");
            assert_eq!(outcome.k, outcome.expected_k);
            at_most(outcome.error, 1e-5, "ΔW_m");
            at_most(outcome.leak, 1e-6, "leak");
        }
    }
}

/// More jobs than go into one chunk, one of them with nothing to protect and one whose rows all but depend on each other.
#[test]
fn every_job_of_a_batch_gets_its_own_result_from_a_device() {
    let pairs: Vec<Pair> = (0..37)
        .map(|at| {
            let (mut up, mut down) =
                (normal(&format!("up {at}"), 24, 3), normal(&format!("down {at}"), 3, 40));
            match at {
                5 => up.fill(0.0),
                20 => {
                    let near = down.row(0) + down.row(2) * 1e-4;
                    down.set_row(1, &near);
                }
                _ => {}
            }
            Pair::new(&up, &down, 2, Dtype::F32)
        })
        .collect();
    let jobs: Vec<_> = pairs.iter().map(Pair::job).collect();
    let blends = [Blend::without(1.0), Blend::without(0.25)];
    // With two of three directions it depends on how far the second and the third are apart.
    for (cut, by_device) in [(Cut::All, 35..=35), (Cut::Count(2), 10..=25), (Cut::Count(3), 35..=35)] {
        let batch = Batch { jobs: &jobs, cut, blends: &blends, output: Dtype::F32 };
        let projected = block_on(gpu().project(&batch)).unwrap();
        assert_eq!(projected.len(), jobs.len());
        for (pair, found) in pairs.iter().zip(&projected) {
            let ours = cpu::careful(&pair.job(), cut, &blends, Dtype::F32);
            for (found, ours) in found.iter().zip(&ours) {
                assert_eq!(found.protected, ours.protected);
                let apart = pair.down(found, Dtype::F32) - pair.down(ours, Dtype::F32);
                at_most(apart.norm() / pair.content_down.matrix().norm(), 1e-5, "A_c'");
            }
        }
        let there = projected.iter().filter(|found| found[0].computed_on == Place::Gpu).count();
        println!("{there} of {} jobs were done by the device for {cut:?}", jobs.len());
        assert!(by_device.contains(&there));
    }
}

//! What must hold whatever the numbers are.

use crate::Tested;
use crate::common::method::{Pair, Spectrum, with_spectrum};
use crate::common::{self, Matrix, Words, at_most, normal};
use crate::on_both::on_both;
use np_lora::backend::cpu::Cpu;
use np_lora::backend::{Batch, Blend, Cut, Dtype, Job, Place};
use pollster::block_on;

on_both! {
    the_projection_stands_on_the_right
    without_projection_the_content_passes_bit_for_bit
    what_lies_inside_is_divided_by_one_plus_mu
    the_overlap_with_minus_beta_makes_the_fusion
    roles_matter
    the_size_of_the_style_does_not_matter
    jobs_of_a_batch_do_not_touch_each_other
    what_is_decided_and_told_of_a_job_is_of_that_job
    read_outs_are_those_of_the_dense_matrices
    sixteen_bit_results_are_rounded_once
}

fn relative(is: &Matrix, should: &Matrix) -> f64 {
    (is - should).norm() / should.norm()
}

fn plain(m: usize, n: usize, r_s: usize, r_c: usize) -> Pair {
    Pair::new(&normal("up", m, r_s), &normal("down", r_s, n), r_c, Dtype::F32)
}

fn the_projection_stands_on_the_right<B: Tested>(backend: &B) {
    // On a square layer the left-hand form of the paper's first version runs as well, and gives something else.
    let pair = plain(56, 56, 8, 6);
    let v = Spectrum::of(&pair.style()).first(8);
    let (style, content) = (pair.style(), pair.content());
    let right = &style + &content - (&content * &v) * v.transpose();
    let left = &style + &content - &v * (v.transpose() * &content);
    let ours = pair.fused(backend, Cut::All, 1.0);
    at_most(relative(&ours, &right), 1e-6, "from the right-hand form");
    assert!(relative(&ours, &left) > 0.1, "the two forms are to differ");
}

fn without_projection_the_content_passes_bit_for_bit<B: Tested>(backend: &B) {
    for dtype in [Dtype::F16, Dtype::BF16, Dtype::F32] {
        let mut pair = Pair::new(&normal("up", 30, 5), &normal("down", 5, 77), 3, dtype);
        let mut content = normal("content", 3, 77) * 0.01;
        // Zeros of both signs and the smallest F16 numbers.
        content[(0, 0)] = 0.0;
        content[(1, 1)] = -0.0;
        content[(2, 2)] = 2f64.powi(-24);
        content[(2, 3)] = -3.0 * 2f64.powi(-24);
        pair.content_down = Words::new(&content, dtype);
        pair.scale = 1.0;
        let projected = pair.run_to(backend, Cut::All, 0.0, dtype);
        assert!(projected.content_down == pair.content_down.bytes, "{dtype}");
        // Nor is anything taken away where the style has no direction.
        pair.style_up = Words::new(&Matrix::zeros(30, 5), dtype);
        let projected = pair.run_to(backend, Cut::All, 1.0, dtype);
        assert_eq!(projected.protected, 0);
        assert!(projected.content_down == pair.content_down.bytes, "{dtype}, no style");
    }
}

fn what_lies_inside_is_divided_by_one_plus_mu<B: Tested>(backend: &B) {
    let pair = plain(40, 300, 8, 5);
    let v = Spectrum::of(&pair.style()).first(8);
    let content = pair.content();
    let inside = (&content * &v) * v.transpose();
    for mu in [0.0, 0.1, 0.5, 1.0, 10.0, f64::INFINITY] {
        let beta = if mu == f64::INFINITY { 1.0 } else { mu / (1.0 + mu) };
        let kept = pair.fused(backend, Cut::All, beta as f32) - pair.style();
        let kept_inside = (&kept * &v) * v.transpose();
        at_most((&kept_inside - &inside / (1.0 + mu)).norm() / content.norm(), 1e-6, "the part inside");
        at_most(
            (kept - kept_inside - (&content - &inside)).norm() / content.norm(),
            1e-6,
            "the part outside",
        );
    }
}

fn the_overlap_with_minus_beta_makes_the_fusion<B: Tested>(backend: &B) {
    let (up, down) = with_spectrum("overlap", 40, 120, &[1.0, 0.8, 0.6, 0.2, 0.15, 0.1]);
    let mut doubled = normal("down", 6, 100);
    let row = doubled.row(0).into_owned();
    doubled.set_row(4, &row);
    let ill = |sigma: &[f64]| {
        let (left, right) = with_spectrum("ill", 5, 120, sigma);
        Pair::new(&normal("up", 40, 5), &(left * right), 4, Dtype::F32)
    };
    let without_style = Pair::new(&Matrix::zeros(40, 3), &normal("down", 3, 60), 4, Dtype::F32);
    for (pair, cut, bound, what) in [
        (plain(40, 300, 8, 5), Cut::All, 1e-6, "ordinary"),
        (plain(64, 1280, 33, 16), Cut::All, 1e-6, "larger ranks"),
        (plain(20, 8, 12, 3), Cut::All, 1e-6, "more rows than inputs"),
        (Pair::new(&up, &down, 9, Dtype::F32), Cut::Count(3), 1e-5, "the first directions"),
        (Pair::new(&up, &down, 4, Dtype::F16), Cut::Energy(0.8), 1e-5, "most of the energy"),
        (Pair::new(&normal("up", 30, 6), &doubled, 4, Dtype::BF16), Cut::All, 1e-5, "a direction said twice"),
        (ill(&[1.0, 0.5, 0.1, 0.01, 1e-3]), Cut::All, 1e-5, "condition 1e3"),
        (ill(&[1.0, 0.1, 1e-3, 1e-4, 1e-6]), Cut::All, 1e-4, "condition 1e6"),
        (without_style, Cut::All, 1e-6, "no direction"),
    ] {
        let projected = pair.blended(backend, cut, Blend::OVERLAP, Dtype::F32);
        let overlap = &pair.content_up * pair.down(&projected, Dtype::F32);
        let (style, content) = (pair.style(), pair.content());
        let spectrum = Spectrum::of(&style);
        let v = spectrum.first(spectrum.k(cut));
        assert_eq!(projected.protected, v.ncols(), "{what}");
        let inside = &content * &v * v.transpose();
        at_most((&overlap - &inside).norm(), bound * content.norm(), what);
        assert!(v.ncols() > 0 || overlap.iter().all(|&x| x == 0.0), "{what}");
        for mu in [0.0, 0.1, 0.5, 1.0, 10.0, f64::INFINITY] {
            let beta = if mu == f64::INFINITY { 1.0 } else { mu / (1.0 + mu) };
            let fused = pair.fused(backend, cut, beta as f32);
            for (w_c, w_s) in [(1.0, 1.0), (0.7, -1.3), (-2.0, 0.4)] {
                let fusion = &style * w_s + (&fused - &style) * w_c;
                let stacked = &style * w_s + &content * w_c - &overlap * (beta * w_c);
                let sizes = style.norm() * f64::abs(w_s) + content.norm() * f64::abs(w_c);
                at_most((stacked - fusion).norm(), 2.0 * bound * sizes, &format!("{what}, μ {mu}"));
            }
        }
    }
}

fn roles_matter<B: Tested>(backend: &B) {
    let pair = plain(40, 60, 6, 6);
    let swapped = Pair {
        style_up: Words::new(&pair.content_up, Dtype::F32),
        style_down: pair.content_down.clone(),
        content_up: pair.style_up.matrix(),
        content_down: pair.style_down.clone(),
        scale: 1.0,
    };
    let straight = Pair { scale: 1.0, ..pair }.fused(backend, Cut::All, 1.0);
    assert!(relative(&swapped.fused(backend, Cut::All, 1.0), &straight) > 1e-2);
}

fn the_size_of_the_style_does_not_matter<B: Tested>(backend: &B) {
    let (up, down) = with_spectrum("size", 40, 120, &[1.0, 0.8, 0.6, 0.2, 0.15, 0.1]);
    let pair = Pair::new(&up, &down, 4, Dtype::F32);
    for cut in [Cut::All, Cut::Count(3), Cut::Energy(0.9)] {
        let projected = pair.run(backend, cut, 1.0);
        let before = pair.down(&projected, Dtype::F32);
        for factor in [-1.0, 0.001, 3.7, 1e12, -1e-15] {
            let scaled = Pair { style_up: Words::new(&(&up * factor), Dtype::F32), ..pair.clone() };
            let again = scaled.run(backend, cut, 1.0);
            assert_eq!(again.protected, projected.protected);
            at_most(relative(&scaled.down(&again, Dtype::F32), &before), 1e-6, "the projection");
            let ratio = (again.style_energy / projected.style_energy).sqrt() / factor.abs();
            at_most((ratio - 1.0).abs(), 1e-6, "its norm follows the size");
            // Where all directions plainly count, their singular values need not be known.
            if let (Some(again), Some(first)) = (again.sigma.first(), projected.sigma.first()) {
                at_most((again / first / factor.abs() - 1.0).abs(), 1e-6, "and so does σ");
            }
        }
    }
}

fn jobs_of_a_batch_do_not_touch_each_other<B: Tested>(backend: &B) {
    // Odd sizes, so that 16-bit jobs end within a word; also with ranks that a device takes in several panels.
    jobs_apart(backend, (21, 5, 33));
    jobs_apart(backend, (45, 37, 71));
}

fn jobs_apart<B: Tested>(backend: &B, (m, r, n): (usize, usize, usize)) {
    // Among good jobs one of each other kind.
    let pairs: Vec<Pair> = (0..6)
        .map(|at| {
            let (mut up, mut down) = (normal(&format!("{at} up"), m, r), normal(&format!("{at} down"), r, n));
            match at {
                1 => up.fill(0.0),
                2 => down *= 1e-4,
                3 => down.row_mut(r / 2).fill(0.0),
                4 => {
                    let row = down.row(0).into_owned();
                    down.set_row(r / 2 - 1, &row);
                }
                _ => {}
            }
            let pair = Pair::new(&up, &down, 3, Dtype::F16);
            Pair { scale: 0.25 + at as f32, ..pair }
        })
        .collect();
    let jobs: Vec<Job<'_>> = pairs.iter().map(Pair::job).collect();
    for output in [Dtype::F16, Dtype::F32] {
        let blends = [Blend::without(0.5), Blend::without(0.0), Blend::OVERLAP, Blend::without(1.0)];
        let batch = Batch { jobs: &jobs, cut: Cut::All, blends: &blends, output };
        let together = block_on(backend.project(&batch)).unwrap();
        assert_eq!(together.len(), pairs.len());
        for (pair, all) in pairs.iter().zip(&together) {
            assert_eq!(all.len(), blends.len());
            for (&blend, one) in blends.iter().zip(all) {
                let alone = pair.blended(backend, Cut::All, blend, output);
                assert!(alone.content_down == one.content_down);
                assert_eq!((alone.protected, &alone.sigma), (one.protected, &one.sigma));
                assert_eq!(alone.rounding_gram, one.rounding_gram);
            }
        }
    }
}

/// All figures of a job, and where singular values decide. All sizes and numbers of live rows differ.
fn what_is_decided_and_told_of_a_job_is_of_that_job<B: Tested>(backend: &B) {
    let (r, k) = (17, 8);
    let sigma: Vec<f64> = (0..r).map(|i| if i < k { 1.0 - 0.02 * i as f64 } else { 0.3 }).collect();
    let pairs: Vec<Pair> = (0..5)
        .map(|at| {
            let (mut up, mut down) = with_spectrum(&format!("job {at}"), 24, 41, &sigma);
            let dead = |i: usize| at == 1 && i.is_multiple_of(2) || at == 3 && i >= k;
            for i in 0..r {
                let size = 2f64.powi(((i + at) * 5 % 7) as i32);
                down.row_mut(i).scale_mut(if dead(i) { 0.0 } else { size });
                up.column_mut(i).scale_mut(if at == 2 { 0.0 } else { 4f64.powi(at as i32) / size });
            }
            let pair = Pair::new(&up, &down, 3, Dtype::F32);
            let content = pair.content_down.matrix() * 4f64.powi(at as i32);
            Pair { content_down: Words::new(&content, Dtype::F32), scale: 0.25 + at as f32, ..pair }
        })
        .collect();
    let jobs: Vec<Job<'_>> = pairs.iter().map(Pair::job).collect();
    let batch = |jobs| {
        let batch = Batch { jobs, cut: Cut::Count(k), blends: &[Blend::without(0.5)], output: Dtype::F16 };
        block_on(backend.project(&batch)).unwrap()
    };
    for (at, (job, together)) in jobs.iter().zip(batch(&jobs)).enumerate() {
        let alone = batch(std::slice::from_ref(job));
        assert!(format!("{alone:?}") == format!("{:?}", [&together]), "job {at}");
        assert_eq!(together[0].computed_on, if B::SLOW { Place::Gpu } else { Place::Cpu }, "job {at}");
    }
}

fn read_outs_are_those_of_the_dense_matrices<B: Tested>(backend: &B) {
    let (up, down) = with_spectrum("figures", 40, 90, &[1.0, 0.8, 0.6, 0.2, 0.15, 0.1]);
    let pair = Pair::new(&up, &down, 4, Dtype::F32);
    let v = Spectrum::of(&pair.style()).first(3);
    let projected = pair.run_to(backend, Cut::Count(3), 0.5, Dtype::BF16);
    let (a_s, a_c) = (pair.style_down.matrix(), pair.content_down.matrix());
    let inside = &a_c * &v;
    // What rounding added, by A_c' as it should be.
    let exact = (&a_c - &inside * v.transpose() * 0.5) * f64::from(pair.scale);
    let added = (pair.down(&projected, Dtype::BF16) - exact) / f64::from(pair.scale);
    let by_rows = |values: &[f64], cols: usize| Matrix::from_row_slice(values.len() / cols, cols, values);
    let figures = [
        ("content", by_rows(&projected.content_gram, 4), &a_c * a_c.transpose()),
        ("overlap", by_rows(&projected.overlap_gram, 4), &inside * inside.transpose()),
        ("cross", by_rows(&projected.cross_gram, 4), &a_s * a_c.transpose()),
        ("protected cross", by_rows(&projected.protected_cross_gram, 4), (&a_s * &v) * inside.transpose()),
    ];
    for (what, is, should) in figures {
        at_most(relative(&is, &should), 1e-5, what);
    }
    let rounding = by_rows(&projected.rounding_gram, 4);
    at_most(relative(&rounding, &(&added * added.transpose())), 1e-3, "rounding");
    assert_eq!(projected.sigma.len(), 6);
    for (is, should) in projected.sigma.iter().zip([1.0, 0.8, 0.6, 0.2, 0.15, 0.1]) {
        at_most((is - should).abs(), 1e-6, "σ");
    }
    let energy = pair.style().norm_squared();
    for cut in [Cut::Count(3), Cut::All] {
        let is = pair.run(backend, cut, 0.5).style_energy;
        at_most((is / energy - 1.0).abs(), 1e-6, "‖ΔW_s‖²");
    }
}

fn sixteen_bit_results_are_rounded_once<B: Tested>(backend: &B) {
    let pair = plain(40, 300, 8, 5);
    let exact = pair.down(&pair.run(backend, Cut::All, 0.5), Dtype::F32);
    for dtype in [Dtype::F16, Dtype::BF16] {
        let rounded = pair.down(&pair.run_to(backend, Cut::All, 0.5, dtype), dtype);
        assert!(rounded == Words::new(&exact, dtype).matrix(), "{dtype}");
    }
}

#[test]
fn both_backends_give_the_same() {
    let gpu = common::gpu();
    let (capped_up, capped_down) = with_spectrum("capped", 40, 120, &[1.0, 0.9, 0.7, 0.3, 0.2, 0.1]);
    let mut doubled = normal("down", 6, 100);
    let row = doubled.row(0).into_owned();
    doubled.set_row(4, &row);
    let cases = [
        (plain(40, 300, 8, 5), Cut::All),
        (plain(20, 8, 12, 3), Cut::All),
        (plain(64, 1280, 33, 16), Cut::All),
        (Pair::new(&capped_up, &capped_down, 4, Dtype::BF16), Cut::Count(3)),
        (Pair::new(&capped_up, &capped_down, 4, Dtype::F16), Cut::Energy(0.8)),
        (Pair::new(&normal("up", 30, 6), &doubled, 4, Dtype::F16), Cut::All),
    ];
    for (at, (pair, cut)) in cases.iter().enumerate() {
        for blend in [0.0, 1.0 / 3.0, 1.0].map(Blend::without).into_iter().chain([Blend::OVERLAP]) {
            let ours = pair.blended(&Cpu, *cut, blend, Dtype::F32);
            let theirs = pair.blended(&*gpu, *cut, blend, Dtype::F32);
            assert_eq!(ours.protected, theirs.protected, "case {at}");
            let [ours, theirs] =
                [ours, theirs].map(|p| pair.style() + &pair.content_up * pair.down(&p, Dtype::F32));
            at_most(relative(&theirs, &ours), 1e-6, &format!("case {at}"));
        }
    }
}

#[test]
fn both_backends_decide_alike_where_the_decision_hangs_by_a_thread() {
    let gpu = common::gpu();
    // Just above, at and just below the tolerance; energies that reach the share exactly, or all but.
    for last in [4e-6, 2.2e-6, 2e-6, 1.8e-6, 1e-6, 6e-7, 1e-7] {
        let (up, down) = with_spectrum("floor", 30, 90, &[1.0, 0.9, 0.8, last]);
        let pair = Pair::new(&up, &down, 4, Dtype::F32);
        let [ours, theirs] = [pair.run(&Cpu, Cut::All, 1.0), pair.run(&*gpu, Cut::All, 1.0)];
        assert_eq!(ours.protected, theirs.protected, "{last:e}");
        let expected = Spectrum::of(&pair.style()).k(Cut::All);
        assert_eq!(ours.protected, expected, "{last:e}");
    }
    let sigma = [1.0, 0.9, 0.7, 0.5, 0.3, 0.2];
    let (up, down) = with_spectrum("share", 30, 90, &sigma);
    let pair = Pair::new(&up, &down, 4, Dtype::F32);
    let whole: f64 = sigma.iter().map(|s| s * s).sum();
    for k in 1..6 {
        let share = sigma[..k].iter().map(|s| s * s).sum::<f64>() / whole;
        for off in [-1e-3, -1e-6, -1e-8, 0.0, 1e-8, 1e-6, 1e-3] {
            let cut = Cut::Energy(share + off);
            let [ours, theirs] = [pair.run(&Cpu, cut, 1.0), pair.run(&*gpu, cut, 1.0)];
            assert_eq!(ours.protected, theirs.protected, "{k} {off:e}");
            if off.abs() >= 1e-6 {
                assert_eq!(ours.protected, if off > 0.0 { k + 1 } else { k }, "{k} {off:e}");
            }
        }
    }
    let (up, down) = with_spectrum("weak", 30, 90, &[1.0, 1.0, 1.0, 3e-6]);
    let pair = Pair::new(&up, &down, 4, Dtype::F32);
    for k in [pair.run(&Cpu, Cut::Energy(1.0), 1.0), pair.run(&*gpu, Cut::Energy(1.0), 1.0)] {
        assert_eq!(k.protected, 4, "all of the energy is all of the directions");
    }
}

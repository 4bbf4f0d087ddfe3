//! What is said of a third file beside a pair, against the dense updates.

use super::files::{File, Nobody, fuse, hard, random};
use nalgebra::{DMatrix, DVector};
use np_lora::adapter::Adapter;
use np_lora::adapter::scale::ScaleChoice;
use np_lora::container::MemorySource;
use np_lora::error::{Code, Error};
use np_lora::fusion::compare::{Comparison, Judgement, Kind, Lost, Part, SumKind, TargetName, compare};
use np_lora::fusion::settings::{CutChoice, DtypeChoice, ResultChoice};
use np_lora::fusion::{Input, Progress, Settings, Sources, Watch};
use pollster::block_on;

type Matrix = DMatrix<f64>;

fn compared(
    pair: &(File, File),
    third: &MemorySource,
    settings: &Settings,
    watch: &mut impl Watch,
) -> Result<Comparison, Error> {
    block_on(async {
        let sources = [pair.0.named("content.safetensors"), pair.1.named("style.safetensors")];
        let (content, style) =
            (Adapter::open(&sources[0], None).await?, Adapter::open(&sources[1], None).await?);
        let adapter = Adapter::open(third, None).await?;
        let both = Sources {
            content: Some(Input { adapter: &content, source: &sources[0] }),
            style: Some(Input { adapter: &style, source: &sources[1] }),
        };
        compare(&both, settings, Input { adapter: &adapter, source: third }, watch).await
    })
}

fn of(pair: &(File, File), third: &File, settings: &Settings) -> Comparison {
    compared(pair, &third.named("third.safetensors"), settings, &mut Nobody).unwrap()
}

/// What fusing the pair with some settings gives, compared with it.
fn of_fused(pair: &(File, File), settings: &Settings) -> Comparison {
    let fused = fuse(Some(&pair.0), Some(&pair.1), settings).unwrap();
    compared(pair, &MemorySource::new("fused.safetensors", fused.bytes), &Settings::default(), &mut Nobody)
        .unwrap()
}

/// Stem, m, n, r_c, r_s; a rank of 0: the file does not have it.
const MODULES: [(&str, usize, usize, usize, usize); 5] = [
    ("lora_unet_a", 24, 40, 3, 4),
    ("lora_unet_b", 32, 36, 5, 2),
    ("lora_unet_c", 20, 48, 2, 6),
    ("lora_unet_d", 16, 24, 2, 0),
    ("lora_unet_e", 16, 24, 0, 2),
];

fn f32s(matrix: Matrix) -> Matrix {
    matrix.map(|x| f64::from(x as f32))
}

/// (B, A) as F32 files have them; the content's lean towards the style's rows.
fn factors(at: usize, of_content: bool) -> Option<(Matrix, Matrix)> {
    let (stem, m, n, r_c, r_s) = MODULES[at];
    let own = |side: &str, r: usize| {
        (random(&format!("{stem} {side} up"), m, r), random(&format!("{stem} {side} down"), r, n))
    };
    let style = (r_s > 0).then(|| own("s", r_s));
    if !of_content {
        return style;
    }
    let (up, down) = (r_c > 0).then(|| own("c", r_c))?;
    let mixed = style.map_or(down.clone(), |(_, s)| &down + random(&format!("{stem} mix"), r_c, r_s) * s);
    Some((up, f32s(mixed)))
}

const CONTENT_SCALE: f64 = 0.5;

fn pair() -> (File, File) {
    let (mut content, mut style) = (File::default(), File::default());
    for (at, (stem, _, _, r_c, _)) in MODULES.iter().enumerate() {
        if let Some((up, down)) = factors(at, true) {
            content = content.lora(stem, &up, &down, Some(CONTENT_SCALE * *r_c as f64));
        }
        if let Some((up, down)) = factors(at, false) {
            style = style.lora(stem, &up, &down, None);
        }
    }
    (content, style)
}

/// Dense ΔW_c, ΔW_s and ΔW_c·V_k V_kᵀ, with at most `k` directions.
fn dense(at: usize, k: usize) -> [Matrix; 3] {
    let (_, m, n, ..) = MODULES[at];
    let update = |of_content| factors(at, of_content).map_or(Matrix::zeros(m, n), |(up, down)| up * down);
    let (content, style) = (update(true) * CONTENT_SCALE, update(false));
    let eigen = style.tr_mul(&style).symmetric_eigen();
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&a, &b| eigen.eigenvalues[b].total_cmp(&eigen.eigenvalues[a]));
    order.retain(|&i| {
        eigen.eigenvalues[i] > 1e-11 * eigen.eigenvalues[order_max(&eigen.eigenvalues)].max(1e-300)
    });
    order.truncate(k);
    let v = eigen.eigenvectors.select_columns(&order);
    let along = &content * &v * v.transpose();
    [content, style, along]
}

fn order_max(values: &DVector<f64>) -> usize {
    values.imax()
}

/// A file of every module: y·ΔW_c + x·ΔW_s + z·ΔW_c·V V' + something of its own.
fn mixed(y: f64, x: f64, z: f64, own: f64, k: usize) -> (File, Vec<Matrix>) {
    let (mut file, mut updates) = (File::default(), Vec::new());
    for (at, (stem, m, n, ..)) in MODULES.iter().enumerate() {
        let [content, style, along] = dense(at, k);
        let noise = random(&format!("{stem} noise"), *m, *n) * own;
        // A whole matrix times the unit matrix: of full rank, but a LoRA.
        let update = f32s(content * y + style * x + along * z + noise);
        file = file.lora(stem, &update, &Matrix::identity(*n, *n), None);
        updates.push(update);
    }
    (file, updates)
}

/// All modules' values, one after the other.
fn flat(updates: &[Matrix]) -> DVector<f64> {
    DVector::from_iterator(
        updates.iter().map(Matrix::len).sum(),
        updates.iter().flat_map(|u| u.iter().copied()),
    )
}

#[track_caller]
fn near(is: f64, should: f64, bound: f64, what: &str) {
    assert!((is - should).abs() <= bound * should.abs().max(1e-3), "{what}: {is} instead of {should}");
}

#[test]
fn fused_files_are_known_for_what_they_are() {
    let pair = pair();
    for (mu, y, x) in
        [(0.5, 1.0, 1.0), (0.1, 0.7, 1.2), (10.0, 1.0, 0.6), (f64::INFINITY, 0.9, 1.0), (0.0, 1.0, 1.0)]
    {
        for (dtype, bound, rounding) in [(DtypeChoice::F32, 1e-5, 1e-6), (DtypeChoice::F16, 2e-2, 1e-3)] {
            let settings = Settings { mu, content_strength: y, style_strength: x, dtype, ..hard() };
            let found = of_fused(&pair, &settings);
            let whole = found.whole;
            let what = format!("μ {mu} {dtype:?}: {whole:?}");
            assert_eq!(whole.kind, if mu == 0.0 { Kind::Sum } else { Kind::Fusion }, "{what}");
            near(whole.content, y, bound, &what);
            near(whole.style, x, bound, &what);
            if mu.is_infinite() {
                assert_eq!(whole.mu, Some(f64::INFINITY), "{what}");
            } else {
                near(whole.mu.unwrap(), mu, bound, &what);
            }
            assert!(whole.residual < rounding, "{what}");
            let (both, content, style) = (found.parts.both, found.parts.content, found.parts.style);
            assert_eq!(
                (both, content, style),
                (Part { modules: 3, found: 3 }, Part { modules: 1, found: 1 }, Part { modules: 1, found: 1 })
            );
            assert!(found.outside.is_empty() && found.skipped == 0);
            // Which it says itself, too; one that was converted says what has no part in it.
            let recipe = found.recipe.unwrap();
            assert_eq!(
                (recipe.mu, recipe.content_strength, recipe.style_strength, recipe.dtype),
                (mu, y, x, dtype)
            );
            let converted = fuse(Some(&pair.0), None, &settings).unwrap();
            let converted = MemorySource::new("fused.safetensors", converted.bytes);
            assert_eq!(compared(&pair, &converted, &Settings::default(), &mut Nobody).unwrap().recipe, None);
            for module in found.modules.iter().filter(|module| module.name.as_str() < "lora_unet_d") {
                near(module.likeness.content, y, bound, &module.name);
                near(module.likeness.style, x, bound, &module.name);
            }
        }
    }
}

#[test]
fn any_file_is_fitted_as_its_dense_updates_are() {
    for (cut, k) in [(CutChoice::All, usize::MAX), (CutChoice::Count { count: 1 }, 1)] {
        let (file, updates) = mixed(0.9, 1.1, -0.4, 0.3, k);
        let found = of(&pair(), &file, &Settings { cut, ..Settings::default() });
        let parts: Vec<[Matrix; 3]> = (0..MODULES.len()).map(|at| dense(at, k)).collect();
        let column = |part: usize| flat(&parts.iter().map(|three| three[part].clone()).collect::<Vec<_>>());
        let (content, style, along, file) = (column(0), column(1), column(2), flat(&updates));
        let design = Matrix::from_columns(&[content.clone(), style.clone(), along]);
        let best = (design.tr_mul(&design)).cholesky().unwrap().solve(&(design.tr_mul(&file)));
        let left = (&file - &design * &best).norm();
        let beta = -best[2] / best[0];
        assert!(beta > 0.1 && beta < 0.9, "it is an NP-LoRA: {beta}");
        let whole = found.whole;
        assert_eq!(whole.kind, Kind::Fusion);
        near(whole.content, best[0], 1e-9, "content");
        near(whole.style, best[1], 1e-9, "style");
        near(whole.mu.unwrap(), beta / (1.0 - beta), 1e-8, "μ");
        near(whole.residual, left / file.norm(), 1e-9, "residual");
        near(whole.neither, (left / file.norm()).powi(2), 1e-9, "neither");
        let sum = &content + &style;
        for (is, target) in [(whole.to_content, &content), (whole.to_style, &style), (whole.to_sum, &sum)] {
            near(is.unwrap(), (&file - target).norm() / target.norm(), 1e-9, "distance");
        }
        // The plain sum at its best strengths.
        let two = Matrix::from_columns(&[content, style]);
        let best = two.tr_mul(&two).cholesky().unwrap().solve(&two.tr_mul(&file));
        let left = (&file - &two * &best).norm();
        let target = found.targets.iter().find(|target| target.name == TargetName::BestSum).unwrap();
        near(target.content, best[0], 1e-9, "sum's content");
        near(target.style, best[1], 1e-9, "sum's style");
        near(target.left.unwrap(), left / file.norm(), 1e-9, "left of the sum");
        near(target.distance.unwrap(), left / (&two * &best).norm(), 1e-9, "distance of the sum");
        // Module by module.
        for (at, module) in found.modules.iter().enumerate() {
            let [content, ..] = dense(at, k);
            let distance = (content.norm() > 0.0).then(|| (&updates[at] - &content).norm() / content.norm());
            assert_eq!(module.likeness.to_content.is_some(), distance.is_some(), "{}", module.name);
            near(module.likeness.to_content.unwrap_or(0.0), distance.unwrap_or(0.0), 1e-9, &module.name);
            near(module.likeness.share, updates[at].norm_squared() / file.norm_squared(), 1e-9, &module.name);
        }
    }
}

#[test]
fn a_concatenation_at_half_strength_has_lost_half_of_both() {
    let pair = pair();
    let file = MODULES.iter().enumerate().fold(File::default(), |file, (at, (stem, m, n, ..))| {
        let (b_c, a_c) = factors(at, true).unwrap_or((Matrix::zeros(*m, 1), Matrix::zeros(1, *n)));
        let (b_s, a_s) = factors(at, false).unwrap_or((Matrix::zeros(*m, 1), Matrix::zeros(1, *n)));
        let up = Matrix::from_fn(*m, b_c.ncols() + b_s.ncols(), |i, j| {
            if j < b_c.ncols() { b_c[(i, j)] * CONTENT_SCALE } else { b_s[(i, j - b_c.ncols())] }
        });
        let down = Matrix::from_fn(a_c.nrows() + a_s.nrows(), *n, |i, j| {
            if i < a_c.nrows() { a_c[(i, j)] } else { a_s[(i - a_c.nrows(), j)] }
        });
        let alpha = down.nrows() as f64 / 2.0;
        file.lora(stem, &up, &down, Some(alpha))
    });
    let whole = of(&pair, &file, &Settings::default()).whole;
    assert_eq!((whole.kind, whole.mu), (Kind::Sum, Some(0.0)));
    near(whole.content, 0.5, 1e-6, "content");
    near(whole.style, 0.5, 1e-6, "style");
    near(whole.to_sum.unwrap(), 0.5, 1e-6, "distance from the sum");
    assert!(whole.residual < 1e-6, "{}", whole.residual);
}

#[test]
fn what_is_worth_a_word_is_judged_here() {
    let pair = pair();
    let judged = |settings: Settings| of_fused(&pair, &Settings { dtype: DtypeChoice::F32, ..settings });
    let at = |mu, y, x| judged(Settings { mu, content_strength: y, style_strength: x, ..hard() }).judgement;
    // A strength within two parts in a hundred of 1 has lost nothing, one beyond 1 or below 0 neither.
    for (y, x, sum, lost) in [
        (1.0, 0.99, SumKind::Whole, [None, None]),
        (0.5, 0.505, SumKind::Half, [Some(0.5), Some(0.495)]),
        (1.0, 0.5, SumKind::Some, [None, Some(0.5)]),
        (0.7, 1.2, SumKind::Some, [Some(0.3), None]),
        (0.2, -0.4, SumKind::Some, [Some(0.8), None]),
    ] {
        for mu in [0.0, 2.0] {
            let judgement = at(mu, y, x);
            let what = format!("{mu} {y} {x}: {judgement:?}");
            assert!(judgement.exact && !judgement.has_more, "{what}");
            assert_eq!(judgement.sum, sum, "{what}");
            for (is, should) in [judgement.lost.content, judgement.lost.style].into_iter().zip(lost) {
                assert_eq!(is.is_some(), should.is_some(), "{what}");
                near(is.unwrap_or(0.0), should.unwrap_or(0.0), 1e-3, &what);
            }
        }
    }
    // What is one of the two was not made of both.
    let alone = of(&pair, &mixed(0.5, 0.0, 0.0, 0.0, 9).0, &Settings::default());
    assert_eq!(alone.whole.kind, Kind::Content);
    near(alone.whole.content, 0.5, 1e-6, "half of the subject");
    let none = Lost::default();
    assert_eq!(alone.judgement, Judgement { exact: true, sum: SumKind::Some, lost: none, has_more: false });
    // Something else is worth a word, and from a hundredth of the energy on the file is only close to a sum.
    for (own, exact, has_more) in [(1e-3, true, false), (0.03, true, true), (0.5, false, true)] {
        let found = of(&pair, &mixed(1.0, 1.0, 0.0, own, 9).0, &Settings::default());
        let Judgement { exact: is_exact, has_more: has, .. } = found.judgement;
        assert_eq!((is_exact, has), (exact, has_more), "{own}: {:?}", found.whole);
    }
    // Of what is nothing or something else that is all there is to say.
    for own in [0.0, 1.0] {
        let found = of(&pair, &mixed(0.0, 0.0, 0.0, own, 9).0, &Settings::default());
        assert!(!found.judgement.has_more && found.judgement.lost == none, "{:?}", found.whole);
    }
}

#[test]
fn one_of_the_two_the_overlap_and_something_else_are_told_apart() {
    let pair = pair();
    let content = of(&pair, &pair.0, &Settings::default()).whole;
    assert_eq!((content.kind, content.style, content.mu), (Kind::Content, 0.0, None));
    near(content.content, 1.0, 1e-9, "content");
    assert!(content.to_content.unwrap() < 1e-7);
    let style = of(&pair, &pair.1, &Settings::default()).whole;
    assert_eq!((style.kind, style.content), (Kind::Style, 0.0));
    near(style.style, 1.0, 1e-9, "style");
    let overlap = of_fused(&pair, &Settings { result: ResultChoice::Overlap, ..hard() }).whole;
    assert_eq!(overlap.kind, Kind::Overlap);
    near(overlap.content, 1.0, 1e-6, "overlap");
    let (other, _) = mixed(0.0, 0.0, 0.0, 1.0, 9);
    let other = of(&pair, &other, &Settings::default()).whole;
    assert_eq!((other.kind, other.mu), (Kind::Other, None));
    assert!(other.neither > 0.95, "{}", other.neither);
    let (nothing, _) = mixed(0.0, 0.0, 0.0, 0.0, 9);
    assert_eq!(of(&pair, &nothing, &Settings::default()).whole.kind, Kind::Nothing);
}

/// One module of both, and their sum.
fn alone(content: (&Matrix, &Matrix), style: (&Matrix, &Matrix)) -> ((File, File), File) {
    let one = |(up, down): (&Matrix, &Matrix)| File::default().lora("lora_unet_a", up, down, None);
    let (m, n) = (content.0.nrows(), content.1.ncols());
    let sum = f32s(content.0 * content.1 + style.0 * style.1);
    let third = File::default().lora("lora_unet_a", &sum, &Matrix::identity(n, n), None);
    assert_eq!(sum.nrows(), m);
    ((one(content), one(style)), third)
}

#[test]
fn what_cannot_be_told_is_not_invented() {
    let (b_c, b_s, a_s) = (random("b", 24, 2), random("c", 24, 3), random("d", 3, 40));
    // No overlap: the two know different inputs.
    let halves = |from: usize, r: usize, seed: &str| {
        let mut down = random(seed, r, 40);
        down.columns_mut(20 - from, 20).fill(0.0);
        down
    };
    let (left, right) = (halves(0, 2, "l"), halves(20, 3, "r"));
    let (pair, third) = alone((&b_c, &left), (&b_s, &right));
    let apart = of(&pair, &third, &Settings::default()).whole;
    assert_eq!((apart.kind, apart.mu), (Kind::Sum, None));
    near(apart.content, 1.0, 1e-6, "content");
    near(apart.style, 1.0, 1e-6, "style");
    // All of the subject lies along the style: what the projection takes away, a strength does as well.
    let inside = f32s(random("mix", 2, 3) * &a_s);
    let (pair, third) = alone((&b_c, &inside), (&b_s, &a_s));
    let within = of(&pair, &third, &Settings::default()).whole;
    assert_eq!((within.kind, within.mu), (Kind::Sum, None), "{within:?}");
    near(within.content, 1.0, 1e-5, "content");
    // Both the same.
    let (pair, third) = alone((&b_s, &a_s), (&(&b_s * 2.0), &a_s));
    let alike = of(&pair, &third, &Settings::default()).whole;
    assert_eq!((alike.kind, alike.mu), (Kind::Alike, None));
    near(alike.content, 3.0, 1e-6, "as the subject");
    near(alike.style, 1.5, 1e-6, "as the style");
    // A style that was never trained.
    let (pair, third) = alone((&b_c, &left), (&Matrix::zeros(24, 3), &a_s));
    let found = of(&pair, &third, &Settings::default());
    assert_eq!((found.whole.kind, found.whole.to_style), (Kind::Content, None));
}

#[test]
fn modules_that_are_missing_or_of_neither_are_counted() {
    let pair = pair();
    let (b, a) = (random("x", 24, 2), random("y", 2, 40));
    let (b_c, a_c) = factors(0, true).unwrap();
    let third = File::default()
        .lora("lora_unet_a", &b_c, &a_c, Some(0.5 * 3.0))
        .lora("lora_unet_b", &b, &a, None)
        .lora("lora_unet_z", &b, &a, None);
    let found = of(&pair, &third, &Settings::default());
    // The second has other sizes than the pair's.
    assert_eq!(found.outside, ["lora_unet_b", "lora_unet_z"]);
    assert_eq!(found.parts.both, Part { modules: 3, found: 1 });
    assert_eq!(found.parts.content, Part { modules: 1, found: 0 });
    let (own, strange) = (dense(0, 9)[0].norm_squared(), 2.0 * (b * a).norm_squared());
    near(found.outside_share, strange / (own + strange), 1e-9, "share");
    assert!(found.whole.neither >= found.outside_share);
    assert_eq!(found.modules.iter().filter(|module| module.found).count(), 1);
}

/// The pair has it, in a form that is not fused.
#[test]
fn a_layer_that_the_pair_refuses_is_skipped_and_not_outside() {
    let (content, style) = pair();
    let refused = |file: &File| file.clone().with("lora_unet_z.oft_blocks", &[2, 4, 4], &random("z", 8, 4));
    let third = content.clone().lora("lora_unet_z", &random("x", 8, 2), &random("y", 2, 8), None);
    for (content, style, outside) in [
        (content.clone(), style.clone(), &["lora_unet_z"][..]),
        (refused(&content), style.clone(), &[]),
        (content.clone(), refused(&style), &[]),
    ] {
        let found = of(&(content, style), &third, &Settings::default());
        assert_eq!(found.outside, outside);
        assert_eq!(found.skipped, 1 - outside.len());
    }
}

/// What a comparison costs grows fast with the ranks, with the style's the fastest.
#[test]
fn modules_of_a_very_high_rank_are_skipped() {
    let file = |of: &str, r: usize| {
        let up = |stem: &str, r| random(&format!("{of} {stem} b"), 280, r);
        let down = |stem: &str, r| random(&format!("{of} {stem} a"), r, 280);
        let file = File::default().lora("lora_unet_x", &up("x", 2), &down("x", 2), None);
        file.lora("lora_unet_y", &up("y", r), &down("y", r), None)
    };
    for (r_c, r_s, r, skipped) in
        [(2, 256, 2, 0), (2, 257, 2, 1), (257, 2, 257, 0), (1024, 2, 2, 0), (2, 2, 1024, 0)]
    {
        let found = of(&(file("c", r_c), file("s", r_s)), &file("f", r), &Settings::default());
        assert_eq!((found.skipped, found.modules.len()), (skipped, 2 - skipped), "{r_c} {r_s} {r}");
    }
}

/// What it leaves of the overlap is little beside what is rounded away.
#[test]
fn a_large_mu_is_told_as_the_hard_projection() {
    let pair = pair();
    for (mu, is_endless) in [(900.0, false), (2000.0, true), (1e7, true)] {
        let found = of_fused(&pair, &Settings { mu, ..hard() }).whole;
        assert_eq!(found.kind, Kind::Fusion);
        match found.mu.unwrap() {
            told if is_endless => assert_eq!(told, f64::INFINITY, "{mu}"),
            told => near(told, mu, 1e-2, "μ"),
        }
    }
}

#[test]
fn a_file_in_another_naming_and_split_is_matched_layer_by_layer() {
    let n = 3072;
    let file = |seed: &str, r: usize| {
        let factors = |part: &str, m: usize| {
            (random(&format!("{seed} {part} b"), m, r), random(&format!("{seed} {part} a"), r, n))
        };
        let ((b, a), (mod_b, mod_a)) = (factors("qkv", 3 * n), factors("mod", 3 * n));
        // Some directions in common.
        let a = a + random("common", r, n) * 2.0;
        File::default()
            .lora("lora_unet_double_blocks_0_img_attn_qkv", &b, &a, None)
            .lora("lora_unet_single_blocks_37_modulation_lin", &mod_b, &mod_a, None)
            .note("ss_base_model_version", "flux1")
    };
    let pair = (file("c", 2), file("s", 2));
    for scheme in ["kohya", "peft"] {
        let settings = Settings { mu: 0.5, scheme: Some(scheme.to_owned()), ..hard() };
        let fused = fuse(Some(&pair.0), Some(&pair.1), &settings).unwrap();
        assert_eq!(fused.stems().len(), if scheme == "peft" { 4 } else { 2 });
        let third = MemorySource::new("fused.safetensors", fused.bytes);
        let found = compared(&pair, &third, &Settings::default(), &mut Nobody).unwrap();
        assert_eq!(found.parts.both, Part { modules: 2, found: 2 }, "{scheme}");
        assert_eq!((found.whole.kind, found.outside.len()), (Kind::Fusion, 0));
        near(found.whole.mu.unwrap(), 0.5, 1e-4, scheme);
        assert!(found.whole.residual < 1e-6, "{scheme}: {}", found.whole.residual);
    }
}

/// Stops at the first question.
struct Impatient;

impl Watch for Impatient {
    fn progress(&mut self, _: &Progress) {}

    fn cancelled(&self) -> bool {
        true
    }

    fn seconds(&self) -> f64 {
        0.0
    }
}

#[test]
fn what_has_nothing_to_do_with_the_pair_is_refused() {
    let stranger = File::default().lora("lora_unet_z", &random("x", 8, 2), &random("y", 2, 8), None);
    let third = stranger.named("third.safetensors");
    let refused = compared(&pair(), &third, &Settings::default(), &mut Nobody).unwrap_err();
    assert_eq!((refused.code, refused.file.as_deref()), (Code::NotOfPair, Some("third.safetensors")));
    let third = pair().0.named("third.safetensors");
    let stopped = compared(&pair(), &third, &Settings::default(), &mut Impatient).unwrap_err();
    assert_eq!(stopped.code, Code::Aborted);
}

/// What the user says of the scale of one of the two is no word on the third file's.
#[test]
fn a_files_own_scale_is_the_one_it_says() {
    let pair = pair();
    let settings = Settings { content_scale: ScaleChoice::RankStabilised, ..hard() };
    let found = of(&pair, &pair.1, &settings).whole;
    assert_eq!(found.kind, Kind::Style);
    near(found.style, 1.0, 1e-6, "style");
}

/// Rows of a fused layer that neither of the two has are no part of the file, only zeros in it.
#[test]
fn rows_that_nobody_has_are_in_no_file() {
    const N: usize = 3072;
    let file = |seed: &str| {
        ["to_k", "to_v"].iter().fold(File::default().note("ss_base_model_version", "flux1"), |file, part| {
            let stem = format!("transformer.transformer_blocks.3.attn.{part}");
            file.matrix(format!("{stem}.lora_A.weight"), &random(&format!("{seed} {part} a"), 2, N))
                .matrix(format!("{stem}.lora_B.weight"), &random(&format!("{seed} {part} b"), N, 2))
        })
    };
    let found = of_fused(&(file("c"), file("s")), &Settings { scheme: Some("kohya".into()), ..hard() });
    assert_eq!((found.outside, found.outside_share, found.parts.both.found), (Vec::new(), 0.0, 2));
}

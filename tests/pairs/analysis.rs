//! What is said of a pair before it is fused, against the dense updates, and against what is said of it afterwards.

use super::files::{File, fuse, random, singular_values};
use nalgebra::DMatrix;
use np_lora::adapter::Adapter;
use np_lora::container::MemorySource;
use np_lora::error::Error;
use np_lora::fusion::analysis::{Analysis, Outlook, Spectra, Tally, Verdict, spectra};
use np_lora::fusion::settings::{BlockStrength, CutChoice, ResultChoice};
use np_lora::fusion::{self, Alone, Input, Pair, Plan, Progress, Report, Settings, Side, Sources, Watch};
use pollster::block_on;
use std::cell::{Cell, RefCell};

type Matrix = DMatrix<f64>;

/// Stops after so many questions.
struct Patience(Cell<usize>);

impl Watch for Patience {
    fn progress(&mut self, _: &Progress) {}

    fn cancelled(&self) -> bool {
        self.0.set(self.0.get().saturating_sub(1));
        self.0.get() == 0
    }

    fn seconds(&self) -> f64 {
        0.0
    }
}

/// A pair that is open.
struct Open {
    sources: [MemorySource; 2],
    adapters: [Adapter; 2],
}

impl Open {
    fn new(content: &File, style: &File) -> Self {
        let sources = [content.named("content.safetensors"), style.named("style.safetensors")];
        let adapters = [0, 1].map(|at: usize| block_on(Adapter::open(&sources[at], None)).unwrap());
        Self { sources, adapters }
    }

    fn sources(&self) -> Sources<'_, MemorySource> {
        let input = |at: usize| Some(Input { adapter: &self.adapters[at], source: &self.sources[at] });
        Sources { content: input(0), style: input(1) }
    }

    fn analyse(&self, settings: &Settings, known: &RefCell<Analysis>, patience: usize) -> Result<(), Error> {
        let mut patience = Patience(Cell::new(patience));
        block_on(fusion::analyse(&self.sources(), settings, known, &Alone, &mut patience))
    }

    fn outlook(&self, settings: &Settings, known: &Analysis) -> Outlook {
        let plan =
            Plan::new(Pair { content: Some(&self.adapters[0]), style: Some(&self.adapters[1]) }, settings)
                .unwrap();
        Outlook::of(&plan, known)
    }

    fn spectra(&self, settings: &Settings, name: &str) -> Result<Spectra, Error> {
        block_on(spectra(&self.sources(), settings, name))
    }
}

fn analysed(content: &File, style: &File, settings: &Settings) -> (Open, Outlook) {
    let (open, known) = (Open::new(content, style), RefCell::default());
    open.analyse(settings, &known, usize::MAX).unwrap();
    let outlook = open.outlook(settings, &known.borrow());
    (open, outlook)
}

/// Right singular vectors that count, by columns, and their singular values, in descending order.
fn spectrum(update: &Matrix) -> (Vec<f64>, Matrix) {
    let eigen = update.tr_mul(update).symmetric_eigen();
    let mut order: Vec<usize> = (0..eigen.eigenvalues.len()).collect();
    order.sort_by(|&a, &b| eigen.eigenvalues[b].total_cmp(&eigen.eigenvalues[a]));
    let most = eigen.eigenvalues.max();
    order.retain(|&at| eigen.eigenvalues[at] > 1e-11 * most);
    (
        order.iter().map(|&at| eigen.eigenvalues[at].sqrt()).collect(),
        eigen.eigenvectors.select_columns(&order),
    )
}

#[track_caller]
fn near(is: f64, should: f64, what: &str) {
    assert!((is - should).abs() <= 1e-6 * should.abs().max(1e-3), "{what}: {is} instead of {should}");
}

/// One module: stem, m, n, r_c, r_s and how much of the content is made of the style's rows.
const MODULES: [(&str, usize, usize, usize, usize, f64); 3] = [
    ("lora_unet_a", 24, 40, 3, 4, 0.0),
    ("lora_unet_b", 32, 36, 5, 2, 0.7),
    ("lora_unet_c", 20, 48, 2, 6, 2.0),
];

fn factors(stem: &str, side: &str, m: usize, n: usize, r: usize) -> (Matrix, Matrix) {
    (random(&format!("{stem} {side} up"), m, r), random(&format!("{stem} {side} down"), r, n))
}

/// Content and style; the content's alpha is half its rank.
fn pair() -> (File, File) {
    MODULES.iter().fold(
        Default::default(),
        |(content, style): (File, File), &(stem, m, n, r_c, r_s, share)| {
            let (c, s) = (factors(stem, "c", m, n, r_c), factors(stem, "s", m, n, r_s));
            let mixed = &c.1 + random(&format!("{stem} mix"), r_c, r_s) * &s.1 * share;
            (content.lora(stem, &c.0, &mixed, Some(0.5 * r_c as f64)), style.lora(stem, &s.0, &s.1, None))
        },
    )
}

/// (ΔW_c, ΔW_s) at strength 1, from the factors as F32 files have them.
fn updates(at: usize) -> (Matrix, Matrix) {
    let (stem, m, n, r_c, r_s, share) = MODULES[at];
    let (c, s) = (factors(stem, "c", m, n, r_c), factors(stem, "s", m, n, r_s));
    let mixed = &c.1 + random(&format!("{stem} mix"), r_c, r_s) * &s.1 * share;
    (c.0 * mixed * 0.5, s.0 * s.1)
}

/// Energies of dense updates: content, style, sum, inside, and content·k/n.
fn dense(content: &Matrix, style: &Matrix, k: usize) -> [f64; 5] {
    let (_, v) = spectrum(style);
    let k = k.min(v.ncols());
    let inside = (content * v.columns(0, k)).norm_squared();
    let chance = content.norm_squared() * k as f64 / content.ncols() as f64;
    [content.norm_squared(), style.norm_squared(), (content + style).norm_squared(), inside, chance]
}

fn check(tally: &Tally, [content, style, sum, inside, chance]: [f64; 5], beta: f64, what: &str) {
    near(tally.content_norm, content.sqrt(), what);
    near(tally.style_norm, style.sqrt(), what);
    near(tally.overlap, inside / content, what);
    near(tally.chance, chance / content, what);
    near(tally.content_kept, 1.0 - (inside / content) * (1.0 - (1.0 - beta).powi(2)), what);
    near(tally.change, beta * (inside / sum).sqrt(), what);
}

#[test]
fn figures_are_those_of_the_dense_updates() {
    let (content, style) = pair();
    let base = Settings::default();
    for settings in [
        base.clone(),
        Settings { mu: 2.0, content_strength: -0.7, style_strength: 1.6, ..base.clone() },
        Settings { mu: f64::INFINITY, cut: CutChoice::Count { count: 2 }, ..base.clone() },
    ] {
        let beta = settings.check().unwrap().beta;
        let k = if settings.cut == CutChoice::All { 99 } else { 2 };
        let (open, outlook) = analysed(&content, &style, &settings);
        assert_eq!((outlook.analysed, outlook.total, outlook.whole.modules), (3, 3, 3));
        let mut whole = [0.0; 5];
        for (at, module) in outlook.modules.iter().enumerate() {
            let (c, s) = updates(at);
            let (c, s) = (c * settings.content_strength, s * settings.style_strength);
            let energies = dense(&c, &s, k);
            check(&module.tally, energies, beta, &module.name);
            assert_eq!((module.out_features, module.in_features), (MODULES[at].1, MODULES[at].2));
            assert_eq!(module.protected, k.min(MODULES[at].4));
            whole.iter_mut().zip(energies).for_each(|(sum, part)| *sum += part);
            check_spectra(&open.spectra(&settings, &module.name).unwrap(), &c, &s, k, beta);
        }
        check(&outlook.whole, whole, beta, "whole");
        let [of_content, _, sum, inside, _] = whole;
        for point in &outlook.curve {
            let taken = 1.0 - (1.0 - point.beta).powi(2);
            near(point.taken, taken, "curve");
            near(point.content_kept, 1.0 - inside / of_content * taken, "curve");
            near(point.change, point.beta * (inside / sum).sqrt(), "curve");
        }
        assert_eq!((outlook.curve[0].beta, outlook.curve[outlook.curve.len() - 1].beta), (0.0, 1.0));
        // What is left inside at the suggested μ, against the promised share of the style; not so at a smaller one.
        let left = |mu: f64| inside / (1.0 + mu).powi(2) / whole[1];
        let suggested = outlook.suggested.unwrap();
        assert!(left(suggested.mu) <= suggested.share);
        // It has two digits, and is rounded up.
        assert!(suggested.mu == 0.0 || left(suggested.mu / 1.1) > suggested.share);
    }
}

fn check_spectra(found: &Spectra, c: &Matrix, s: &Matrix, k: usize, beta: f64) {
    let ((sigma, v), (_, of_content)) = (spectrum(s), spectrum(c));
    let k = k.min(v.ncols());
    let v_k = v.columns(0, k);
    let fused = s + c - (c * v_k) * v_k.transpose() * beta;
    // What only one of them lists is zero.
    let all = |is: &[f64], should: &[f64], what: &str| {
        let at = |values: &[f64], at: usize| values.get(at).copied().unwrap_or(0.0);
        for i in 0..is.len().max(should.len()) {
            let (is, value) = (at(is, i), at(should, i));
            assert!((is - value).abs() <= 2e-6 * at(should, 0), "{what} {i}: {is} instead of {value}");
        }
    };
    all(&found.style, &sigma, "style");
    all(&found.content, &singular_values(c), "content");
    all(&found.fused, &singular_values(&fused), "fused");
    assert_eq!(found.protected, k);
    let along: Vec<f64> = (c * v_k).column_iter().map(|column| column.norm()).collect();
    assert_eq!(found.along.len(), k);
    found.along.iter().zip(&along).for_each(|(is, should)| near(*is, *should, "along"));
    all(&found.cosines, &singular_values(&v.tr_mul(&of_content)), "cosines");
}

#[test]
fn what_is_said_before_is_what_is_said_afterwards() {
    let (content, style) = pair();
    said_alike(&content, &style);
}

/// One LoRA less another that is nearly the same: of such factors f32 leaves nothing to be told of their product.
#[test]
fn of_what_nearly_cancels_the_same_is_said_afterwards() {
    let stack = |first: Matrix, second: &Matrix| {
        Matrix::from_rows(&first.row_iter().chain(second.row_iter()).collect::<Vec<_>>())
    };
    let less = |of: &str, ratio: f64| {
        let (a, b) = (random(&format!("{of} a"), 3, 64), random(&format!("{of} b"), 48, 3));
        let b_t = stack(b.transpose(), &-(&b + random(&format!("{of} d"), 48, 3) / ratio).transpose());
        File::default().lora("x", &b_t.transpose(), &stack(a.clone(), &a), None)
    };
    let plain = |of: &str| {
        let (a, b) = (random(&format!("{of} a"), 4, 64), random(&format!("{of} b"), 48, 4));
        File::default().lora("x", &b, &a, None)
    };
    for ratio in [1e2, 1e3, 1e4] {
        let report = said_alike(&less("c", ratio), &plain("s"));
        assert_eq!(report.warnings, [], "none has no effect");
        said_alike(&plain("c"), &less("s", ratio));
    }
}

/// What costs too much to be measured beforehand is counted.
#[test]
fn layers_of_a_very_high_rank_are_told_apart() {
    let lora = |file: File, of: &str, stem: &str, r: usize| {
        file.lora(stem, &random(&format!("{of} b"), 280, r), &random(&format!("{of} a"), r, 280), None)
    };
    let file = |of: &str, r: usize| lora(lora(File::default(), of, "x", 2), of, "y", r);
    let (_, outlook) = analysed(&file("c", 2), &file("s", 257), &Settings::default());
    assert_eq!((outlook.analysed, outlook.total, outlook.unmeasured), (1, 1, 1));
    // One of two is no picture of both.
    assert!(outlook.partial && outlook.balance.is_none() && outlook.suggested.is_none());
    let (_, outlook) = analysed(&file("c", 2), &file("s", 256), &Settings::default());
    assert_eq!((outlook.total, outlook.unmeasured), (2, 0));
    assert!(!outlook.partial && outlook.suggested.is_some());
    let alone = |of: &str, r: usize| lora(File::default(), of, "y", r);
    let (_, outlook) = analysed(&alone("c", 2), &alone("s", 257), &Settings::default());
    assert_eq!((outlook.total, outlook.verdict, outlook.suggested), (0, Verdict::Unknown, None));
    // Of a few the rest tells enough.
    let many =
        |of: &str, r: usize| (0..10).fold(alone(of, r), |file, at| lora(file, of, &format!("x{at}"), 2));
    let (_, outlook) = analysed(&many("c", 2), &many("s", 257), &Settings::default());
    assert_eq!((outlook.unmeasured, outlook.partial), (1, false));
}

fn said_alike(content: &File, style: &File) -> Report {
    let settings =
        Settings { mu: 1.0, style_strength: 0.8, output_name: "out".into(), ..Settings::default() };
    let (_, outlook) = analysed(content, style, &settings);
    let report = fuse(Some(content), Some(style), &settings).unwrap().report;
    near(outlook.whole.change, report.change, "change");
    near(outlook.whole.content_kept, report.content_kept, "kept");
    for (before, after) in outlook.modules.iter().zip(&report.modules) {
        assert_eq!((&before.name, before.protected), (&after.name, after.protected));
        near(before.tally.overlap, after.overlap, &after.name);
        near(before.tally.chance, after.chance, &after.name);
        near(before.tally.change, after.change, &after.name);
        near(before.tally.content_norm, after.content_norm, &after.name);
        near(before.tally.style_norm, after.style_norm, &after.name);
    }
    report
}

#[test]
fn an_analysis_goes_on_where_it_was_stopped_and_is_kept_when_roles_are_swapped() {
    let (content, style) = pair();
    let settings = Settings::default();
    let (open, known) = (Open::new(&content, &style), RefCell::new(Analysis::default()));
    let mut counts = Vec::new();
    for patience in [1, 3, 4, usize::MAX] {
        let stopped = open.analyse(&settings, &known, patience);
        assert_eq!(stopped.is_ok(), patience == usize::MAX);
        counts.push(open.outlook(&settings, &known.borrow()).analysed);
    }
    assert!(counts.is_sorted() && counts.last() == Some(&3), "{counts:?}");
    // Nothing is lacking: nobody is asked whether to go on.
    open.analyse(&settings, &known, 1).unwrap();

    let swapped = Open::new(&style, &content);
    let kept = swapped.outlook(&settings, &known.into_inner().swapped());
    let (_, anew) = analysed(&style, &content, &settings);
    assert_eq!(kept.analysed, 3);
    assert_eq!(serde_json::to_value(kept.whole).unwrap(), serde_json::to_value(anew.whole).unwrap());
}

#[test]
fn a_word_says_what_the_projection_does() {
    let settings = Settings::default();
    let one =
        |up: &Matrix, down: &Matrix, by: f64| File::default().lora("lora_unet_a", up, &(down * by), None);
    let ((b_c, a_c), (b_s, a_s)) = (factors("x", "c", 30, 40, 2), factors("x", "s", 30, 40, 3));
    let verdict = |content: &File, style: &File, mu: f64| {
        analysed(content, style, &Settings { mu, ..settings.clone() }).1.verdict
    };
    let style = one(&b_s, &a_s, 1.0);
    assert_eq!(verdict(&style, &one(&b_s, &a_s, 2.5), 0.5), Verdict::Same);
    assert_ne!(verdict(&style, &one(&b_s, &a_s, -2.5), 0.5), Verdict::Same);
    // A strength's sign is none of the file's.
    let against = |style: &File, content: &File| {
        let settings = Settings { mu: 0.5, content_strength: -0.5, ..settings.clone() };
        analysed(style, content, &settings).1.verdict
    };
    assert_eq!(against(&style, &one(&b_s, &a_s, 2.5)), Verdict::Same);
    assert_ne!(against(&style, &one(&b_s, &a_s, -2.5)), Verdict::Same);
    // Of the style's rows nothing is in these.
    let q = a_s.transpose().qr().q();
    let outside = &a_c - (&a_c * &q) * q.transpose();
    assert_eq!(verdict(&one(&b_c, &outside, 1.0), &style, f64::INFINITY), Verdict::Apart);
    let partly = |times: f64| one(&b_c, &(&outside + (&a_c - &outside) * times), 1.0);
    assert_eq!(verdict(&partly(0.3), &style, 0.5), Verdict::Chance);
    assert_eq!(verdict(&partly(3.0), &style, 0.5), Verdict::Usual);
    assert_eq!(verdict(&partly(3.0), &style, 0.01), Verdict::Little);
    assert_eq!(verdict(&partly(3.0), &style, 0.0), Verdict::Nothing);
    let off = |content: f64, style_strength: f64| {
        let settings = Settings { content_strength: content, style_strength, ..settings.clone() };
        analysed(&partly(3.0), &style, &settings).1.verdict
    };
    assert_eq!((off(0.0, 1.0), off(1.0, 0.0)), (Verdict::NoContent, Verdict::NoStyle));
    // Of layers that only one of them has nothing is said, nor of an overlap's strengths.
    let more = partly(3.0).lora("lora_unet_b", &b_c, &a_c, None);
    let off = |result| {
        let settings = Settings { content_strength: 0.0, result, ..settings.clone() };
        analysed(&more, &style, &settings.of_fusion()).1.verdict
    };
    assert_eq!((off(ResultChoice::Fusion), off(ResultChoice::Overlap)), (Verdict::NoContent, Verdict::Usual));
    let inside = random("mix", 2, 3) * &a_s;
    assert_eq!(verdict(&one(&b_c, &inside, 1.0), &style, 10.0), Verdict::Most);
}

/// An overlap of nothing is none, and would make the median of the others look smaller.
#[test]
fn layers_without_the_subject_have_no_part_in_the_overlap() {
    let ((b_c, a_c), (b_s, a_s)) = (factors("x", "c", 30, 40, 2), factors("x", "s", 30, 40, 3));
    let of = |up: &[(&Matrix, &Matrix)]| {
        let layers = up.iter().zip(["lora_unet_a", "lora_unet_b", "lora_unet_c"]);
        layers.fold(File::default(), |file, ((b, a), name)| file.lora(name, b, a, None))
    };
    let nothing = Matrix::zeros(30, 2);
    let (content, style) = (of(&[(&b_c, &a_c), (&nothing, &a_c), (&nothing, &a_c)]), of(&[(&b_s, &a_s); 3]));
    let report = fuse(Some(&content), Some(&style), &Settings::default()).unwrap().report;
    let (overlap, first) = (report.overlap.unwrap(), &report.modules[0]);
    assert!(first.overlap > 0.0 && report.modules.len() == 3);
    assert_eq!(
        (overlap.median, overlap.worst, &overlap.worst_module),
        (first.overlap, first.overlap, &first.name)
    );
}

#[test]
fn strengths_that_balance_a_pair_do() {
    let (content, style) = pair();
    let settings = Settings { content_strength: 9.0, style_strength: 0.5, ..Settings::default() };
    let (_, outlook) = analysed(&content, &style, &settings);
    let balance = outlook.balance.unwrap();
    assert_eq!((balance.heavier, balance.style_strength), (Side::Content, 0.5));
    // The text encoders' are lightened as well, where they have their own.
    let own =
        Settings { content_text_strength: Some(18.0), style_text_strength: Some(0.25), ..settings.clone() };
    let lightened = analysed(&content, &style, &own).1.balance.unwrap();
    assert_eq!((balance.content_text_strength, balance.style_text_strength), (None, None));
    assert_eq!(lightened.content_strength, balance.content_strength);
    assert!((lightened.content_text_strength.unwrap() / balance.content_strength - 2.0).abs() < 0.01);
    assert_eq!(lightened.style_text_strength, Some(0.25));
    let content_strength = balance.content_strength;
    let (_, balanced) = analysed(&content, &style, &Settings { content_strength, ..settings });
    assert_eq!(balanced.balance, None);
    let norms = [balanced.whole.content_norm, balanced.whole.style_norm];
    assert!((norms[0] / norms[1] - 1.0).abs() < 5e-3, "{norms:?}");
    // The heavier one may be the style, too.
    let settings = Settings { content_strength: 0.5, style_strength: 20.0, ..Settings::default() };
    let balance = analysed(&content, &style, &settings).1.balance.unwrap();
    assert_eq!((balance.heavier, balance.content_strength), (Side::Style, 0.5));
    assert!((balance.style_strength * balance.times / 20.0 - 1.0).abs() < 5e-3, "{balance:?}");
    let style_strength = balance.style_strength;
    let (_, balanced) = analysed(&content, &style, &Settings { style_strength, ..settings });
    let norms = [balanced.whole.content_norm, balanced.whole.style_norm];
    assert!((norms[0] / norms[1] - 1.0).abs() < 5e-3, "{norms:?}");
}

/// A little in common is much where there is room for so much else.
#[test]
fn what_two_have_in_common_is_chance_only_where_chance_has_as_much() {
    let unit = |row: Matrix| &row / row.norm();
    let verdict = |n: usize| {
        let ((b_c, a_c), (b_s, a_s)) = (factors("x", "c", 30, n, 1), factors("x", "s", 30, n, 3));
        let q = a_s.transpose().qr().q();
        let inside = (&a_c * &q) * q.transpose();
        let a_c = unit(inside.clone()) * 0.08f64.sqrt() + unit(a_c - inside) * 0.92f64.sqrt();
        let (content, style) =
            (File::default().lora("x", &b_c, &a_c, None), File::default().lora("x", &b_s, &a_s, None));
        // Not so strong that the change would be small beside it.
        let settings = Settings { style_strength: 0.1, ..Settings::default() };
        let (_, outlook) = analysed(&content, &style, &settings);
        near(outlook.whole.overlap, 0.08, "overlap");
        near(outlook.whole.chance, 3.0 / n as f64, "chance");
        outlook.verdict
    };
    assert_eq!([verdict(40), verdict(300)], [Verdict::Chance, Verdict::Usual]);
}

#[test]
fn the_map_has_blocks_and_kinds_as_users_name_them() {
    let at = |block: &str, layer: &str| format!("lora_unet_{block}_1_transformer_blocks_0_{layer}");
    let layers = [
        (at("input_blocks_4", "attn1_to_q"), 640, 640),
        (at("input_blocks_4", "attn1_to_k"), 640, 640),
        (at("input_blocks_4", "attn2_to_k"), 640, 2048),
        (at("middle_block", "attn1_to_q"), 1280, 1280),
        ("lora_te1_text_model_encoder_layers_3_mlp_fc1".to_owned(), 3072, 768),
    ];
    let file = |side: &str| {
        layers.iter().fold(File::default(), |file, (stem, m, n)| {
            let (up, down) = factors(stem, side, *m, *n, 2);
            file.lora(stem, &up, &down, None)
        })
    };
    let blocks = [("IN04".to_owned(), BlockStrength { style: 0.0, ..BlockStrength::default() })].into();
    let settings = Settings { mu: f64::INFINITY, blocks, ..Settings::default() };
    let (_, outlook) = analysed(&file("c"), &file("s"), &settings);
    let labels: Vec<&str> = outlook.blocks.iter().map(|block| block.label.as_str()).collect();
    assert_eq!(labels, ["IN04", "MID", "CLIP-L"]);
    assert_eq!(outlook.kinds, ["q", "k", "ff"]);
    let cells: Vec<(usize, usize, usize)> =
        outlook.cells.iter().map(|cell| (cell.block, cell.kind, cell.members.len())).collect();
    assert_eq!(cells.len(), 4);
    assert!(cells.contains(&(0, 1, 2)), "both keys of the block: {cells:?}");
    // Where the style is switched off, nothing is projected, though the directions are there.
    let off = &outlook.blocks[0].tally;
    assert_eq!((off.change, off.content_kept, off.style_norm), (0.0, 1.0, 0.0));
    assert!(off.overlap > 0.0 && outlook.blocks[1].tally.change > 0.0);
    let sum: usize = outlook.cells.iter().map(|cell| cell.tally.modules).sum();
    assert_eq!(sum, outlook.modules.len());
}

#[test]
fn blocks_with_a_mu_of_their_own_stay_where_they_are_on_the_curve() {
    let layers = [("input_blocks_4_1", 640), ("middle_block_1", 1280)]
        .map(|(at, n)| (format!("lora_unet_{at}_transformer_blocks_0_attn1_to_q"), n));
    let file = |side: &str| {
        layers.iter().fold(File::default(), |file, (stem, n)| {
            let (up, down) = factors(stem, side, *n, *n, 3);
            file.lora(stem, &up, &down, None)
        })
    };
    let (content, style) = (file("c"), file("s"));
    let own = BlockStrength { mu: Some(f64::INFINITY), ..BlockStrength::default() };
    let sdxl = Settings { family: Some("SDXL".into()), ..Settings::default() };
    let settings = Settings { mu: 1.0, blocks: [("IN04".to_owned(), own)].into(), ..sdxl.clone() };
    let (_, outlook) = analysed(&content, &style, &settings);
    let general = |mu| analysed(&content, &style, &Settings { mu, ..sdxl.clone() }).1;
    let [soft, hard] = [general(1.0), general(f64::INFINITY)];
    let near =
        |is: f64, should: f64, what: &str| assert!((is - should).abs() < 1e-12, "{what}: {is}, {should}");
    near(outlook.blocks[0].tally.change, hard.blocks[0].tally.change, "its own");
    near(outlook.blocks[1].tally.change, soft.blocks[1].tally.change, "the general one");
    near(outlook.modules[0].tally.content_kept, hard.modules[0].tally.content_kept, "of its module");
    let at = |outlook: &Outlook, beta: usize| outlook.curve[beta].change;
    near(at(&outlook, 50), at(&hard, 50), "both at β 1");
    assert!(at(&outlook, 0) > 0.0 && at(&soft, 0) == 0.0);
    near(outlook.whole.change, outlook.curve[25].change, "the chosen μ on the curve");
    // A general μ is suggested for what it works on.
    let alone = |file: &str| {
        let (stem, n) = &layers[1];
        let (up, down) = factors(stem, file, *n, *n, 3);
        File::default().lora(stem, &up, &down, None)
    };
    let strong = Settings { content_strength: 20.0, ..sdxl.clone() };
    let apart = Settings { blocks: settings.blocks.clone(), ..strong.clone() };
    let suggested = |content: &File, style: &File, settings: &Settings| {
        analysed(content, style, settings).1.suggested.unwrap()
    };
    let rest = suggested(&alone("c"), &alone("s"), &strong);
    assert_eq!(suggested(&content, &style, &apart), rest);
    assert_ne!(suggested(&content, &style, &strong), rest, "or this shows nothing");
    let report = fuse(Some(&content), Some(&style), &settings).unwrap().report;
    assert!((report.change - outlook.whole.change).abs() < 1e-6);
    assert!((report.content_kept - outlook.whole.content_kept).abs() < 1e-6);
    // The suggestion is for the blocks that follow the general μ.
    let all_own = ["IN04", "MID"].map(|label| (label.to_owned(), own)).into();
    assert_eq!(
        analysed(&content, &style, &Settings { blocks: all_own, ..settings }).1.suggested.unwrap().mu,
        0.0
    );
}

#[test]
fn a_layer_that_was_never_trained_is_no_trouble() {
    let (b, a) = factors("x", "c", 30, 40, 2);
    let content = File::default().lora("lora_unet_a", &b, &a, None);
    let style = File::default().lora("lora_unet_a", &Matrix::zeros(30, 3), &random("x", 3, 40), None);
    let (open, outlook) = analysed(&content, &style, &Settings::default());
    let module = &outlook.modules[0];
    assert_eq!((module.protected, module.effective_rank, module.tally.overlap), (0, 0.0, 0.0));
    assert_eq!(
        (outlook.verdict, outlook.balance, outlook.suggested.unwrap().mu),
        (Verdict::NoStyle, None, 0.0)
    );
    let spectra = open.spectra(&Settings::default(), &module.name).unwrap();
    assert!(
        spectra.style.iter().all(|&s| s == 0.0) && spectra.along.is_empty() && spectra.cosines.is_empty()
    );
    assert!(open.spectra(&Settings::default(), "another").is_err());
}

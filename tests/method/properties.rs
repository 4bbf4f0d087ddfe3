//! Small pairs of every kind, made up at random but always the same.

use crate::common::method::{Pair, Spectrum};
use crate::common::{Matrix, at_most, normal};
use np_lora::backend::cpu::Cpu;
use np_lora::backend::{Cut, Dtype};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

/// Sizes, a seed, and what is done to each of up to six rows and columns.
#[derive(Clone, Debug)]
struct Made {
    m: usize,
    n: usize,
    r_c: usize,
    seed: u64,
    dtype: Dtype,
    rows: Vec<Row>,
}

#[derive(Clone, Copy, Debug)]
enum Row {
    Plain,
    /// Times 2^power in A_s.
    Sized(i32),
    ZeroDown,
    ZeroUp,
    /// The same as the first row of A_s.
    Repeated,
}

impl Made {
    fn pair(&self) -> Pair {
        let r = self.rows.len();
        let mut up = normal(&format!("{} up", self.seed), self.m, r);
        let mut down = normal(&format!("{} down", self.seed), r, self.n);
        for (i, row) in self.rows.iter().enumerate() {
            match row {
                Row::Plain => {}
                Row::Sized(power) => down.row_mut(i).scale_mut(2f64.powi(*power)),
                Row::ZeroDown => down.row_mut(i).fill(0.0),
                Row::ZeroUp => up.column_mut(i).fill(0.0),
                Row::Repeated => {
                    let first = down.row(0).into_owned();
                    down.set_row(i, &first);
                }
            }
        }
        Pair::new(&up, &down, self.r_c, self.dtype)
    }
}

fn made() -> impl Strategy<Value = Made> {
    let row = prop_oneof![
        4 => Just(Row::Plain),
        2 => (-8i32..8).prop_map(Row::Sized),
        1 => Just(Row::ZeroDown),
        1 => Just(Row::ZeroUp),
        1 => Just(Row::Repeated),
    ];
    let dtype = prop_oneof![Just(Dtype::F16), Just(Dtype::BF16), Just(Dtype::F32)];
    (1usize..20, 1usize..40, 1usize..5, any::<u64>(), dtype, prop::collection::vec(row, 1..7))
        .prop_map(|(m, n, r_c, seed, dtype, rows)| Made { m, n, r_c, seed, dtype, rows })
}

fn cut() -> impl Strategy<Value = Cut> {
    prop_oneof![Just(Cut::All), (0usize..8).prop_map(Cut::Count), (0.05f64..1.0).prop_map(Cut::Energy)]
}

/// Whether k is clear: no singular value near the tolerance, and a gap where directions are cut off.
fn clear(style: &Spectrum, cut: Cut) -> bool {
    let share = |i: usize| style.sigma.get(i).map_or(0.0, |s| s / style.sigma[0].max(f64::MIN_POSITIVE));
    let k = style.k(cut);
    let floor = (0..style.sigma.len()).all(|i| !(5e-7..8e-6).contains(&share(i)));
    floor && (k == 0 || k == style.rank() || share(k - 1) - share(k) >= 1e-3)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 400,
        rng_seed: RngSeed::Fixed(251_111_051),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_pair_is_fused_within_the_bounds(made in made(), cut in cut(), beta in 0f32..=1.0) {
        let pair = made.pair();
        prop_assume!(clear(&Spectrum::of(&pair.style()), cut));
        let outcome = pair.check(&Cpu, cut, beta);
        prop_assert_eq!(outcome.k, outcome.expected_k);
        prop_assert!(outcome.error <= 1e-5, "{:?}", outcome);
        // 1 − β of what lies inside is left there.
        prop_assert!(f64::from(beta) < 1.0 || outcome.leak <= 1e-5, "{:?}", outcome);
    }

    #[test]
    fn projecting_twice_is_projecting_once(made in made()) {
        let pair = made.pair();
        let once = pair.run(&Cpu, Cut::All, 1.0);
        let again = Pair {
            content_down: crate::common::Words::new(&pair.down(&once, Dtype::F32), Dtype::F32),
            scale: 1.0,
            ..pair.clone()
        };
        let twice = again.down(&again.run(&Cpu, Cut::All, 1.0), Dtype::F32);
        let apart = (twice - pair.down(&once, Dtype::F32)).norm();
        prop_assert!(apart <= 1e-5 * pair.content_down.matrix().norm(), "{apart:.2e}");
    }

    #[test]
    fn what_is_kept_never_grows_with_mu(made in made(), cut in cut()) {
        let pair = made.pair();
        let sizes: Vec<f64> = [0.0, 0.25, 0.5, 0.75, 1.0]
            .map(|beta| pair.down(&pair.run(&Cpu, cut, beta), Dtype::F32).norm())
            .to_vec();
        for pair in sizes.windows(2) {
            prop_assert!(pair[1] <= pair[0] * (1.0 + 1e-6), "{sizes:?}");
        }
    }
}

#[test]
fn the_made_up_pairs_are_mostly_of_a_clear_k() {
    // Else the assumption above would leave nothing to test.
    let plain = Made { m: 9, n: 20, r_c: 2, seed: 1, dtype: Dtype::F16, rows: vec![Row::Plain; 4] };
    assert!(clear(&Spectrum::of(&plain.pair().style()), Cut::All));
    let zero = Matrix::zeros(4, 4);
    at_most(Spectrum::of(&zero).rank() as f64, 0.0, "no direction");
}

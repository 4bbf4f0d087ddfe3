//! The relation between two updates of one layer, from small Gram matrices alone (docs/METHOD.md, "Figures").

use super::gram::{both_grams, columns, rows};
use super::gram_svd::{Decomposed, Own};
use super::jacobi::descending;
use super::real::Real;
use crate::Stored;
use nalgebra::DMatrix;

/// An update, ΔW = up·down.
#[derive(Clone, Debug)]
pub struct Update<'a> {
    /// The down factor A, r×n.
    pub down: Stored<'a>,
    /// The up factor B, m×r.
    pub up: Stored<'a>,
}

/// One of two updates: its own singular values, and how much of the other lies along it.
#[derive(Clone, Debug)]
pub struct Half {
    /// The singular values σ_i in descending order, r of them.
    pub sigma: Vec<f64>,
    /// The energy ‖ΔW_other·v_i‖² along each right singular vector v_i that the update really has (σ_i > [`crate::RANK_TOLERANCE`]·σ_1).
    pub along: Vec<f64>,
}

/// The relation between two updates of one layer.
#[derive(Clone, Debug)]
pub struct Relation {
    /// The style's update, ΔW_s.
    pub style: Half,
    /// The content's update, ΔW_c.
    pub content: Half,
    /// The inner product ⟨ΔW_s, ΔW_c⟩.
    pub inner: f64,
    /// Cosines of the principal angles between the two row spaces, in descending order.
    pub cosines: Vec<f64>,
}

/// Compares two updates of one layer, in f64 if f32 would not be exact enough.
#[inline(never)]
pub fn relate(style: &Update<'_>, content: &Update<'_>) -> Relation {
    let grams = Grams::of::<f32>(style, content);
    // No decomposition ends on values that are not finite.
    if grams.style.is_in_range() && grams.content.is_in_range() {
        let (s, c) = (grams.style.decomposed(), grams.content.decomposed());
        if s.is_even() && c.is_even() {
            return grams.relation(s, c);
        }
    }
    careful(style, content)
}

/// Like [`relate`], but always in f64.
fn careful(style: &Update<'_>, content: &Update<'_>) -> Relation {
    let grams = Grams::of::<f64>(style, content);
    grams.relation(grams.style.decomposed(), grams.content.decomposed())
}

struct Grams {
    style: Own,
    content: Own,
    /// The products A_s·A_cᵀ, r_s×r_c.
    down: DMatrix<f64>,
    /// The products B_sᵀ·B_c, r_s×r_c.
    up: DMatrix<f64>,
}

impl Grams {
    fn of<T: Real>(style: &Update<'_>, content: &Update<'_>) -> Self {
        let (r_s, r_c) = (style.down.rows, content.down.rows);
        let [style_down, down, content_down] =
            both_grams([r_s, r_c], rows::<T>(&style.down), rows(&content.down));
        let [style_up, up, content_up] =
            both_grams([r_s, r_c], columns::<T>(&style.up), columns(&content.up));
        let matrix = DMatrix::from_row_slice;
        Self {
            style: Own { down: matrix(r_s, r_s, &style_down), up: matrix(r_s, r_s, &style_up) },
            content: Own { down: matrix(r_c, r_c, &content_down), up: matrix(r_c, r_c, &content_up) },
            down: matrix(r_s, r_c, &down),
            up: matrix(r_s, r_c, &up),
        }
    }

    fn relation(&self, style: Decomposed, content: Decomposed) -> Relation {
        // Each column is A_other·v_i, and so ‖ΔW_other·v_i‖² = (A_other·v_i)ᵀ·(BᵀB)_other·(A_other·v_i).
        let along = |others: DMatrix<f64>, gram: &DMatrix<f64>| -> Vec<f64> {
            others.column_iter().map(|x| x.dot(&(gram * x)).max(0.0)).collect()
        };
        let of_content = self.down.tr_mul(&style.right.columns(0, style.live));
        let of_style = &self.down * content.right.columns(0, content.live);
        let between = style.right.columns(0, style.live).tr_mul(&of_style);
        Relation {
            style: Half { sigma: style.sigma, along: along(of_content, &self.content.up) },
            content: Half { sigma: content.sigma, along: along(of_style, &self.style.up) },
            inner: self.up.dot(&self.down),
            cosines: cosines(&between),
        }
    }
}

impl Own {
    /// Whether f32 products have neither overflowed nor become subnormal.
    fn is_in_range(&self) -> bool {
        const RANGE: std::ops::Range<f64> = 1e-24..1e24;
        let in_range = |gram: &DMatrix<f64>| gram.diagonal().iter().all(|square| RANGE.contains(square));
        in_range(&self.down) && in_range(&self.up)
    }
}

impl Decomposed {
    /// Whether the rounding of f32 products is negligible: it is amplified by the ratio of a factor's longest direction to its shortest.
    fn is_even(&self) -> bool {
        const EVEN: f64 = 0.1;
        self.roots.iter().all(|roots| roots.root.min() > EVEN * roots.root.max())
    }
}

/// The singular values of V_sᵀ·V_c, which are the cosines of the principal angles.
fn cosines(between: &DMatrix<f64>) -> Vec<f64> {
    let small = if between.nrows() < between.ncols() {
        between * between.transpose()
    } else {
        between.tr_mul(between)
    };
    if small.is_empty() {
        return Vec::new();
    }
    let squares = small.symmetric_eigen().eigenvalues;
    let cosines: Vec<f64> = squares.iter().map(|square| square.clamp(0.0, 1.0).sqrt()).collect();
    descending(&cosines).into_iter().map(|at| cosines[at]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jacobi::jacobi;
    use crate::truncate::tests::random;
    use crate::{Dtype, RANK_TOLERANCE};

    /// An update with row i of A multiplied by the i-th of `rows`, and an arbitrary B.
    struct Made {
        down: DMatrix<f64>,
        up: DMatrix<f64>,
        bytes: [Vec<u8>; 2],
    }

    const M: usize = 40;
    const N: usize = 56;

    fn made(rows: &[f64], seed: u64) -> Made {
        let r = rows.len();
        let mut down = random(r, N, seed).map(f64::from);
        down.row_iter_mut().zip(rows).for_each(|(mut row, size)| row *= *size);
        let down = down.map(|x| f64::from(f32::of(x)));
        let up = random(M, r, seed + 1).map(f64::from);
        let bytes = [&down, &up].map(|matrix| {
            matrix.transpose().iter().flat_map(|&x| f32::of(x).to_le_bytes()).collect::<Vec<u8>>()
        });
        Made { down, up, bytes }
    }

    fn update(made: &Made) -> Update<'_> {
        let stored = |at: usize, of: &DMatrix<f64>| Stored {
            bytes: &made.bytes[at],
            dtype: Dtype::F32,
            rows: of.nrows(),
            cols: of.ncols(),
        };
        Update { down: stored(0, &made.down), up: stored(1, &made.up) }
    }

    /// The dense update, with σ and V of the directions that count, from orthogonal steps: without Gram matrices, and without
    /// nalgebra's SVD, which loses digits on rank-deficient matrices.
    fn dense(made: &Made) -> (DMatrix<f64>, Vec<f64>, DMatrix<f64>) {
        let r = made.down.nrows();
        let rows = made.down.transpose().qr();
        let small = (&made.up * rows.r().transpose()).qr().r();
        let svd = jacobi(small.transpose().as_slice(), r);
        let mut order = descending(&svd.sigma);
        order.retain(|&at| svd.sigma[at] > RANK_TOLERANCE * svd.sigma.iter().copied().fold(0.0, f64::max));
        let w = DMatrix::from_fn(r, order.len(), |i, j| svd.w[i * r + order[j]]);
        let sigma = order.iter().map(|&at| svd.sigma[at]).collect();
        (&made.up * &made.down, sigma, rows.q() * w)
    }

    fn close(ours: &[f64], theirs: &[f64], bound: f64) {
        let most = theirs.iter().copied().fold(0.0, f64::max);
        for (at, theirs) in theirs.iter().enumerate() {
            let ours = ours.get(at).copied().unwrap_or(f64::NAN);
            assert!((ours - theirs).abs() <= bound * most, "{at}: {ours} instead of {theirs}");
        }
    }

    /// Compares with the dense updates in both precisions.
    fn check(style: &Made, content: &Made, bound: f64) {
        let (s, c) = (dense(style), dense(content));
        let cosines = s.2.tr_mul(&c.2).svd(false, false).singular_values;
        let along = |other: &DMatrix<f64>, v: &DMatrix<f64>| -> Vec<f64> {
            (other * v).column_iter().map(|column| column.norm_squared()).collect()
        };
        for found in [relate, careful].map(|by| by(&update(style), &update(content))) {
            for (half, (_, sigma, v), (other, ..)) in [(&found.style, &s, &c), (&found.content, &c, &s)] {
                assert_eq!(half.along.len(), sigma.len());
                close(&half.sigma, sigma, bound);
                // Single directions are only as well determined as their singular values are apart; their sums always are.
                let (ours, theirs) = (half.along.iter().sum::<f64>(), along(other, v).iter().sum::<f64>());
                close(&[ours], &[theirs], bound);
                if sigma.windows(2).all(|two| two[0] - two[1] > 1e-2 * sigma[0]) {
                    close(&half.along, &along(other, v), 10.0 * bound);
                }
            }
            let inner = s.0.dot(&c.0);
            assert!((found.inner - inner).abs() <= bound * s.0.norm() * c.0.norm());
            close(&found.cosines, cosines.as_slice(), 10.0 * bound);
        }
    }

    #[test]
    fn relations_are_those_of_the_dense_updates() {
        check(&made(&[1.0, 0.8, 0.6, 0.5], 1), &made(&[1.0, 0.9, 0.7], 5), 1e-6);
        check(&made(&[3.0, 1.0], 2), &made(&[1e-3, 2e-3, 1e-3, 5e-3, 1e-3], 9), 1e-6);
    }

    #[test]
    fn uneven_rows_are_compared_in_f64() {
        check(&made(&[1.0, 1e-3, 1e-5], 3), &made(&[1.0, 1.0, 1e-4], 7), 1e-6);
        check(&made(&[1e15, 1e14], 3), &made(&[1e-20, 1e-21], 7), 1e-6);
        check(&made(&[1e37, 1e36], 3), &made(&[1e-37, 1e-36], 7), 1e-6);
    }

    #[test]
    fn what_an_update_does_not_have_counts_for_nothing() {
        let (mut style, content) = (made(&[1.0, 0.8, 0.6], 11), made(&[1.0, 0.5], 13));
        // A row of A whose column of B is zero, as for a pruned direction.
        style.up.column_mut(1).fill(0.0);
        let words = |matrix: &DMatrix<f64>| {
            matrix.transpose().iter().flat_map(|&x| f32::of(x).to_le_bytes()).collect()
        };
        style.bytes[1] = words(&style.up);
        assert_eq!(relate(&update(&style), &update(&content)).style.along.len(), 2);
        check(&style, &content, 1e-6);
        // An update that was never trained.
        style.up.fill(0.0);
        style.bytes[1] = words(&style.up);
        let found = relate(&update(&style), &update(&content));
        assert_eq!((found.style.along.len(), found.inner, found.cosines.len()), (0, 0.0, 0));
        assert!(found.content.along.iter().all(|&x| x == 0.0));
    }

    #[test]
    fn an_update_lies_along_itself() {
        let both = made(&[1.0, 0.7, 0.3], 17);
        let found = relate(&update(&both), &update(&both));
        let squares: Vec<f64> = found.style.sigma.iter().map(|s| s * s).collect();
        close(&found.style.along, &squares, 1e-6);
        close(&found.cosines, &[1.0, 1.0, 1.0], 1e-6);
    }

    /// In f32, what is left of an almost dependent direction is rounding.
    #[test]
    fn rows_that_lean_on_each_other_are_compared_in_f64() {
        let mut leaning = made(&[1.0, 1.0, 1e-3], 5);
        let lean = leaning.down.row(2) + leaning.down.row(0);
        leaning.down.set_row(2, &lean);
        leaning.down = leaning.down.map(|x| f64::from(f32::of(x)));
        leaning.bytes[0] =
            leaning.down.transpose().iter().flat_map(|&x| f32::of(x).to_le_bytes()).collect::<Vec<u8>>();
        let other = made(&[1.0, 0.5], 9);
        for (style, content) in [(&leaning, &other), (&other, &leaning)] {
            let (found, exact) =
                (relate(&update(style), &update(content)), careful(&update(style), &update(content)));
            for (found, exact) in [(&found.style, &exact.style), (&found.content, &exact.content)] {
                let all = found.sigma.iter().zip(&exact.sigma).chain(found.along.iter().zip(&exact.along));
                for (is, should) in all {
                    assert!((is / should - 1.0).abs() < 1e-5, "{is} {should}");
                }
            }
        }
    }
}

//! How much of a content and a style a third update of the same layer contains, from small Gram matrices alone (docs/METHOD.md,
//! "Comparing").
//!
//! All arithmetic is f64: the distance of two updates comes from differences of these products, which have half as many digits.

use super::cut::count;
use super::gram::{columns, cross_gram, own_gram, rows};
use super::gram_svd::Own;
use super::relation::Update;
use crate::{Cut, Stored};
use nalgebra::DMatrix;

/// A third update, or the rows of it that a pair also has.
#[derive(Clone, Debug)]
pub struct Third<'a> {
    /// The third update ΔW_f, without its scale.
    pub update: Update<'a>,
    /// The scale of the third update.
    pub scale: f64,
    /// The same rows of B_c, where there is a content.
    pub content_up: Option<Stored<'a>>,
    /// The same rows of B_s, where there is a style.
    pub style_up: Option<Stored<'a>>,
}

/// Inner products of ΔW_f (the third update), ΔW_c, ΔW_s and ΔW_c·V_k V_kᵀ ("along"); 0 where one of them is missing.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Products {
    /// The squared norm ‖ΔW_f‖².
    pub third: f64,
    /// The inner product ⟨ΔW_f, ΔW_c⟩.
    pub third_content: f64,
    /// The inner product ⟨ΔW_f, ΔW_c·V_k V_kᵀ⟩.
    pub third_along: f64,
    /// The inner product ⟨ΔW_f, ΔW_s⟩.
    pub third_style: f64,
    /// The squared norm ‖ΔW_c‖².
    pub content: f64,
    /// The squared norm ‖ΔW_c·V_k‖².
    pub along: f64,
    /// The squared norm ‖ΔW_s‖².
    pub style: f64,
    /// The inner product ⟨ΔW_c, ΔW_s⟩.
    pub content_style: f64,
    /// The inner product ⟨ΔW_c·V_k V_kᵀ, ΔW_s⟩.
    pub along_style: f64,
}

/// Computes the inner products of a third file's updates with the content and the style of one unit; `cut` decides k.
#[inline(never)]
pub fn liken(
    content: Option<&Update<'_>>,
    style: Option<&Update<'_>>,
    thirds: &[Third<'_>],
    cut: Cut,
) -> Products {
    let (content, style) = (content.map(Half::of), style.map(Half::of));
    let mut products = Products::default();
    let mut directions = None;
    if let Some(content) = &content {
        products.content = content.own.energy();
    }
    if let Some(style) = &style {
        products.style = style.own.energy();
    }
    if let (Some(content), Some(style)) = (&content, &style) {
        let right = style.own.right(cut);
        let down = content.rows(style);
        let up = content.columns(&style.update.up);
        let along = &down * &right;
        products.content_style = up.dot(&down);
        products.along = content.own.up.dot(&(&along * along.transpose()));
        products.along_style = up.dot(&(&along * (&style.own.down * &right).transpose()));
        directions = Some((right, along));
    }
    for third in thirds {
        let scale = third.scale;
        let own = Half::of(&third.update);
        products.third += scale * scale * own.own.energy();
        let same_rows = |up: &Option<Stored<'_>>| Some(own.columns(up.as_ref()?));
        if let (Some(content), Some(up)) = (&content, same_rows(&third.content_up)) {
            products.third_content += scale * up.dot(&own.rows(content));
            if let (Some(style), Some((right, along))) = (&style, &directions) {
                products.third_along += scale * up.dot(&((own.rows(style) * right) * along.transpose()));
            }
        }
        if let (Some(style), Some(up)) = (&style, same_rows(&third.style_up)) {
            products.third_style += scale * up.dot(&own.rows(style));
        }
    }
    products
}

/// An update, and its own Gram matrices.
struct Half<'a> {
    update: &'a Update<'a>,
    own: Own,
}

impl<'a> Half<'a> {
    fn of(update: &'a Update<'a>) -> Self {
        let r = update.down.rows;
        let matrix = |gram: Vec<f64>| DMatrix::from_row_slice(r, r, &gram);
        let down = matrix(own_gram(r, rows::<f64>(&update.down)));
        Self { update, own: Own { down, up: matrix(own_gram(r, columns::<f64>(&update.up))) } }
    }

    /// The products A·A'ᵀ with the other update's A', r×r'.
    fn rows(&self, other: &Self) -> DMatrix<f64> {
        let (x, y) = (&self.update.down, &other.update.down);
        DMatrix::from_row_slice(x.rows, y.rows, &cross_gram([x.rows, y.rows], rows::<f64>(x), rows(y)))
    }

    /// The products Bᵀ·B' with another up factor B', r×r'.
    fn columns(&self, other: &Stored<'_>) -> DMatrix<f64> {
        let (x, y) = (&self.update.up, other);
        DMatrix::from_row_slice(x.cols, y.cols, &cross_gram([x.cols, y.cols], columns::<f64>(x), columns(y)))
    }
}

impl Own {
    /// The energy ‖B·A‖².
    fn energy(&self) -> f64 {
        self.up.dot(&self.down).max(0.0)
    }

    /// The k first right singular vectors, r×k: column i times A is v_iᵀ.
    fn right(&self, cut: Cut) -> DMatrix<f64> {
        let decomposed = self.decomposed();
        decomposed.right.columns(0, count(&decomposed.sigma, cut)).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Dtype;
    use crate::real::Real;
    use crate::truncate::tests::random;

    const M: usize = 24;
    const N: usize = 40;

    struct Made {
        down: DMatrix<f64>,
        up: DMatrix<f64>,
        bytes: [Vec<u8>; 2],
    }

    fn bytes(matrix: &DMatrix<f64>) -> Vec<u8> {
        matrix.transpose().iter().flat_map(|&x| f32::of(x).to_le_bytes()).collect()
    }

    fn made(r: usize, seed: u64, spread: f64) -> Made {
        let down = random(r, N, seed).map(|x| f64::from(f32::of(f64::from(x) * spread)));
        let up = random(M, r, seed + 1).map(f64::from);
        let bytes = [bytes(&down), bytes(&up)];
        Made { down, up, bytes }
    }

    fn stored(bytes: &[u8], cols: usize) -> Stored<'_> {
        Stored { bytes, dtype: Dtype::F32, rows: bytes.len() / 4 / cols, cols }
    }

    impl Made {
        fn dense(&self) -> DMatrix<f64> {
            &self.up * &self.down
        }

        fn update(&self) -> Update<'_> {
            Update { down: stored(&self.bytes[0], N), up: stored(&self.bytes[1], self.up.ncols()) }
        }

        /// Some rows of B alone.
        fn rows(&self, from: usize, to: usize) -> Stored<'_> {
            let row = 4 * self.up.ncols();
            stored(&self.bytes[1][from * row..to * row], self.up.ncols())
        }
    }

    /// The projector V_k·V_kᵀ from the eigenvectors of ΔWᵀ·ΔW.
    fn projector(style: &DMatrix<f64>, k: usize) -> DMatrix<f64> {
        let eigen = style.tr_mul(style).symmetric_eigen();
        let order = crate::jacobi::descending(eigen.eigenvalues.as_slice());
        let v = DMatrix::from_fn(N, k, |i, j| eigen.eigenvectors[(i, order[j])]);
        &v * v.transpose()
    }

    #[track_caller]
    fn near(is: f64, should: f64, size: f64) {
        assert!((is - should).abs() <= 1e-12 * size, "{is} instead of {should}");
    }

    #[test]
    fn products_are_those_of_the_dense_updates() {
        let (content, style, third) = (made(3, 1, 0.1), made(4, 5, 1.0), made(5, 9, 30.0));
        let (c, s, f) = (content.dense(), style.dense(), third.dense());
        for (cut, k) in [(Cut::All, 4), (Cut::Count(2), 2)] {
            let d = &c * projector(&s, k);
            // The third update in one piece, and in two pieces that are modules of their own.
            let whole = Third {
                update: third.update(),
                scale: 1.0,
                content_up: Some(content.rows(0, M)),
                style_up: Some(style.rows(0, M)),
            };
            let part = |from, to| Third {
                update: Update { up: third.rows(from, to), ..third.update() },
                scale: 1.0,
                content_up: Some(content.rows(from, to)),
                style_up: Some(style.rows(from, to)),
            };
            for thirds in [vec![whole], vec![part(0, 10), part(10, M)]] {
                let found = liken(Some(&content.update()), Some(&style.update()), &thirds, cut);
                let products = [
                    (found.third, &f, &f),
                    (found.third_content, &f, &c),
                    (found.third_along, &f, &d),
                    (found.third_style, &f, &s),
                    (found.content, &c, &c),
                    (found.along, &d, &d),
                    (found.style, &s, &s),
                    (found.content_style, &c, &s),
                    (found.along_style, &d, &s),
                ];
                for (is, x, y) in products {
                    near(is, x.dot(y), x.norm() * y.norm());
                }
            }
        }
    }

    #[test]
    fn what_is_not_there_counts_for_nothing() {
        let (content, third) = (made(3, 1, 1.0), made(2, 9, 1.0));
        let of = Third {
            update: third.update(),
            scale: -0.5,
            content_up: Some(content.rows(0, M)),
            style_up: None,
        };
        let found = liken(Some(&content.update()), None, &[of], Cut::All);
        near(found.third_content, -0.5 * third.dense().dot(&content.dense()), 1e3);
        assert_eq!((found.style, found.along, found.third_along, found.third_style), (0.0, 0.0, 0.0, 0.0));
        let found = liken(None, None, &[], Cut::All);
        assert_eq!(found, Products::default());
    }
}

//! The method on dense matrices in f64, and how far a backend is from it.

use super::{Matrix, Words, largest, normal, orthonormal};
use np_lora::backend::{Backend, Batch, Blend, Cut, Dtype, Job, Place, Projected, RANK_TOLERANCE};
use pollster::block_on;

/// Right singular vectors (columns of `v`) and singular values of a dense matrix, in descending order.
pub(crate) struct Spectrum {
    pub(crate) v: Matrix,
    pub(crate) sigma: Vec<f64>,
}

impl Spectrum {
    /// Householder QR of the thin side, so that a wide matrix costs little, then one-sided Jacobi. nalgebra's own SVD
    /// was wrong by 2e-5 where a matrix has a tenth of its full rank; so what comes out is checked as well.
    pub(crate) fn of(update: &Matrix) -> Self {
        let qr = update.transpose().qr();
        let mut turned = qr.r().transpose();
        let mut w = Matrix::identity(turned.ncols(), turned.ncols());
        let mut sweeps = 0;
        while sweeps < 40 && rotate_all(&mut turned, &mut w) {
            sweeps += 1;
        }
        let norms: Vec<f64> = turned.column_iter().map(|column| column.norm()).collect();
        let mut order: Vec<usize> = (0..norms.len()).collect();
        order.sort_by(|&a, &b| norms[b].total_cmp(&norms[a]));
        let v = (qr.q() * w).select_columns(&order);
        let sigma: Vec<f64> = order.iter().map(|&at| norms[at]).collect();
        let first = sigma[0].max(f64::MIN_POSITIVE);
        let mut products = (update / first * &v).map(|x| if x.abs() < 1e-150 { 0.0 } else { x });
        products = products.transpose() * &products;
        let squares =
            Matrix::from_fn(
                sigma.len(),
                sigma.len(),
                |i, j| if i == j { (sigma[i] / first).powi(2) } else { 0.0 },
            );
        assert!(largest(&(products - squares)) < 1e-13, "the reference's vectors are not the singular ones");
        assert!(largest(&(v.transpose() * &v - Matrix::identity(v.ncols(), v.ncols()))) < 1e-13);
        Self { v, sigma }
    }

    /// How many directions count.
    pub(crate) fn rank(&self) -> usize {
        let first = self.sigma.first().copied().unwrap_or(0.0);
        self.sigma.iter().take_while(|&&s| s > RANK_TOLERANCE * first).count()
    }

    /// k as docs/METHOD.md words it.
    pub(crate) fn k(&self, cut: Cut) -> usize {
        let counted = &self.sigma[..self.rank()];
        match cut {
            Cut::All => counted.len(),
            Cut::Count(count) => counted.len().min(count),
            Cut::Energy(share) => {
                let whole: f64 = counted.iter().map(|s| s * s).sum();
                let reaches = |k: &usize| {
                    counted[..*k].iter().map(|s| s * s).sum::<f64>() >= share * whole * (1.0 - 1e-13)
                };
                (0..=counted.len()).find(reaches).unwrap_or(counted.len())
            }
        }
    }

    /// V_k.
    pub(crate) fn first(&self, k: usize) -> Matrix {
        self.v.columns(0, k).into_owned()
    }
}

/// One sweep of rotations that make pairs of columns of `x` orthogonal, done to `w` as well; whether any was needed.
fn rotate_all(x: &mut Matrix, w: &mut Matrix) -> bool {
    // Below this a column is rounding of larger ones.
    let nothing = (1e-15 * x.norm()).powi(2);
    let mut rotated = false;
    for q in 1..x.ncols() {
        for p in 0..q {
            let (a, b) = (x.column(p).norm_squared(), x.column(q).norm_squared());
            let c = x.column(p).dot(&x.column(q));
            if a <= nothing || b <= nothing || c.abs() <= 1e-14 * (a * b).sqrt() {
                continue;
            }
            // The angle that makes them orthogonal, at most 45 degrees.
            let angle = 0.5 * (2.0 * c).atan2(a - b);
            let angle = if angle.abs() <= std::f64::consts::FRAC_PI_4 {
                angle
            } else {
                angle - angle.signum() * std::f64::consts::FRAC_PI_2
            };
            let (sine, cosine) = angle.sin_cos();
            for matrix in [&mut *x, &mut *w] {
                let (left, right) = (matrix.column(p).into_owned(), matrix.column(q).into_owned());
                matrix.set_column(p, &(&left * cosine + &right * sine));
                matrix.set_column(q, &(right * cosine - left * sine));
            }
            rotated = true;
        }
    }
    rotated
}

/// One module of a pair.
#[derive(Clone)]
pub(crate) struct Pair {
    pub(crate) style_up: Words,
    pub(crate) style_down: Words,
    pub(crate) content_up: Matrix,
    pub(crate) content_down: Words,
    pub(crate) scale: f32,
}

/// What a backend made of a pair, against the reference.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// Of ΔW_m, relative, Frobenius.
    pub(crate) error: f64,
    /// ‖ΔW_c'·V_k‖/‖ΔW_c‖.
    pub(crate) leak: f64,
    pub(crate) k: usize,
    pub(crate) expected_k: usize,
    pub(crate) place: Place,
}

impl Pair {
    /// The content is half noise and half made of the style's directions, all of them alike, so that an error in any of
    /// them shows.
    pub(crate) fn new(style_up: &Matrix, style_down: &Matrix, r_c: usize, dtype: Dtype) -> Self {
        let (up, down) = (Words::new(style_up, dtype), Words::new(style_down, dtype));
        let (m, n) = (up.rows, down.cols);
        let style = Spectrum::of(&(up.matrix() * down.matrix()));
        let k = style.rank();
        let inside =
            normal("inside", r_c, k) * style.first(k).transpose() * (n as f64 / k.max(1) as f64).sqrt();
        let content = Words::new(&((normal("content", r_c, n) + inside) * 0.05), dtype);
        Self {
            style_up: up,
            style_down: down,
            content_up: normal("content up", m, r_c),
            content_down: content,
            scale: 0.75,
        }
        .balanced()
    }

    /// Makes ΔW_c as large as ΔW_s by its up factor, so that neither hides the other's errors.
    pub(crate) fn balanced(mut self) -> Self {
        let (style, content) = (self.style().norm(), self.content().norm());
        if style > 0.0 && content > 0.0 {
            self.content_up *= style / content;
        }
        self
    }

    pub(crate) fn job(&self) -> Job<'_> {
        Job {
            style_down: self.style_down.stored(),
            style_up: self.style_up.stored(),
            content_down: self.content_down.stored(),
            scale: self.scale,
        }
    }

    /// ΔW_s.
    pub(crate) fn style(&self) -> Matrix {
        self.style_up.matrix() * self.style_down.matrix()
    }

    /// ΔW_c.
    pub(crate) fn content(&self) -> Matrix {
        &self.content_up * self.content_down.matrix() * f64::from(self.scale)
    }

    /// Runs a backend on this module alone.
    pub(crate) fn run<B: Backend>(&self, backend: &B, cut: Cut, beta: f32) -> Projected {
        self.run_to(backend, cut, beta, Dtype::F32)
    }

    pub(crate) fn run_to<B: Backend>(&self, backend: &B, cut: Cut, beta: f32, output: Dtype) -> Projected {
        self.blended(backend, cut, Blend::without(beta.into()), output)
    }

    pub(crate) fn blended<B: Backend>(
        &self,
        backend: &B,
        cut: Cut,
        blend: Blend,
        output: Dtype,
    ) -> Projected {
        let jobs = [self.job()];
        let batch = Batch { jobs: &jobs, cut, blends: &[blend], output };
        block_on(backend.project(&batch)).unwrap().remove(0).remove(0)
    }

    /// A_c' as a matrix.
    pub(crate) fn down(&self, projected: &Projected, dtype: Dtype) -> Matrix {
        let Words { rows, cols, .. } = self.content_down;
        Words { bytes: projected.content_down.clone(), dtype, rows, cols }.matrix()
    }

    /// ΔW_m as a backend makes it.
    pub(crate) fn fused<B: Backend>(&self, backend: &B, cut: Cut, beta: f32) -> Matrix {
        self.style() + &self.content_up * self.down(&self.run(backend, cut, beta), Dtype::F32)
    }

    /// Compares a backend with the reference.
    pub(crate) fn check<B: Backend>(&self, backend: &B, cut: Cut, beta: f32) -> Outcome {
        let projected = self.run(backend, cut, beta);
        let style = Spectrum::of(&self.style());
        let expected_k = style.k(cut);
        let v = style.first(expected_k);
        let content = self.content();
        let expected = self.style() + (&content - (&content * &v) * v.transpose() * f64::from(beta));
        let kept = &self.content_up * self.down(&projected, Dtype::F32);
        let leak = (&kept * &v).norm() / content.norm();
        let error = (self.style() + kept - &expected).norm() / expected.norm();
        Outcome { error, leak, k: projected.protected, expected_k, place: projected.computed_on }
    }
}

/// B·A with the given singular values, the factors mixed so that neither shows them.
pub(crate) fn with_spectrum(seed: &str, m: usize, n: usize, sigma: &[f64]) -> (Matrix, Matrix) {
    let r = sigma.len();
    let mix = orthonormal(&format!("{seed} mix"), r, r);
    let spread = Matrix::from_fn(r, r, |i, j| if i == j { sigma[i] } else { 0.0 });
    let up = orthonormal(&format!("{seed} up"), m, r) * spread * &mix;
    (up, mix.transpose() * orthonormal(&format!("{seed} down"), n, r).transpose())
}

//! The kernels one by one, for the tests that check them against the same contract as their CPU twins.

use super::Gpu;
use super::steps::{BasisBuffers, Reading, Steps, ZERO_ROW, words};
use crate::backend::kernels::{Basis, Kernels, Protected, Shape, Svd};
use crate::backend::{Blend, Cut, Dtype, Stored};
use crate::error::Result;

impl Gpu {
    /// Runs some steps for one job and reads back the buffers that they name.
    async fn stepped<const N: usize>(
        &self,
        work: impl FnOnce(&mut Steps<'_>) -> [Reading; N],
    ) -> Result<Reads<N>> {
        let (readings, submitted) = self
            .device
            .checked(|| {
                let mut steps = Steps::new(&self.device, &self.pipelines, 1);
                let readings = work(&mut steps);
                (readings, steps.submit())
            })
            .await?;
        Ok(Reads { readings, memory: self.device.read(submitted).await? })
    }
}

struct Reads<const N: usize> {
    readings: [Reading; N],
    memory: Vec<u8>,
}

impl<const N: usize> Reads<N> {
    fn get<T: bytemuck::Pod>(&self, at: usize) -> Result<Vec<T>> {
        self.readings[at].of_job(&self.memory, 0)
    }
}

fn upload(steps: &mut Steps<'_>, values: &[f32]) -> wgpu::Buffer {
    steps.upload(bytemuck::cast_slice(values))
}

/// The transpose of a rank×rank matrix.
fn transposed(matrix: &[f32], rank: usize) -> Vec<f32> {
    crate::backend::cpu::transpose(matrix, rank, rank)
}

impl Kernels for Gpu {
    async fn decode(&self, stored: &Stored<'_>, transposed: bool) -> Result<Vec<f32>> {
        let count = stored.rows * stored.cols;
        let stride = words(count, stored.dtype);
        let mut raw = stored.bytes.to_vec();
        raw.resize(4 * stride, 0);
        self.stepped(|steps| {
            let raw = steps.upload(&raw);
            let shape = (stored.rows, stored.cols);
            let values = steps.decode(&raw, stride, stored.dtype, shape, transposed);
            [steps.read(&values, count)]
        })
        .await?
        .get(0)
    }

    async fn basis(&self, a: &[f32], shape: Shape) -> Result<Basis> {
        let Shape { rows, cols } = shape;
        let read = self
            .stepped(|steps| {
                let a = upload(steps, a);
                let BasisBuffers { q, l, exponents, pivots } = steps.basis(a, rows, cols);
                [
                    steps.read(&q, rows * cols),
                    steps.read(&l, rows * rows),
                    steps.read(&exponents, rows),
                    steps.read(&pivots, rows),
                ]
            })
            .await?;
        let exponents: Vec<i32> = read.get(2)?;
        let exponent = exponents.into_iter().map(|e| if e == ZERO_ROW { 0 } else { e }).collect();
        Ok(Basis { q: read.get(0)?, l: read.get(1)?, exponent, pivot: read.get(3)? })
    }

    async fn core(&self, up: &Basis, down: &Basis) -> Result<(Vec<f32>, i32)> {
        let rank = up.exponent.len();
        let deciding = self.deciding().await?;
        let read = self
            .stepped(|steps| {
                let sides = [up, down].map(|side| {
                    let zero = |i: usize| side.l[i * rank..(i + 1) * rank].iter().all(|&x| x == 0.0);
                    let exponents: Vec<i32> =
                        (0..rank).map(|i| if zero(i) { ZERO_ROW } else { side.exponent[i] }).collect();
                    BasisBuffers {
                        q: upload(steps, &[]),
                        l: upload(steps, &side.l),
                        exponents: steps.upload(bytemuck::cast_slice(&exponents)),
                        pivots: upload(steps, &side.pivot),
                    }
                });
                let (columns, exponent) = steps.core(deciding, &sides[0], &sides[1], rank);
                [steps.read(&columns, 2 * rank * rank), steps.read(&exponent, 1)]
            })
            .await?;
        let columns: Vec<f32> = read.get(0)?;
        let core: Vec<f32> =
            columns.chunks_exact(2 * rank.max(1)).flat_map(|row| row[..rank].to_vec()).collect();
        Ok((transposed(&core, rank), read.get(1)?.first().copied().unwrap_or(0)))
    }

    async fn jacobi(&self, core: &[f32], rank: usize) -> Result<Svd> {
        let unit = |i: usize, j: usize| if i == j { 1.0 } else { 0.0 };
        let columns: Vec<f32> = (0..rank)
            .flat_map(|j| {
                let column = (0..rank).map(move |i| core[i * rank + j]);
                column.chain((0..rank).map(move |i| unit(i, j)))
            })
            .collect();
        let deciding = self.deciding().await?;
        let read = self
            .stepped(|steps| {
                let columns = upload(steps, &columns);
                let (sigma, w) = steps.jacobi(deciding, &columns, rank);
                [steps.read(&sigma, rank), steps.read(&w, rank * rank)]
            })
            .await?;
        Ok(Svd { sigma: read.get(0)?, w: transposed(&read.get::<f32>(1)?, rank) })
    }

    async fn cut(&self, svd: &Svd, live: &[bool], cut: Cut) -> Result<Protected> {
        let rank = live.len();
        let pivots: Vec<f32> = live.iter().map(|&live| if live { 1.0 } else { 0.0 }).collect();
        let deciding = self.deciding().await?;
        let read = self
            .stepped(|steps| {
                let (sigma, w) = (upload(steps, &svd.sigma), upload(steps, &transposed(&svd.w, rank)));
                let pivots = upload(steps, &pivots);
                let found = steps.cut(deciding, &sigma, &w, &pivots, rank, cut);
                [steps.read(&found.projector, rank * rank), steps.read(&found.counts, 2)]
            })
            .await?;
        let counts: Vec<u32> = read.get(1)?;
        let k = counts.first().and_then(|&k| usize::try_from(k).ok()).unwrap_or(0);
        Ok(Protected { projector: read.get(0)?, k })
    }

    async fn project(
        &self,
        content: &[f32],
        content_shape: Shape,
        q: &[f32],
        projector: &[f32],
        blend: Blend,
    ) -> Result<(Vec<f32>, Vec<f32>)> {
        let Shape { rows, cols } = content_shape;
        let rank = q.len() / cols.max(1);
        let read = self
            .stepped(|steps| {
                let (content, q) = (upload(steps, content), upload(steps, q));
                let projector = upload(steps, projector);
                let along = steps.gram(&content, &q, (rows, rank), cols);
                let blended =
                    steps.project((&content, &along), (rows, cols), &q, Some(&projector), rank, blend);
                [steps.read(&along, rows * rank), steps.read(&blended, rows * cols)]
            })
            .await?;
        Ok((read.get(0)?, read.get(1)?))
    }

    async fn gram(&self, x: &[f32], y: &[f32], n: usize) -> Result<Vec<f32>> {
        let rows = (x.len() / n.max(1), y.len() / n.max(1));
        self.stepped(|steps| {
            let (x, y) = (upload(steps, x), upload(steps, y));
            let products = steps.gram(&x, &y, rows, n);
            [steps.read(&products, rows.0 * rows.1)]
        })
        .await?
        .get(0)
    }

    async fn encode(&self, values: &[f32], scale: f32, dtype: Dtype) -> Result<(Vec<u8>, Vec<f32>)> {
        let count = values.len();
        let read = self
            .stepped(|steps| {
                let (values, scales) = (upload(steps, values), upload(steps, &[scale]));
                let exponents = steps.upload(bytemuck::cast_slice(&[0i32]));
                let (encoded, errors) = steps.encode(&values, count, &scales, &exponents, dtype);
                [steps.read(&encoded, words(count, dtype)), steps.read(&errors, count)]
            })
            .await?;
        let mut encoded: Vec<u8> = read.get(0)?;
        encoded.truncate(count * dtype.bitsize() / 8);
        Ok((encoded, read.get(1)?))
    }
}

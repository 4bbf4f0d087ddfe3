//! LoRA files in memory: written, fused and read again with arithmetic of the tests' own.

use nalgebra::{DMatrix, DVector};
use np_lora::adapter::Adapter;
use np_lora::container::{Bytes, MemorySink, MemorySource, Source};
use np_lora::error::{Error, Result};
use np_lora::fusion::settings::DtypeChoice;
use np_lora::fusion::{
    self, Alone, Engine, EngineChoice, Input, Progress, Report, Settings, Sources, Variant, Watch,
};
use pollster::block_on;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use std::cell::Cell;
use std::collections::HashMap;
use std::ops::Range;

/// A file under construction: F32 tensors by name, and metadata.
#[derive(Clone, Default)]
pub(crate) struct File {
    tensors: Vec<(String, Vec<usize>, Vec<f64>)>,
    metadata: Vec<(String, String)>,
}

/// Counts what is read of it, and how often.
pub(crate) struct Counting<'a> {
    source: &'a MemorySource,
    pub(crate) bytes: Cell<u64>,
    pub(crate) reads: Cell<usize>,
}

impl<'a> Counting<'a> {
    pub(crate) fn new(source: &'a MemorySource) -> Self {
        Self { source, bytes: Cell::new(0), reads: Cell::new(0) }
    }
}

impl Source for Counting<'_> {
    fn name(&self) -> &str {
        self.source.name()
    }

    fn size(&self) -> u64 {
        self.source.size()
    }

    async fn read(&self, range: Range<u64>) -> Result<Bytes> {
        self.bytes.set(self.bytes.get() + range.end - range.start);
        self.reads.set(self.reads.get() + 1);
        self.source.read(range).await
    }
}

/// Deterministic values around zero.
pub(crate) fn random(seed: &str, rows: usize, cols: usize) -> DMatrix<f64> {
    let mut state =
        seed.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
    DMatrix::from_fn(rows, cols, |_, _| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        f64::from((state >> 40) as f32 / (1u64 << 23) as f32 - 1.0)
    })
}

impl File {
    pub(crate) fn with(mut self, name: impl Into<String>, shape: &[usize], values: &DMatrix<f64>) -> Self {
        assert_eq!(shape.iter().product::<usize>(), values.len());
        self.tensors.push((name.into(), shape.to_vec(), values.transpose().as_slice().to_vec()));
        self
    }

    pub(crate) fn matrix(self, name: impl Into<String>, values: &DMatrix<f64>) -> Self {
        let shape = [values.nrows(), values.ncols()];
        self.with(name, &shape, values)
    }

    pub(crate) fn number(self, name: impl Into<String>, value: f64) -> Self {
        self.with(name, &[], &DMatrix::from_element(1, 1, value))
    }

    pub(crate) fn note(mut self, key: &str, value: &str) -> Self {
        self.metadata.push((key.to_owned(), value.to_owned()));
        self
    }

    /// A plain kohya module.
    pub(crate) fn lora(self, stem: &str, up: &DMatrix<f64>, down: &DMatrix<f64>, alpha: Option<f64>) -> Self {
        let file = self
            .matrix(format!("{stem}.lora_down.weight"), down)
            .matrix(format!("{stem}.lora_up.weight"), up);
        match alpha {
            Some(alpha) => file.number(format!("{stem}.alpha"), alpha),
            None => file,
        }
    }

    pub(crate) fn named(&self, name: &str) -> MemorySource {
        let bytes: Vec<Vec<u8>> = self
            .tensors
            .iter()
            .map(|(.., v)| v.iter().flat_map(|x| (*x as f32).to_le_bytes()).collect())
            .collect();
        let views = self.tensors.iter().zip(&bytes).map(|((name, shape, _), bytes)| {
            (name.as_str(), TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap())
        });
        let notes: HashMap<_, _> = self.metadata.iter().cloned().collect();
        let notes = (!notes.is_empty()).then_some(notes);
        MemorySource::new(name, safetensors::serialize(views, notes).unwrap())
    }
}

pub(crate) struct Nobody;

impl Watch for Nobody {
    fn progress(&mut self, _: &Progress) {}

    fn cancelled(&self) -> bool {
        false
    }

    fn seconds(&self) -> f64 {
        0.0
    }
}

/// Full precision, everything of the style protected, all of it taken away.
pub(crate) fn hard() -> Settings {
    Settings { mu: f64::INFINITY, dtype: DtypeChoice::F32, output_name: "out".into(), ..Settings::default() }
}

/// A finished file and its report.
pub(crate) struct Fused {
    pub(crate) bytes: Vec<u8>,
    pub(crate) report: Report,
}

pub(crate) fn fuse(
    content: Option<&File>,
    style: Option<&File>,
    settings: &Settings,
) -> Result<Fused, Error> {
    let content = content.map(|file| file.named("content.safetensors"));
    let style = style.map(|file| file.named("style.safetensors"));
    fuse_sources(content.as_ref(), style.as_ref(), settings)
}

pub(crate) fn fuse_sources<S: Source>(
    content: Option<&S>,
    style: Option<&S>,
    settings: &Settings,
) -> Result<Fused, Error> {
    fuse_all(content, style, &[settings.clone().into()]).map(|mut all| all.remove(0))
}

/// All results of one run.
pub(crate) fn fuse_all<S: Source>(
    content: Option<&S>,
    style: Option<&S>,
    variants: &[Variant],
) -> Result<Vec<Fused>, Error> {
    block_on(async {
        let mut adapters = Vec::new();
        for source in [content, style] {
            adapters.push(match source {
                Some(source) => Some(Adapter::open(source, None).await?),
                None => None,
            });
        }
        let (of_content, of_style) = (adapters[0].as_ref(), adapters[1].as_ref());
        let sources = Sources {
            content: content.zip(of_content).map(|(source, adapter)| Input { adapter, source }),
            style: style.zip(of_style).map(|(source, adapter)| Input { adapter, source }),
        };
        let mut engine = Engine::choose(EngineChoice::Cpu).await?;
        let mut sinks: Vec<MemorySink> = variants.iter().map(|_| MemorySink::default()).collect();
        let made = fusion::fuse(&sources, variants, &mut engine, &mut sinks, &Alone, &mut Nobody).await?;
        let mut all = Vec::new();
        for (file, report) in made {
            for tensors in [report.content_tensors, report.style_tensors] {
                let sum =
                    tensors.fused + tensors.passed + tensors.outside + tensors.refused + tensors.left_out;
                assert_eq!(sum, tensors.total, "every tensor is accounted for: {tensors:?}");
            }
            all.push(Fused { bytes: file.read(0..file.size()).await?.into(), report });
        }
        Ok(all)
    })
}

impl Fused {
    pub(crate) fn names(&self) -> Vec<String> {
        let tensors = SafeTensors::deserialize(&self.bytes).unwrap();
        let mut names: Vec<String> = tensors.names().into_iter().map(ToOwned::to_owned).collect();
        names.sort();
        names
    }

    /// The modules' stems.
    pub(crate) fn stems(&self) -> Vec<String> {
        let ends = [".lora_down.weight", ".lora_A.weight"];
        let names = self.names();
        let stem = |name: &String| ends.iter().find_map(|end| Some(name.strip_suffix(end)?.to_owned()));
        names.iter().filter_map(stem).collect()
    }

    pub(crate) fn metadata(&self, key: &str) -> Option<String> {
        let (_, header) = SafeTensors::read_metadata(&self.bytes).unwrap();
        header.metadata().as_ref()?.get(key).cloned()
    }

    /// A tensor as a matrix of its first dimension by all others.
    pub(crate) fn tensor(&self, name: &str) -> Option<DMatrix<f64>> {
        let tensors = SafeTensors::deserialize(&self.bytes).unwrap();
        let tensor = tensors.tensor(name).ok()?;
        let words = tensor.data();
        let values: Vec<f64> = match tensor.dtype() {
            Dtype::F32 => words.chunks(4).map(|w| f32::from_le_bytes(w.try_into().unwrap()).into()).collect(),
            Dtype::F16 => {
                words.chunks(2).map(|w| half::f16::from_le_bytes(w.try_into().unwrap()).into()).collect()
            }
            other => panic!("{name} is {other:?}"),
        };
        let rows = tensor.shape().first().copied().unwrap_or(1);
        Some(DMatrix::from_row_slice(rows, values.len() / rows, &values))
    }

    /// (alpha/r · up, down) of a module in whatever spelling it has.
    pub(crate) fn factors(&self, stem: &str) -> Option<(DMatrix<f64>, DMatrix<f64>)> {
        let kohya = ("lora_up", "lora_down");
        let (up, down) = [kohya, ("lora_B", "lora_A")].into_iter().find_map(|(up, down)| {
            let tensor = |name: &str| self.tensor(&format!("{stem}.{name}.weight"));
            Some((tensor(up)?, tensor(down)?))
        })?;
        let alpha = self.tensor(&format!("{stem}.alpha")).map(|a| a[(0, 0)]);
        let scale = alpha.map_or(1.0, |alpha| alpha / down.nrows() as f64);
        Some((up * scale, down))
    }

    pub(crate) fn update(&self, stem: &str) -> Option<DMatrix<f64>> {
        self.factors(stem).map(|(up, down)| up * down)
    }
}

/// ΔW_c·(I − β V Vᵀ) with V an orthonormal basis of the rows of `directions`, as factors: B_c stays, this is A_c'.
pub(crate) fn without(down: &DMatrix<f64>, directions: &DMatrix<f64>, beta: f64) -> DMatrix<f64> {
    let q = directions.transpose().qr().q();
    down - (down * &q) * q.transpose() * beta
}

/// ΔW_s + ΔW_c·(I − β V_k V_kᵀ) with V_k from the eigenvectors of ΔW_sᵀ·ΔW_s. (nalgebra's SVD loses digits on
/// matrices that lack rank.)
pub(crate) fn reference(content: &DMatrix<f64>, style: &DMatrix<f64>, beta: f64) -> DMatrix<f64> {
    let eigen = style.tr_mul(style).symmetric_eigen();
    let most = eigen.eigenvalues.max();
    let mut kept = content.clone();
    for (i, square) in eigen.eigenvalues.iter().enumerate() {
        if *square > 1e-11 * most {
            let v = eigen.eigenvectors.column(i);
            kept -= beta * (content * v) * v.transpose();
        }
    }
    style + kept
}

/// Singular values in descending order.
pub(crate) fn singular_values(matrix: &DMatrix<f64>) -> Vec<f64> {
    let squares = matrix.tr_mul(matrix).symmetric_eigen().eigenvalues;
    let mut sigma: Vec<f64> = squares.iter().map(|s| s.max(0.0).sqrt()).collect();
    sigma.sort_by(|a, b| b.total_cmp(a));
    sigma
}

pub(crate) fn close(is: &DMatrix<f64>, should: &DMatrix<f64>, bound: f64, what: &str) {
    assert_eq!(is.shape(), should.shape(), "{what}");
    let apart = (is - should).norm() / should.norm().max(f64::MIN_POSITIVE);
    assert!(apart <= bound, "{what}: {apart:.2e} > {bound:.0e}");
}

/// A few random columns, to compare products of large thin matrices by.
pub(crate) fn probes(rows: usize) -> Vec<DVector<f64>> {
    (0..3).map(|at| random(&format!("probe {at}"), rows, 1).column(0).into_owned()).collect()
}

//! One module of a file: what its tensors make, its sizes and its scale.

use super::kinds::{Kind, Parts, Sizes, check_dtype};
use super::roles::Spelling;
use super::scale::{Alpha, ScaleChoice, ScaleSource};
use crate::backend::products::MAX_RANK;
use crate::container::Tensor;
use crate::error::{Code, Error, Result};

/// The most values that the factors of one module, or a tensor they are made of, may have: more (1 GiB in f32) cannot be worked on
/// where all memory together is 4 GiB. Whole large layers have fewer (71 million in Wan), except for the widest of FLUX.2.
const MAX_VALUES: u64 = 1 << 28;

/// A rank up to this is accepted however small the layer is: trainers use one rank for all layers.
const MAX_SPARE_RANK: usize = 1024;

/// The most that the cubes of spare ranks may add up to over all modules of a file; see `Module::take_off`.
pub(super) const MAX_SPARE_WORK: u64 = (MAX_SPARE_RANK as u64).pow(3);

/// A module of a LoRA file: ΔW = scale · (the product of its tensors), at strength 1.
#[derive(Clone, Debug)]
pub struct Module {
    /// The module's stem as the file spells it.
    pub stem: String,
    /// How the file names its factors.
    pub spelling: &'static Spelling,
    /// The adapter kind, with the module's tensors.
    pub kind: Kind,
    /// The rank r of the factors.
    pub rank: usize,
    /// Whether the exact factors would be too large, so that they are cut to a smaller rank.
    pub is_cut: bool,
    /// The number of out features, m.
    pub out_features: usize,
    /// The number of in features, n, which is in·kh·kw for a convolution.
    pub in_features: usize,
    /// The input's dimensions as stored, `[in]` or `[in, kh, kw]`; some kinds store convolutions flattened.
    pub dims: Vec<u64>,
    /// Alpha, wherever it was found; none where loaders apply scale 1, or the kind has no scale.
    pub alpha: Option<Alpha>,
    /// The number that alpha is divided by; `None` if this kind has no scale.
    alpha_rank: Option<usize>,
    /// DoRA's magnitudes, with which the update depends on the base model's weights.
    pub magnitude: Option<Tensor>,
    /// Number of tensors, alpha included.
    pub tensors: usize,
}

impl Module {
    /// The module that these tensors form; `None` if they form no matrix.
    ///
    /// # Errors
    /// Those of [`Kind::of`]; `LoraShape` for a tensor that the kind does not use.
    pub fn new(
        stem: &str,
        spelling: &'static Spelling,
        parts: &Parts,
        magnitude: Option<Tensor>,
        alpha: Option<Alpha>,
    ) -> Result<Option<Self>> {
        let Some((kind, sizes)) = Kind::of(parts)? else { return Ok(None) };
        // A tensor that the kind does not use would be dropped silently (a whole LoKr factor beside its two halves).
        let used: Vec<&str> = kind.tensors().into_iter().map(|tensor| tensor.name.as_str()).collect();
        if let Some(large) = parts.all().find(|tensor| tensor.values() > MAX_VALUES) {
            let detail = format!("It has {} values, more than memory holds.", large.values());
            return Err(Error::new(Code::LoraShape, detail).at_tensor(&large.name));
        }
        let mut all = parts.all();
        if let Some(odd) = all.find(|tensor| !used.contains(&tensor.name.as_str())) {
            let detail = "It has no place beside the module's other tensors.";
            return Err(Error::new(Code::LoraShape, detail).at_tensor(&odd.name));
        }
        let Sizes { out_features, dims, rank, is_cut, alpha_rank, between } = sizes;
        if let Some(magnitude) = &magnitude {
            check_magnitude(magnitude, out_features, &dims)?;
        }
        let stored = alpha.is_some_and(|alpha| alpha.source == ScaleSource::Tensor);
        let tensors = kind.tensors().len() + usize::from(magnitude.is_some()) + usize::from(stored);
        let in_features = dims.iter().product::<u64>();
        let alpha_rank = match &kind {
            Kind::LoKr(_) => alpha_rank.or_else(|| alpha?.rank),
            _ => alpha_rank,
        };
        // Some kinds make large factors of small tensors; no module may need more memory than a real layer does.
        let factors = (out_features as u64).saturating_add(in_features);
        let factors = factors.saturating_mul(if is_cut { rank.min(MAX_RANK) } else { rank } as u64);
        let factors = factors.max(between);
        if factors > MAX_VALUES {
            let detail = format!("Its factors would have {factors} values: no layer is that large.");
            return Err(Error::new(Code::LoraShape, detail).at_tensor(*used.first().unwrap_or(&stem)));
        }
        // The work on a module grows with the cube of its rank, so that kilobytes could keep a machine busy for days.
        let layer = (out_features as u64).min(in_features);
        if !is_cut && rank > MAX_SPARE_RANK && rank as u64 > layer {
            let first = *used.first().unwrap_or(&stem);
            return Err(far_beyond(rank, out_features, in_features, first));
        }
        Ok(Some(Self {
            stem: stem.to_owned(),
            spelling,
            kind,
            rank,
            is_cut,
            out_features,
            in_features: usize::try_from(in_features).unwrap_or(usize::MAX),
            dims,
            alpha: alpha.filter(|_| alpha_rank.is_some()),
            alpha_rank,
            magnitude,
            tensors,
        }))
    }

    /// The scale s = alpha/rank and its source; the user's choice overrides the file.
    pub fn scale(&self, choice: ScaleChoice) -> (f64, ScaleSource) {
        let Some(rank) = self.alpha_rank else {
            // PEFT's configuration would say it; LyCORIS has no scale here.
            let is_open = matches!(self.kind, Kind::LoKr(_)) && self.stem.starts_with("base_model.model.");
            return (1.0, if is_open { ScaleSource::Unknown } else { ScaleSource::Fixed });
        };
        match (choice, self.alpha) {
            (ScaleChoice::Alpha { alpha }, _) => {
                let alpha = Alpha { source: ScaleSource::User, ..Alpha::stored(alpha) };
                (alpha.scale(rank), alpha.source)
            }
            (ScaleChoice::RankStabilised, alpha) => {
                // Where no alpha is known, loaders take the rank for it; divided by √rank it then gives √rank.
                #[allow(clippy::cast_precision_loss, reason = "ranks are small")]
                let value = alpha.map_or(rank as f64, |alpha| alpha.value);
                let alpha =
                    Alpha { source: ScaleSource::User, rank_stabilised: true, ..Alpha::stored(value) };
                (alpha.scale(rank), alpha.source)
            }
            (_, Some(alpha)) => (alpha.scale(rank), alpha.source),
            (_, None) => (1.0, ScaleSource::Unknown),
        }
    }

    /// The name of the module's kind for users.
    pub fn kind_name(&self) -> &'static str {
        if self.magnitude.is_some() { "DoRA" } else { self.kind.name() }
    }

    /// Subtracts the work that the module costs from `spare`, if its rank is larger than both sides of its layer together, so that
    /// this work is far more than its size suggests.
    ///
    /// # Errors
    /// `LoraShape` if the work is more than what is left of `spare`.
    pub(super) fn take_off(&self, spare: &mut u64) -> Result<()> {
        let Self { rank, out_features, in_features, .. } = *self;
        if self.is_cut || rank <= out_features.saturating_add(in_features) {
            return Ok(());
        }
        let left = spare.checked_sub((rank as u64).saturating_pow(3));
        *spare = left.ok_or_else(|| far_beyond(rank, out_features, in_features as u64, &self.stem))?;
        Ok(())
    }

    /// The rank of the factors if modules without exact factors are cut to `limit`.
    pub fn rank_within(&self, limit: usize) -> usize {
        if self.is_cut { self.rank.min(limit.max(1)) } else { self.rank }
    }
}

fn far_beyond(rank: usize, out_features: usize, in_features: u64, tensor: &str) -> Error {
    let detail = format!("Its rank is {rank}, in a layer of {out_features}×{in_features}.");
    Error::new(Code::LoraShape, detail).at_tensor(tensor)
}

/// Checks DoRA's magnitudes: one number a row (`[out]`, with trailing ones) or a column (`[1, in]`, with trailing ones).
fn check_magnitude(tensor: &Tensor, out_features: usize, dims: &[u64]) -> Result<()> {
    check_dtype(tensor)?;
    let ones = |dims: &[u64]| dims.iter().all(|&d| d == 1);
    let rows =
        matches!(tensor.shape.as_slice(), [rows, rest @ ..] if *rows == out_features as u64 && ones(rest));
    let inputs = dims.first().copied().unwrap_or(0);
    let columns =
        matches!(tensor.shape.as_slice(), [1, columns, rest @ ..] if *columns == inputs && ones(rest));
    if rows || columns || tensor.shape == [1, out_features as u64] || is_conv_row(&tensor.shape, out_features)
    {
        return Ok(());
    }
    let detail = format!("Its shape is {:?}, in a layer of {out_features}×{inputs}.", tensor.shape);
    Err(Error::new(Code::LoraShape, detail).at_tensor(&tensor.name))
}

/// Whether this is PEFT's shape for the magnitudes of a convolution, `[1, out, 1, 1]`.
fn is_conv_row(shape: &[u64], out_features: usize) -> bool {
    matches!(shape, [1, rows, 1, 1] if *rows == out_features as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapter::roles::{KOHYA, Part, SPELLINGS};
    use crate::backend::matrix::Matrix;
    use safetensors::Dtype;

    fn tensor(name: &str, shape: &[u64]) -> Tensor {
        Tensor { name: name.into(), dtype: Dtype::F16, shape: shape.to_vec(), start: 0, end: 0 }
    }

    fn lora(down: &[u64], up: &[u64], alpha: Option<f64>) -> Result<Module> {
        let parts =
            Parts { down: Some(tensor("m.down", down)), up: Some(tensor("m.up", up)), ..Parts::default() };
        made(&parts, alpha)
    }

    fn made(parts: &Parts, alpha: Option<f64>) -> Result<Module> {
        let alpha = alpha.map(Alpha::stored);
        Ok(Module::new("m", &SPELLINGS[KOHYA], parts, None, alpha)?.unwrap())
    }

    fn others(parts: &[(Part, &[u64])]) -> Parts {
        let mut made = Parts::default();
        for (part, shape) in parts {
            made.put(*part, tensor(&format!("m.{part:?}"), shape));
        }
        made
    }

    #[test]
    fn shapes_that_are_no_lora_are_refused() {
        let code = |down: &[u64], up: &[u64]| lora(down, up, None).unwrap_err().code;
        assert_eq!(code(&[0, 8], &[8, 0]), Code::RankZero);
        assert_eq!(code(&[4, 8], &[8, 5]), Code::RankMismatch);
        assert_eq!(code(&[4], &[8, 4]), Code::LoraShape);
        assert_eq!(code(&[4, 8], &[8, 4, 3, 3]), Code::LoraShape);
        assert_eq!(code(&[4, 0], &[8, 4]), Code::LoraShape);
        assert_eq!(code(&[4, u64::MAX], &[8, 4]), Code::LoraShape);
    }

    #[test]
    fn convolutions_flatten_their_input() {
        let module = lora(&[4, 8, 3, 3], &[16, 4, 1, 1], Some(2.0)).unwrap();
        assert_eq!((module.rank, module.out_features, module.in_features), (4, 16, 72));
        assert_eq!(module.scale(ScaleChoice::Auto), (0.5, ScaleSource::Tensor));
        assert_eq!(module.kind.name(), "LoCon");
    }

    #[test]
    fn other_kinds_have_the_sizes_of_their_layer() {
        let loha = others(&[
            (Part::HadaW1A, &[16, 4]),
            (Part::HadaW1B, &[4, 72]),
            (Part::HadaW2A, &[16, 4]),
            (Part::HadaW2B, &[4, 72]),
        ]);
        let module = made(&loha, Some(2.0)).unwrap();
        assert_eq!(
            (module.rank, module.out_features, module.in_features, module.is_cut),
            (16, 16, 72, false)
        );
        assert_eq!(module.scale(ScaleChoice::Auto).0, 0.5);
        let lokr = others(&[(Part::LokrW1, &[4, 8]), (Part::LokrW2A, &[80, 6]), (Part::LokrW2B, &[6, 40])]);
        let module = made(&lokr, Some(3.0)).unwrap();
        assert_eq!(
            (module.rank, module.out_features, module.in_features, module.is_cut),
            (24, 320, 320, false)
        );
        assert_eq!(module.scale(ScaleChoice::Auto).0, 0.5);
        // Both factors whole: no scale, whatever absurd alpha is stored.
        let lokr = others(&[(Part::LokrW1, &[4, 8]), (Part::LokrW2, &[80, 40])]);
        let module = made(&lokr, Some(1e10)).unwrap();
        assert_eq!(module.scale(ScaleChoice::Auto), (1.0, ScaleSource::Fixed));
        assert!(module.is_cut);
        assert_eq!((module.rank, module.rank_within(64)), (160, 64));
        let diff = made(&others(&[(Part::Diff, &[320, 4, 3, 3])]), None).unwrap();
        assert_eq!((diff.rank_within(64), diff.in_features, diff.kind.name()), (36, 36, "full difference"));
        let half = others(&[(Part::HadaW1A, &[16, 4]), (Part::HadaW1B, &[4, 72])]);
        assert_eq!(made(&half, None).unwrap_err().code, Code::PairMissing);
    }

    #[test]
    fn nothing_is_made_of_too_few_values() {
        let loha = [Part::HadaW1A, Part::HadaW1B, Part::HadaW2A, Part::HadaW2B];
        let kinds = [
            lora(&[4, 4], &[4, 4], None),
            made(&others(&loha.map(|part| (part, [4, 4].as_slice()))), None),
            made(&others(&[(Part::LokrW1, &[4, 4]), (Part::LokrW2, &[4, 4])]), None),
            made(&others(&[(Part::Diff, &[4, 4])]), None),
        ];
        for module in kinds {
            let kind = module.unwrap().kind;
            let values = vec![Matrix::identity(4, 4); kind.tensors().len()];
            assert!(kind.product(&values, 4).is_ok(), "{}", kind.name());
            assert_eq!(kind.product(&values[1..], 4).unwrap_err().code, Code::Internal, "{}", kind.name());
        }
    }

    #[test]
    fn scale_rules() {
        let scale = |alpha, choice| lora(&[4, 8], &[8, 4], alpha).unwrap().scale(choice).0;
        assert_eq!(scale(None, ScaleChoice::Auto), 1.0);
        assert_eq!(scale(Some(0.0), ScaleChoice::Auto), 1.0);
        assert_eq!(scale(Some(-4.0), ScaleChoice::Auto), -1.0);
        assert_eq!(scale(Some(8.0), ScaleChoice::Auto), 2.0);
        assert_eq!(scale(Some(8.0), ScaleChoice::Alpha { alpha: 2.0 }), 0.5);
        assert_eq!(scale(Some(8.0), ScaleChoice::RankStabilised), 4.0);
        assert_eq!(scale(None, ScaleChoice::RankStabilised), 2.0);
    }

    /// A file may say `use_rslora`.
    #[test]
    fn an_alpha_of_the_users_is_divided_by_the_rank_however_the_files_own_is() {
        let mut module = lora(&[4, 8], &[8, 4], None).unwrap();
        module.alpha = Some(Alpha { rank_stabilised: true, ..Alpha::stored(8.0) });
        assert_eq!(module.scale(ScaleChoice::Auto).0, 4.0);
        assert_eq!(module.scale(ScaleChoice::Alpha { alpha: 1.0 }), (0.25, ScaleSource::User));
    }

    #[test]
    fn magnitudes_are_one_number_a_row_or_a_column() {
        let parts = others(&[(Part::Diff, &[8, 16, 3, 3])]);
        let made = |shape: &[u64]| {
            let magnitude = Some(tensor("m.magnitude", shape));
            Module::new("m", &SPELLINGS[KOHYA], &parts, magnitude, None)
                .map(|_| ())
                .map_err(|error| error.code)
        };
        let rows: [&[u64]; 5] = [&[8], &[8, 1], &[8, 1, 1, 1], &[1, 8], &[1, 8, 1, 1]];
        let columns: [&[u64]; 2] = [&[1, 16], &[1, 16, 1, 1]];
        for shape in rows.into_iter().chain(columns) {
            assert_eq!(made(shape), Ok(()), "{shape:?}");
        }
        let others: [&[u64]; 9] =
            [&[], &[7], &[9], &[16], &[8, 2], &[1, 15], &[1, 17], &[1, 16, 3, 3], &[1, 8, 3, 3]];
        for shape in others {
            assert_eq!(made(shape), Err(Code::LoraShape), "{shape:?}");
        }
    }
}

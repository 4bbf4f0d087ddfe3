//! Files with any header, and the reading of what the crate wrote by other means than its own.

use nalgebra::DMatrix;
use np_lora::container::MemorySource;
use safetensors::{Dtype, SafeTensors};

/// A tensor to write.
#[derive(Clone, Debug)]
pub struct Given {
    pub name: String,
    pub dtype: Dtype,
    pub shape: Vec<usize>,
    pub bytes: Vec<u8>,
}

impl Given {
    /// A tensor of zeros.
    pub fn zeros(name: impl Into<String>, dtype: Dtype, shape: &[usize]) -> Self {
        let bytes = vec![0; shape.iter().product::<usize>() * dtype.bitsize() / 8];
        Self { name: name.into(), dtype, shape: shape.to_vec(), bytes }
    }

    /// A tensor of these values, rounded to the format.
    pub fn of(name: impl Into<String>, dtype: Dtype, shape: &[usize], values: &[f32]) -> Self {
        Self { name: name.into(), dtype, shape: shape.to_vec(), bytes: words(dtype, values) }
    }
}

pub fn words(dtype: Dtype, values: &[f32]) -> Vec<u8> {
    match dtype {
        Dtype::F64 => values.iter().flat_map(|v| f64::from(*v).to_le_bytes()).collect(),
        Dtype::F32 => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
        Dtype::F16 => values.iter().flat_map(|v| half::f16::from_f32(*v).to_le_bytes()).collect(),
        Dtype::BF16 => values.iter().flat_map(|v| half::bf16::from_f32(*v).to_le_bytes()).collect(),
        // The upper half of F16.
        Dtype::F8_E5M2 => values.iter().map(|v| (half::f16::from_f32(*v).to_bits() >> 8) as u8).collect(),
        other => panic!("no test writes {other}"),
    }
}

pub fn numbers(dtype: Dtype, bytes: &[u8]) -> Vec<f64> {
    match dtype {
        Dtype::F64 => bytes.chunks(8).map(|w| f64::from_le_bytes(w.try_into().unwrap())).collect(),
        Dtype::F32 => bytes.chunks(4).map(|w| f32::from_le_bytes(w.try_into().unwrap()).into()).collect(),
        Dtype::F16 => {
            bytes.chunks(2).map(|w| half::f16::from_le_bytes(w.try_into().unwrap()).to_f64()).collect()
        }
        Dtype::BF16 => {
            bytes.chunks(2).map(|w| half::bf16::from_le_bytes(w.try_into().unwrap()).to_f64()).collect()
        }
        Dtype::F8_E5M2 => bytes.iter().map(|&b| half::f16::from_bits(u16::from(b) << 8).to_f64()).collect(),
        other => panic!("no test reads {other}"),
    }
}

/// The bytes of a file. Tensors stand in the given order; names may be anything, twice too.
pub fn file(tensors: &[Given], metadata: &[(String, String)]) -> Vec<u8> {
    let mut rows = Vec::new();
    if !metadata.is_empty() {
        let notes: Vec<String> =
            metadata.iter().map(|(k, v)| format!("{}:{}", quoted(k), quoted(v))).collect();
        rows.push(format!("\"__metadata__\":{{{}}}", notes.join(",")));
    }
    let mut at = 0;
    for Given { name, dtype, shape, bytes } in tensors {
        let (from, name) = (at, quoted(name));
        at += bytes.len();
        rows.push(format!(
            "{name}:{{\"dtype\":\"{dtype}\",\"shape\":{shape:?},\"data_offsets\":[{from},{at}]}}"
        ));
    }
    let json = format!("{{{}}}", rows.join(","));
    let mut file = [&(json.len() as u64).to_le_bytes()[..], json.as_bytes()].concat();
    tensors.iter().for_each(|tensor| file.extend(&tensor.bytes));
    file
}

/// A text in JSON, everything unusual escaped.
pub fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for unit in text.encode_utf16() {
        match u8::try_from(unit) {
            Ok(byte) if byte.is_ascii_graphic() && byte != b'"' && byte != b'\\' => quoted.push(byte.into()),
            _ => quoted.push_str(&format!("\\u{unit:04x}")),
        }
    }
    quoted + "\""
}

pub fn source(name: &str, tensors: &[Given], metadata: &[(String, String)]) -> MemorySource {
    MemorySource::new(name, file(tensors, metadata))
}

/// A module's update, and what its rounding errors are relative to.
pub struct Update {
    /// alpha/r · up · down.
    pub whole: DMatrix<f64>,
    /// The sizes of its directions added up: they may cancel each other, their errors do not.
    pub size: f64,
    /// ‖alpha/r · up‖, the size of the smallest changes of down.
    pub up: f64,
}

/// The update of a module in kohya's or PEFT's naming.
pub fn update(bytes: &[u8], stem: &str) -> Option<Update> {
    let tensors = SafeTensors::deserialize(bytes).unwrap();
    let find = |names: [&str; 2]| {
        names.iter().find_map(|name| tensors.tensor(&format!("{stem}.{name}.weight")).ok())
    };
    let (down, up) = (find(["lora_down", "lora_A"])?, find(["lora_up", "lora_B"])?);
    let (m, r) = (up.shape()[0], up.shape()[1]);
    let n = down.shape()[1..].iter().product();
    let alpha = tensors.tensor(&format!("{stem}.alpha")).ok().map(|t| numbers(t.dtype(), t.data())[0]);
    let scale = match alpha {
        Some(alpha) if alpha != 0.0 => alpha / r as f64,
        _ => 1.0,
    };
    let up = DMatrix::from_row_slice(m, r, &numbers(up.dtype(), up.data())) * scale;
    let down = DMatrix::from_row_slice(r, n, &numbers(down.dtype(), down.data()));
    let size = up.column_iter().zip(down.row_iter()).map(|(b, a)| b.norm() * a.norm()).sum();
    Some(Update { whole: &up * down, size, up: up.norm() })
}

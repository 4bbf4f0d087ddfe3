//! The compiled kernels.

use super::device::Device;
use crate::error::Result;

/// An entry point of a shader, compiled.
#[derive(Clone, Debug)]
pub(super) struct Kernel {
    pub(super) name: &'static str,
    pub(super) pipeline: wgpu::ComputePipeline,
    pub(super) layout: wgpu::BindGroupLayout,
}

/// Workers of a workgroup, in every kernel.
pub(super) const WORKERS: usize = 256;

/// The text of a file in `shaders/`, as the build script prepares it.
macro_rules! shader {
    ($file:literal) => {
        include_str!(concat!(env!("OUT_DIR"), "/", $file, ".wgsl"))
    };
}

macro_rules! pipelines {
    ($(#[$about:meta])* $name:ident { $($field:ident: $file:literal / $entry:literal,)* }) => {
        $(#[$about])*
        #[derive(Clone, Debug)]
        pub(super) struct $name {
            $(pub(super) $field: Kernel,)*
        }

        impl $name {
            /// Compiles these kernels.
            ///
            /// # Errors
            /// `GpuFault` if the device refuses one.
            pub(super) async fn compile(device: &Device) -> Result<Self> {
                device.checked(|| Self { $($field: compile(
                    &device.device,
                    $entry,
                    [shader!("shared"), shader!($file)].concat(),
                ),)* }).await
            }
        }
    };
}

pipelines! {
    /// The kernels that every batch needs, one pipeline per entry point in `shaders/`.
    Pipelines {
        decode: "decode" / "decode",
        take_out: "basis" / "take_out",
        factor: "basis" / "factor",
        apply: "basis" / "apply",
        panel: "basis" / "panel",
        normalise: "project" / "normalise",
        combine: "project" / "combine",
        blend: "project" / "blend",
        gram: "gram" / "gram",
        encode: "encode" / "encode",
    }
}

pipelines! {
    /// The kernels that decide which of the style's directions are protected, needed unless it is certain that all are.
    Deciding {
        core: "core" / "core",
        jacobi: "jacobi" / "jacobi",
        polish: "jacobi" / "polish",
        choose: "cut" / "choose",
        projector: "cut" / "projector",
    }
}

fn compile(device: &wgpu::Device, name: &'static str, text: String) -> Kernel {
    let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
        label: Some(name),
        source: wgpu::ShaderSource::Wgsl(text.into()),
    });
    let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: Some(name),
        layout: None,
        module: &module,
        entry_point: Some(name),
        compilation_options: wgpu::PipelineCompilationOptions::default(),
        cache: None,
    });
    Kernel { name, layout: pipeline.get_bind_group_layout(0), pipeline }
}

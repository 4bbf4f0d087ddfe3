//! One suite, two backends.

/// Runs every named function, which takes a backend, once with the CPU and once with the graphics device.
macro_rules! on_both {
    ($($name:ident)*) => {
        mod cpu {
            $(#[test]
            fn $name() {
                super::$name(&np_lora::backend::cpu::Cpu);
            })*
        }
        mod gpu {
            $(#[test]
            fn $name() {
                super::$name(&*crate::common::gpu());
            })*
        }
    };
}

pub(crate) use on_both;

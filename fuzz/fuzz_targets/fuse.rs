#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| np_lora_fuzz::fuse::check(bytes));

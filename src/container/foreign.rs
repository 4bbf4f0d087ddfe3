//! Recognises what a file that is not a safetensors file probably is, from its first bytes, to say so by name.

const PAGE: &str = "It is a web page, perhaps of a login or an error, that was saved in place of the file: download it again.";

/// (beginning of the file, what it is). Letters are compared without regard to case, after leading white space.
const BEGINNINGS: [(&[u8], &str); 20] = [
    (b"<!doctype", PAGE),
    (b"<html", PAGE),
    (
        b"<?xml",
        "It is an XML text, perhaps an error message that was saved in place of the file: download it again.",
    ),
    (
        b"version https://git-lfs",
        "It is a Git LFS pointer, which only stands for the file: download it itself, or run git lfs pull.",
    ),
    (
        b"pk\x03\x04",
        "It is a zip archive or a PyTorch checkpoint. The latter can run code, so it is not opened.",
    ),
    (b"\x80\x02", "It is a Python pickle. That can run code, so it is not opened."),
    (b"\x80\x03", "It is a Python pickle. That can run code, so it is not opened."),
    (b"\x80\x04", "It is a Python pickle. That can run code, so it is not opened."),
    (b"\x80\x05", "It is a Python pickle. That can run code, so it is not opened."),
    (b"gguf", "It is a GGUF model."),
    (b"\x89png", "It is a PNG picture."),
    (b"\xff\xd8\xff", "It is a JPEG picture."),
    (b"riff", "It is a WebP picture, a sound or a film."),
    (b"gif8", "It is a GIF picture."),
    (b"%pdf", "It is a PDF document."),
    (b"\x1f\x8b", "It is compressed with gzip: unpack it first."),
    (b"7z\xbc\xaf", "It is a 7z archive: unpack it first."),
    (b"rar!", "It is a RAR archive: unpack it first."),
    (b"\x28\xb5\x2f\xfd", "It is compressed with zstd: unpack it first."),
    (b"\x89hdf", "It is an HDF5 file."),
];

/// The format of a file that begins with `start`, if people mistake it for a LoRA. For other texts, the beginning (hostile text)
/// describes them best.
pub(super) fn recognise(start: &[u8]) -> Option<String> {
    let text = start.trim_ascii_start();
    let begins = |with: &[u8]| text.get(..with.len()).is_some_and(|head| head.eq_ignore_ascii_case(with));
    if let Some((_, what)) = BEGINNINGS.iter().find(|(with, _)| begins(with)) {
        return Some((*what).to_owned());
    }
    if begins(b"{") || begins(b"[") {
        let has = |word: &[u8]| text.windows(word.len()).any(|part| part == word);
        let what = if has(b"\"weight_map\"") {
            "It is the index of a model in several files, not a file with weights."
        } else {
            "It is a JSON text, perhaps an error message that was saved in place of the file: download it again."
        };
        return Some(what.to_owned());
    }
    first_line(text).map(|line| format!("It is a text that begins with {line:?}."))
}

/// The number of bytes of a text's first line that are shown to describe it.
const LINE: usize = 60;

/// The beginning of the first line, if these are the bytes of a text.
fn first_line(start: &[u8]) -> Option<&str> {
    // Fewer bytes than a length word has are not enough to tell.
    let head = start.get(..start.len().min(LINE)).filter(|head| head.len() >= 8)?;
    // The last letter may be cut in two.
    let whole = std::str::from_utf8(head).or_else(|error| {
        let cut = error.error_len().is_none();
        std::str::from_utf8(&head[..if cut { error.valid_up_to() } else { 0 }])
    });
    let text = whole.ok().filter(|text| !text.is_empty())?;
    let is_text = text.chars().all(|c| !c.is_control() || c.is_ascii_whitespace());
    if is_text { text.lines().next() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_beginnings_are_named() {
        for (start, word) in [
            (b"\n <!DOCTYPE html>".as_slice(), "web page"),
            (b"{\"error\":\"not found\"}", "JSON"),
            (b"{\n\"metadata\":{},\"weight_map\":{}}", "several files"),
            (b"PK\x03\x04....", "run code"),
            (b"\x80\x02}q", "run code"),
            (b"GGUF\x03", "GGUF"),
            (b"Access denied. Please log in.\nMore", "\"Access denied. Please log in.\""),
            ("\n# Ünder ".as_bytes(), "\"# Ünder \""),
        ] {
            assert!(recognise(start).is_some_and(|what| what.contains(word)), "{start:?}");
        }
        assert_eq!(recognise(b"\x40\0\0\0\0\0\0\0{\"a\""), None);
        assert_eq!(recognise(b""), None);
        assert_eq!(recognise(b"\xfftext"), None);
        let cut = [b"x".repeat(LINE - 1).as_slice(), "ü".as_bytes()].concat();
        assert!(recognise(&cut).is_some_and(|what| what.contains("xxx")));
    }
}

//! Understands a link to a file that a person has pasted.
//!
//! The address that is fetched is rebuilt from checked parts, so that it cannot mean one host here and another to a browser.

use crate::error::{Code, Error, Result};
use serde::{Deserialize, Serialize};
use std::fmt::Write;

/// The host of the Hugging Face Hub, and its short name.
const HUB: &str = "huggingface.co";
const HUB_SHORT: &str = "hf.co";
/// Sites that let no other page read their files.
const CIVITAI: [&str; 3] = ["civitai.com", "civitai.red", "civitai.green"];
/// On the Hub, the words before the names of repositories that are not models.
const KINDS: [&str; 2] = ["datasets", "spaces"];
/// On the Hub, the words between a repository and the revision of one of its files.
const FILE_VIEWS: [&str; 4] = ["blob", "resolve", "raw", "blame"];
/// On the Hub, the words at the same place in links to anything else.
const OTHER_VIEWS: [&str; 5] = ["tree", "commit", "commits", "discussions", "settings"];

/// A file on a server, as a person has named it. Nothing has been requested from the server yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// The address to fetch.
    pub url: String,
    /// The host in the address, with its port if that is not the default one.
    pub host: String,
    /// The file's name. Hostile text.
    pub name: String,
}

impl Link {
    /// Reads a link that a person has pasted: the address of a file on the Hugging Face Hub in any of its views, with or without
    /// `https://`; `owner/repo/file`; or an address on one of `hosts` (`example.org`, or an origin).
    ///
    /// # Errors
    /// `Link`, `LinkHost`, `LinkCivitai`, `LinkNotFile`.
    pub fn parse(text: &str, hosts: &[String]) -> Result<Self> {
        let text = text.trim();
        if text.is_empty() || text.contains(|c: char| c == '\\' || c.is_control()) {
            return Err(Error::new(Code::Link, ""));
        }
        let text = text.split('#').next().unwrap_or(text);
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme, rest)) => (Some(scheme.to_ascii_lowercase()), rest),
            None => (None, text),
        };
        let (place, query) = rest.split_once('?').map_or((rest, None), |(place, query)| (place, Some(query)));
        let (authority, path) = place.split_once('/').unwrap_or((place, ""));
        let host = Host::new(scheme.as_deref(), authority);
        let Some(host) = host else {
            return Err(Error::new(Code::Link, "Only addresses that begin with https:// are loaded."));
        };
        if host.is(&CIVITAI) {
            return Err(Error::new(Code::LinkCivitai, ""));
        }
        if host.is(&[HUB, HUB_SHORT]) {
            return on_hub(path);
        }
        if hosts.iter().any(|entry| Host::listed(entry).as_ref() == Some(&host)) {
            return elsewhere(&host, path, query);
        }
        // A first part with a dot is a host name: owners on the Hub have no dot.
        if scheme.is_some() || host.name.contains(['.', ':']) {
            return Err(match path {
                "" if scheme.is_none() => Error::new(Code::Link, ""),
                _ => Error::new(Code::LinkHost, format!("It is {}.", host.name)),
            });
        }
        if path.is_empty() { Err(Error::new(Code::Link, "")) } else { on_hub(place) }
    }

    /// The link to another file in the same folder and revision. The query is kept, because on some hosts it names the revision or
    /// grants access.
    #[must_use]
    pub fn beside(&self, name: &str) -> Self {
        let (place, query) =
            self.url.split_once('?').map_or((&*self.url, None), |(place, query)| (place, Some(query)));
        let folder = place.rfind('/').map_or(place, |end| place.get(..=end).unwrap_or(place));
        let mut url = format!("{folder}{}", escaped(name));
        if let Some(query) = query {
            url.push('?');
            url.push_str(query);
        }
        Self { url, host: self.host.clone(), name: name.to_owned() }
    }
}

/// The host that a link leads to.
#[derive(Debug, PartialEq, Eq)]
struct Host {
    scheme: &'static str,
    /// The host's name, with its port unless that is the scheme's default.
    name: String,
}

impl Host {
    /// The host of an address; `None` if the scheme is not a safe one or the name is not a host name.
    fn new(scheme: Option<&str>, authority: &str) -> Option<Self> {
        let name = authority.to_ascii_lowercase();
        let (bare, port) = name.split_once(':').map_or((&*name, ""), |(bare, port)| (bare, port));
        let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        if bare.is_empty() || !bare.chars().all(known) || !port.chars().all(|c| c.is_ascii_digit()) {
            return None;
        }
        let scheme = match scheme {
            None | Some("https") => "https",
            // Nobody can listen in on a connection to this machine itself; browsers treat it as safe, too.
            Some("http") if matches!(bare, "127.0.0.1" | "localhost") => "http",
            Some(_) => return None,
        };
        let usual = if scheme == "https" { "443" } else { "80" };
        let name = if port.is_empty() || port == usual { bare.to_owned() } else { name };
        Some(Self { scheme, name })
    }

    /// A host from a list, given as an origin or a name.
    fn listed(entry: &str) -> Option<Self> {
        let entry = entry.trim().trim_end_matches('/');
        match entry.split_once("://") {
            Some((scheme, authority)) => Self::new(Some(&scheme.to_ascii_lowercase()), authority),
            None => Self::new(None, entry),
        }
    }

    /// Whether the host is one of these sites or a subdomain of one.
    fn is(&self, sites: &[&str]) -> bool {
        self.scheme == "https"
            && sites.iter().any(|site| {
                self.name.strip_suffix(site).is_some_and(|before| before.is_empty() || before == "www.")
            })
    }
}

fn elsewhere(host: &Host, path: &str, query: Option<&str>) -> Result<Link> {
    let name = path.rsplit('/').next().unwrap_or_default();
    if name.is_empty() {
        return Err(Error::new(Code::LinkNotFile, ""));
    }
    let mut url = format!("{}://{}/{}", host.scheme, host.name, escaped(path));
    if let Some(query) = query {
        url.push('?');
        url.push_str(&escaped(query));
    }
    Ok(Link { url, host: host.name.clone(), name: unescaped(name) })
}

/// The file at a path on the Hub: `[kind/][owner/]repo/view/revision/file`, or without view and revision.
fn on_hub(path: &str) -> Result<Link> {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    if parts.iter().any(|part| matches!(unescaped(part).as_str(), "." | "..")) {
        return Err(Error::new(Code::Link, ""));
    }
    let kind = usize::from(parts.first().is_some_and(|first| KINDS.contains(first)));
    let is = |at: usize, views: &[&str]| parts.get(at).is_some_and(|part| views.contains(part));
    // Some old models have no owner.
    let at = [kind + 1, kind + 2].into_iter().find(|&at| is(at, &FILE_VIEWS) || is(at, &OTHER_VIEWS));
    let (repo, revision, file) = match at {
        Some(at) if is(at, &FILE_VIEWS) => (parts.get(..at), parts.get(at + 1).copied(), parts.get(at + 2..)),
        Some(_) => (None, None, None),
        None => (parts.get(..kind + 2), Some("main"), parts.get(kind + 2..)),
    };
    match (repo, revision, file) {
        (Some(repo), Some(revision), Some(file @ [.., name])) => {
            let path = escaped(&format!("{}/resolve/{revision}/{}", repo.join("/"), file.join("/")));
            let url = format!("https://{HUB}/{path}");
            Ok(Link { url, host: HUB.to_owned(), name: unescaped(name) })
        }
        _ => Err(Error::new(Code::LinkNotFile, "")),
    }
}

/// Percent-encodes everything that may not stand in an address by itself; existing escapes are kept.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for &byte in text.as_bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/%?".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

fn unescaped(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let digits = after.get(..2).filter(|hex| byte == b'%' && hex.iter().all(u8::is_ascii_hexdigit));
        let code = digits.and_then(|hex| std::str::from_utf8(hex).ok());
        match code.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: &str = "https://huggingface.co/ann/cat-lora/resolve/main/cat.safetensors";

    fn parse(text: &str) -> Result<Link> {
        Link::parse(text, &["models.example.org".into(), "http://127.0.0.1:4336/".into()])
    }

    #[test]
    fn every_way_to_say_it_is_one_address() {
        for text in [
            HERE,
            "https://huggingface.co/ann/cat-lora/blob/main/cat.safetensors",
            "https://huggingface.co/ann/cat-lora/raw/main/cat.safetensors",
            "https://huggingface.co/ann/cat-lora/resolve/main/cat.safetensors?download=true",
            " HTTPS://HuggingFace.co:443/ann/cat-lora/blob/main/cat.safetensors#L1 \n",
            "https://www.huggingface.co/ann/cat-lora/blob/main/cat.safetensors",
            "https://hf.co/ann/cat-lora/blob/main/cat.safetensors",
            "huggingface.co/ann/cat-lora/blob/main/cat.safetensors",
            "https://huggingface.co/ann/cat-lora/cat.safetensors",
            "ann/cat-lora/cat.safetensors",
            "ann/cat-lora/cat.safetensors?download=true",
            "ann/cat-lora/blob/main/cat.safetensors",
        ] {
            let link = parse(text).unwrap();
            assert_eq!(
                (&*link.url, &*link.host, &*link.name),
                (HERE, "huggingface.co", "cat.safetensors"),
                "{text}"
            );
        }
    }

    #[test]
    fn a_name_is_unescaped_by_two_digits_alone() {
        for (escaped, name) in
            [("a%2Bb", "a+b"), ("a%+fb", "a%+fb"), ("a%4", "a%4"), ("a%zz", "a%zz"), ("%C3%A4", "ä")]
        {
            assert_eq!(unescaped(escaped), name);
        }
    }

    #[test]
    fn folders_revisions_and_odd_names_are_kept() {
        for (text, path, name) in [
            (
                "a/b/blob/refs%2Fpr%2F3/x/y.safetensors",
                "a/b/resolve/refs%2Fpr%2F3/x/y.safetensors",
                "y.safetensors",
            ),
            ("a/b/sub/y.safetensors", "a/b/resolve/main/sub/y.safetensors", "y.safetensors"),
            (
                "a/b/blob/main/my%20cat.safetensors",
                "a/b/resolve/main/my%20cat.safetensors",
                "my cat.safetensors",
            ),
            ("a/b/my cat.safetensors", "a/b/resolve/main/my%20cat.safetensors", "my cat.safetensors"),
            (
                "a/b/blob/main/ü\"<.safetensors",
                "a/b/resolve/main/%C3%BC%22%3C.safetensors",
                "ü\"<.safetensors",
            ),
            ("a/b/blob/main/50%.safetensors", "a/b/resolve/main/50%.safetensors", "50%.safetensors"),
            ("datasets/a/b/blob/v1/y.safetensors", "datasets/a/b/resolve/v1/y.safetensors", "y.safetensors"),
            (
                "https://huggingface.co/old/blob/main/y.safetensors",
                "old/resolve/main/y.safetensors",
                "y.safetensors",
            ),
        ] {
            let link = parse(text).unwrap();
            assert_eq!((link.url, &*link.name), (format!("https://huggingface.co/{path}"), name), "{text}");
        }
    }

    #[test]
    fn other_hosts_are_loaded_from_where_the_page_names_them() {
        for (text, url, host) in [
            (
                "https://models.example.org/a/b.safetensors?key=1#x",
                "https://models.example.org/a/b.safetensors?key=1",
                "models.example.org",
            ),
            (
                "models.example.org/a/b.safetensors",
                "https://models.example.org/a/b.safetensors",
                "models.example.org",
            ),
            ("http://127.0.0.1:4336/b.safetensors", "http://127.0.0.1:4336/b.safetensors", "127.0.0.1:4336"),
        ] {
            let link = parse(text).unwrap();
            assert_eq!((&*link.url, &*link.host, &*link.name), (url, host, "b.safetensors"));
        }
    }

    #[test]
    fn a_file_beside_another_is_of_the_same_folder_and_revision() {
        for (text, url) in [
            ("ann/cat/cat.safetensors", "https://huggingface.co/ann/cat/resolve/main/x.json"),
            (
                "a/b/blob/refs%2Fpr%2F3/x/y.safetensors",
                "https://huggingface.co/a/b/resolve/refs%2Fpr%2F3/x/x.json",
            ),
            ("https://models.example.org/b.safetensors?key=1/2", "https://models.example.org/x.json?key=1/2"),
        ] {
            let link = parse(text).unwrap();
            let beside = link.beside("x.json");
            assert_eq!((&*beside.url, &beside.host, &*beside.name), (url, &link.host, "x.json"));
        }
    }

    #[test]
    fn what_cannot_be_loaded_is_told_apart() {
        for (text, code) in [
            ("", Code::Link),
            ("cat", Code::Link),
            ("cat.safetensors", Code::Link),
            ("javascript:alert(1)//x/y/z", Code::Link),
            ("file:///etc/passwd", Code::Link),
            ("http://huggingface.co/ann/cat/blob/main/x.safetensors", Code::Link),
            ("https://huggingface.co\\@evil.example/a/b/c", Code::Link),
            ("https://huggingface.co@evil.example/a/b/c", Code::Link),
            ("https://user:word@huggingface.co/a/b/c", Code::Link),
            ("https://huggingface.co/a/b/resolve/main/../../x", Code::Link),
            ("https://huggingface.co/a/b/resolve/main/%2e%2E/x", Code::Link),
            ("https://example.com/x.safetensors", Code::LinkHost),
            ("example.com/a/b/x.safetensors", Code::LinkHost),
            ("https://huggingface.co.evil.example/a/b/c", Code::LinkHost),
            ("https://evilhuggingface.co/a/b/c", Code::LinkHost),
            ("https://models.example.org:8443/x.safetensors", Code::LinkHost),
            ("http://127.0.0.1:4337/x.safetensors", Code::LinkHost),
            ("https://127.0.0.1:4336/x.safetensors", Code::LinkHost),
            ("https://civitai.com/models/1/x?modelVersionId=2", Code::LinkCivitai),
            ("https://civitai.com/api/download/models/2", Code::LinkCivitai),
            ("www.civitai.com/models/1", Code::LinkCivitai),
            ("https://huggingface.co/ann/cat-lora", Code::LinkNotFile),
            ("https://huggingface.co/ann/cat-lora/tree/main", Code::LinkNotFile),
            ("https://huggingface.co/ann/cat-lora/resolve/main/", Code::LinkNotFile),
            ("ann/cat-lora", Code::LinkNotFile),
            ("https://models.example.org/", Code::LinkNotFile),
        ] {
            assert_eq!(parse(text).unwrap_err().code, code, "{text}");
        }
    }

    #[test]
    fn no_text_breaks_it_or_leaves_the_hosts() {
        let pieces = [
            "https://",
            "huggingface.co",
            "@",
            "\\",
            "/",
            "..",
            "%2f",
            "%",
            "?",
            "#",
            ":",
            "evil.example",
            "ü",
            "\u{0}",
            "a",
        ];
        let mut state = 7u32;
        for _ in 0..20_000 {
            let text: String = (0..8)
                .map(|_| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    pieces[(state >> 16) as usize % pieces.len()]
                })
                .collect();
            if let Ok(link) = parse(&text) {
                let rest = link.url.strip_prefix("https://huggingface.co/").unwrap();
                assert!(
                    rest.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\' && byte != b'#'),
                    "{text:?}"
                );
            }
        }
    }
}

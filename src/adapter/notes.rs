//! What a file's metadata says in words: titles and trigger words.

use super::Adapter;
use crate::order;
use serde::de::{Deserializer, MapAccess, Visitor};
use std::collections::BTreeMap;
use std::fmt;

/// Metadata keys that hold a file's title; the first one that is not empty counts.
const TITLES: [&str; 2] = ["modelspec.title", "ss_output_name"];

impl Adapter {
    /// The title in the file's metadata.
    pub(crate) fn title(&self) -> Option<&str> {
        let notes = TITLES.map(|key| self.metadata.get(key));
        notes.into_iter().flatten().map(|title| title.trim()).find(|title| !title.is_empty())
    }

    /// All names of the file, from its metadata and its file name, in lower case.
    pub(crate) fn names(&self) -> Vec<String> {
        let notes = TITLES.map(|key| self.metadata.get(key));
        notes.into_iter().flatten().chain([&self.name]).map(|name| name.to_ascii_lowercase()).collect()
    }
}

/// The most tags that are taken for trigger words.
const TAGS: usize = 8;

/// The most words that are taken of a phrase: nobody writes that many, and the work on them grows with their square.
const WORDS: usize = 64;

/// The most parts of a phrase that are looked at, since it may have as many as a header has bytes.
const PARTS: usize = 16 * WORDS;

/// A tag is a trigger word if it occurs in at least this share of the captions in which the most common tag occurs.
const COMMON: f64 = 0.9;

/// The trigger phrase if the file has one, else the words that occur in (nearly) every caption of its training set.
pub(super) fn trigger_words(metadata: &BTreeMap<String, String>) -> Vec<String> {
    let words: Vec<String> = match metadata.get("modelspec.trigger_phrase") {
        Some(phrase) => phrase.split(',').take(PARTS).map(str::to_owned).collect(),
        None => metadata.get("ss_tag_frequency").map(|json| common_tags(json)).unwrap_or_default(),
    };
    let words = words.into_iter().map(|word| word.trim().to_owned()).filter(|word| !word.is_empty());
    words.take(WORDS).collect()
}

/// The most common tags of kohya's table, `{folder: {tag: count}}`; empty if the table has another form.
fn common_tags(json: &str) -> Vec<String> {
    let mut reader = serde_json::Deserializer::from_str(json);
    let mut tags = Common::default();
    let read = reader.deserialize_map(Folders(&mut tags)).and_then(|()| reader.end());
    if read.is_ok() { tags.finish().into_iter().map(|(tag, _)| tag).collect() } else { Vec::new() }
}

/// Collects tags while they are read and keeps only those that may be among the most common, because a table may be as large as a header.
#[derive(Default)]
struct Common(Vec<(String, f64)>);

impl Common {
    fn add(&mut self, tag: String, count: f64) {
        self.0.push((tag, count));
        if self.0.len() == 64 * TAGS {
            self.narrow();
        }
    }

    fn narrow(&mut self) {
        order::sort_by(&mut self.0, |a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        let most = self.0.first().map_or(0.0, |(_, count)| *count);
        self.0.truncate(TAGS);
        self.0.retain(|(_, count)| *count >= COMMON * most);
    }

    fn finish(mut self) -> Vec<(String, f64)> {
        self.narrow();
        self.0
    }
}

struct Folders<'a>(&'a mut Common);

struct Tags<'a>(&'a mut Common);

impl<'de> Visitor<'de> for Folders<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("folders")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while map.next_key::<serde::de::IgnoredAny>()?.is_some() {
            map.next_value_seed(Tags(self.0))?;
        }
        Ok(())
    }
}

impl<'de> serde::de::DeserializeSeed<'de> for Tags<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Tags<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("tags and their counts")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some((tag, count)) = map.next_entry()? {
            self.0.add(tag, count);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(key: &str, text: &str) -> Vec<String> {
        trigger_words(&BTreeMap::from([(key.to_owned(), text.to_owned())]))
    }

    #[test]
    fn tags_of_nearly_every_caption_are_trigger_words() {
        let tags = r#"{"10_a":{"sks dog":20,"grass":3," ":20,"run\u002c jump":18},"5_b":{"ink":19}}"#;
        assert_eq!(words("ss_tag_frequency", tags), ["sks dog", "ink", "run, jump"]);
        assert_eq!(words("modelspec.trigger_phrase", " sks dog, ,ink"), ["sks dog", "ink"]);
        let endless: Vec<String> = (0..1000).map(|at| format!("word {at}")).collect();
        assert_eq!(words("modelspec.trigger_phrase", &endless.join(",")), endless[..WORDS]);
    }

    #[test]
    fn the_most_common_are_found_wherever_they_stand_in_a_long_table() {
        let tags: Vec<String> = (0..5000).map(|at| format!("\"t{at:04}\":{}", (at * 7919) % 5000)).collect();
        let words = words("ss_tag_frequency", &format!("{{\"a\":{{{}}}}}", tags.join(",")));
        assert_eq!(words.len(), TAGS);
        // 7919·a ≡ 4999, 4998 … (mod 5000)
        let expected: Vec<String> = (1..=TAGS)
            .map(|at| format!("t{:04}", (0..5000).find(|a| a * 7919 % 5000 == 5000 - at).unwrap()))
            .collect();
        assert_eq!(words, expected);
    }

    #[test]
    fn of_a_phrase_only_so_much_is_looked_at() {
        let of = |phrase: &str| words("modelspec.trigger_phrase", phrase);
        assert_eq!(of(" cat ,, black cat,"), ["cat", "black cat"]);
        assert_eq!(of(&format!("cat{}dog", ",".repeat(PARTS))), ["cat"]);
        assert_eq!(of(&"cat,".repeat(PARTS)).len(), WORDS);
    }

    #[test]
    fn what_is_no_table_says_nothing() {
        for text in [
            "",
            "[]",
            "{\"a\":1}",
            "{\"a\":{\"b\":\"c\"}}",
            "{\"a\":{\"b\":1}",
            "{\"a\":{\"b\":1}} x",
            "{\"a\":{\"b\":null}}",
        ] {
            assert_eq!(words("ss_tag_frequency", text), [""; 0], "{text}");
        }
    }
}

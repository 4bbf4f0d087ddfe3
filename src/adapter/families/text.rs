//! The language of the family files: how their lines expand into modules.
//!
//! The head of a file consists of lines with a keyword and a value:
//!
//! - `name`: what users call the family.
//! - `notes`, `architecture`: beginnings of `ss_base_model_version` and `modelspec.architecture` in its files.
//! - `writes <key>=<value> …`: metadata of results where the files have none.
//! - `schemes`: the namings it has (`scheme.rs`), the one that most programs load first; `split`: the one without fused layers
//!   that most programs load too.
//! - `loads <program> …`: what programs load (`programs.rs`); `unread <scheme>=<component> …`: what none does.
//! - `interleaved`: an ending of names in PEFT's raw spelling whose rows have another order than the model's.
//! - `told`: a note by which programs tell it from a family whose files may have the same layers (A1111).
//! - `network`: sd-scripts' module, where it is a special one. `stages high low`: LoRAs come in pairs of files for the noisy and
//!   the clean half of the steps.
//! - `denoiser <component>` and `encoder <component> <ComfyUI's place> <kohya's prefixes> <what users call it>` open the blocks of
//!   a model's layers.
//!
//! A block is the lines that are indented further than the line that opens it.
//!
//! - `at <diffusers> [= <native>] [as <label>] [for <loop> …]`: a prefix for both namings of all modules in its block,
//!   once for every turn of the loops. A loop is `i=0..19` or `b,c=0:320,1:640` (b and c together).
//! - `<size> <name> … [= <native> [<alias> …]]`: modules by their names in diffusers. With `=`, what stands left of it is
//!   stacked by rows, in that order, into the native layer; without, native names are the same. A size is
//!   out`x`in, or out`x`in`x`kh`x`kw for a convolution (kernel 0: linear), and holds for the names up to the next size.
//!   `~` behind a name: the native layer has the two halves of its rows swapped.
//! - `also <alias> … = <name> …`: further names for modules above, stacked by rows.
//! - `use <part> [<variable>=<number> …]`: the lines of a part, with these variables.
//!
//! Numbers are sums like `3b+i+1` of terms like `3b`; in names they stand in braces, and `{i:2}` is padded to two digits.

use super::table::{Builder, Size};

/// Copies the lines that are not comments, as far as there is room, and returns the number of bytes copied. A comment is a line of
/// its own that begins with `#`.
pub(super) const fn copy(text: &str, into: &mut [u8]) -> usize {
    let text = text.as_bytes();
    let (mut start, mut copied) = (0, 0);
    while start < text.len() {
        let mut says = start;
        while says < text.len() && matches!(text[says], b' ' | b'\t' | b'\r') {
            says += 1;
        }
        let is_said = says < text.len() && text[says] != b'#' && text[says] != b'\n';
        loop {
            if is_said && copied < into.len() {
                into[copied] = text[start];
            }
            copied += is_said as usize;
            start += 1;
            if start >= text.len() || text[start - 1] == b'\n' {
                break;
            }
        }
    }
    copied
}

/// A line without its indentation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line<'a> {
    /// The width of the line's indentation.
    pub(super) indent: usize,
    /// The line's text.
    pub(super) text: &'a str,
}

/// What is wrong with a family file. Only tests see such faults: the files are part of the program.
pub(super) type Fault = String;

/// The lines of a text that [`copy`] prepared.
pub(super) fn lines(text: &str) -> Vec<Line<'_>> {
    text.lines()
        .map(|text| Line { indent: text.len() - text.trim_start().len(), text: text.trim() })
        .collect()
}

/// The lines after `at` that belong to its block.
pub(super) fn block<'a, 'b>(lines: &'b [Line<'a>], at: usize) -> &'b [Line<'a>] {
    let rest = lines.get(at + 1..).unwrap_or_default();
    let indent = lines.get(at).map_or(0, |line| line.indent);
    &rest[..rest.iter().take_while(|line| line.indent > indent).count()]
}

/// The values of loop variables, the innermost loop's last.
type Env<'a> = Vec<(&'a str, usize)>;

/// The prefixes under which a block's names stand.
#[derive(Clone, Debug, Default)]
pub(super) struct Place<'a> {
    canonical: String,
    native: String,
    label: Option<String>,
    env: Env<'a>,
}

/// Expands a block into `table`. `part` finds a shared part by its name.
pub(super) fn expand<'a>(
    lines: &[Line<'a>],
    place: &Place<'a>,
    part: &impl Fn(&str) -> Option<Vec<Line<'a>>>,
    table: &mut Builder,
) -> Result<(), Fault> {
    let mut at = 0;
    while let Some(line) = lines.get(at) {
        let inner = block(lines, at);
        let (word, rest) = line.text.split_once(' ').unwrap_or((line.text, ""));
        let done = match word {
            "at" => places(rest, place)
                .and_then(|places| places.iter().try_for_each(|place| expand(inner, place, part, table))),
            "use" => {
                let mut words = rest.split_whitespace();
                let name = words.next().unwrap_or_default();
                let mut within = place.clone();
                words
                    .try_for_each(|word| {
                        let (variable, number) = word.split_once('=').ok_or("a variable without a value")?;
                        within.env.push((variable, sum(number, &place.env)?));
                        Ok(())
                    })
                    .and_then(|()| {
                        let lines = part(name).ok_or_else(|| format!("no part {name}"))?;
                        expand(&lines, &within, part, table)
                    })
            }
            "also" => also(rest, place, table),
            _ => modules(line.text, place, table),
        };
        done.map_err(|fault| format!("{}\n  {fault}", line.text))?;
        at += 1 + inner.len();
    }
    Ok(())
}

/// The places that an `at` line opens, one for every turn of its loops.
fn places<'a>(text: &'a str, outer: &Place<'a>) -> Result<Vec<Place<'a>>, Fault> {
    let mut words: [Vec<&str>; 4] = Default::default();
    let mut field = 0;
    for word in text.split_whitespace() {
        match ["=", "as", "for"].iter().position(|keyword| *keyword == word) {
            Some(keyword) if keyword >= field => field = keyword + 1,
            _ => words[field].push(word),
        }
    }
    let [canonical, native, label, loops] = words;
    let canonical = canonical.concat();
    let native = if native.is_empty() { canonical.clone() } else { native.concat() };
    let mut envs = vec![outer.env.clone()];
    for turns in loops {
        envs = envs.iter().map(|env| turn(turns, env)).collect::<Result<Vec<_>, Fault>>()?.concat();
    }
    envs.into_iter()
        .map(|env| {
            Ok(Place {
                canonical: join(&outer.canonical, &fill(&canonical, &env)?),
                native: join(&outer.native, &fill(&native, &env)?),
                label: match label.is_empty() {
                    true => outer.label.clone(),
                    false => Some(fill(&label.join(" "), &env)?),
                },
                env,
            })
        })
        .collect()
}

/// The variables in every turn of one loop.
fn turn<'a>(text: &'a str, outer: &Env<'a>) -> Result<Vec<Env<'a>>, Fault> {
    let (names, values) = text.split_once('=').ok_or("a loop without values")?;
    let with = |values: Vec<usize>| {
        if names.split(',').count() != values.len() {
            return Err("as many values as variables are needed".to_owned());
        }
        let mut env = outer.clone();
        env.extend(names.split(',').zip(values));
        Ok(env)
    };
    if let Some((from, to)) = values.split_once("..") {
        return (sum(from, outer)?..sum(to, outer)?).map(|value| with(vec![value])).collect();
    }
    values
        .split(',')
        .map(|tuple| with(tuple.split(':').map(|value| sum(value, outer)).collect::<Result<_, _>>()?))
        .collect()
}

/// Adds the modules of one line to `table`.
fn modules(text: &str, place: &Place<'_>, table: &mut Builder) -> Result<(), Fault> {
    let (left, right) = text.split_once(" = ").map_or((text, None), |(left, right)| (left, Some(right)));
    let mut at: Option<Size> = None;
    let mut parts = Vec::new();
    for word in left.split_whitespace() {
        if word.contains('x') && !word.contains(['_', '.']) {
            at = Some(size(word, &place.env)?);
            continue;
        }
        let (name, swapped) = word.strip_suffix('~').map_or((word, false), |name| (name, true));
        let size = at.ok_or("a name before any size")?;
        let path = join(&place.canonical, &fill(name, &place.env)?);
        let module = table.module(path, size, place.label.as_deref(), swapped);
        parts.push(module);
        if right.is_none() {
            table.native(&join(&place.native, &fill(name, &place.env)?), vec![module])?;
        }
    }
    let mut names = right.unwrap_or_default().split_whitespace();
    if let Some(native) = names.next() {
        table.native(&join(&place.native, &fill(native, &place.env)?), parts.clone())?;
        names.try_for_each(|alias| name_too(alias, &parts, place, table))?;
    }
    Ok(())
}

/// Adds the names of one `also` line to `table`.
fn also(text: &str, place: &Place<'_>, table: &mut Builder) -> Result<(), Fault> {
    let (aliases, names) = text.split_once(" = ").ok_or("no = ")?;
    let parts = names
        .split_whitespace()
        .map(|name| {
            let path = join(&place.canonical, &fill(name, &place.env)?);
            table.find(&path).ok_or_else(|| format!("no module {path}"))
        })
        .collect::<Result<Vec<_>, Fault>>()?;
    aliases.split_whitespace().try_for_each(|alias| name_too(alias, &parts, place, table))
}

/// Adds one more name for `parts`, under the canonical and under the native prefix.
fn name_too(alias: &str, parts: &[usize], place: &Place<'_>, table: &mut Builder) -> Result<(), Fault> {
    let alias = fill(alias, &place.env)?;
    for prefix in [&place.canonical, &place.native] {
        table.alias(&join(prefix, &alias), parts)?;
    }
    Ok(())
}

fn size(text: &str, env: &Env<'_>) -> Result<Size, Fault> {
    let numbers = text.split('x').map(|number| sum(number, env)).collect::<Result<Vec<_>, _>>()?;
    match numbers[..] {
        [out, inputs] | [out, inputs, 0, 0] => Ok(Size { out, inputs, kernel: None }),
        [out, inputs, kh, kw] => Ok(Size { out, inputs, kernel: Some([kh, kw]) }),
        _ => Err(format!("no size {text}")),
    }
}

/// The value of a sum such as `3b+i+1`.
fn sum(text: &str, env: &Env<'_>) -> Result<usize, Fault> {
    text.split('+')
        .map(|term| {
            let digits = term.len() - term.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            let (factor, variable) = term.split_at(digits);
            let value = match env.iter().rev().find(|(name, _)| *name == variable) {
                Some((_, value)) => *value,
                None if variable.is_empty() && digits > 0 => 1,
                None => return Err(format!("no number {term:?}")),
            };
            let factor = if digits == 0 { Ok(1) } else { factor.parse::<usize>() };
            factor.map(|factor| factor * value).map_err(|fault| fault.to_string())
        })
        .sum()
}

/// The text with the expressions in its braces replaced by their values.
fn fill(text: &str, env: &Env<'_>) -> Result<String, Fault> {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let (inner, after) = after.split_once('}').ok_or("an open brace")?;
        let (number, width) = inner.split_once(':').unwrap_or((inner, "1"));
        let width = width.parse::<usize>().map_err(|fault| fault.to_string())?;
        filled = format!("{filled}{before}{:0width$}", sum(number, env)?);
        rest = after;
    }
    Ok(filled + rest)
}

fn join(prefix: &str, name: &str) -> String {
    let dot = if prefix.is_empty() || name.is_empty() { "" } else { "." };
    format!("{prefix}{dot}{name}")
}

//! Words that occur nowhere else, and how they are found again wherever they are told.

use std::fmt::Write as _;

use memchr::{memchr, memmem, memrchr};
use rand_core::RngCore as _;

use crate::trial::Trial;

/// What is shown of a line in which one was found. Characters.
const SHOWN: usize = 300;

/// A word that occurs nowhere else.
pub(super) struct Canary {
    pub(super) what: &'static str,
    pub(super) word: String,
}

/// Text in which words are looked for.
pub(super) struct Text<'a> {
    whole: &'a [u8],
    /// The same with one space for all that may stand between the numbers of a list.
    squeezed: Vec<u8>,
}

impl<'a> Text<'a> {
    pub(super) fn new(whole: &'a [u8]) -> Self {
        let mut squeezed = Vec::with_capacity(whole.len());
        for byte in whole {
            let is_between = *byte == b',' || byte.is_ascii_whitespace();
            if !is_between {
                squeezed.push(*byte);
            } else if squeezed.last() != Some(&b' ') {
                squeezed.push(b' ');
            }
        }
        Self { whole, squeezed }
    }
}

impl Canary {
    pub(super) fn new(trial: &Trial, what: &'static str) -> Self {
        let mut random = trial.random(what);
        // Whatever stands before it, the first 24 characters of it in base64 are the same only if
        // it stands first; so it is long enough to be found from each of its first three letters.
        let word = format!("canary{:016x}{:016x}", random.next_u64(), random.next_u64());
        Self { what, word }
    }

    /// How it is written in the text, and where, if it is there.
    pub(super) fn found_in(&self, text: &Text<'_>) -> Option<(&'static str, String)> {
        let words = self.words().into_iter().map(|(name, form)| (name, form, text.whole));
        let lists = self.lists().into_iter().map(|(name, form)| (name, form, &*text.squeezed));
        words.chain(lists).find_map(|(name, form, place)| {
            Some((name, line_at(place, memmem::find(place, &form)?)))
        })
    }

    /// How it may be written in one piece, with the name of each way.
    fn words(&self) -> Vec<(&'static str, Vec<u8>)> {
        let bytes = self.word.as_bytes();
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut words = vec![
            ("as text", self.word.clone().into_bytes()),
            ("in hex", hex.to_uppercase().into_bytes()),
            ("in hex", hex.into_bytes()),
        ];
        for skipped in 0..3 {
            words.push(("in base64", base64(&bytes[skipped..skipped + 24])));
        }
        words
    }

    /// The same as a list of numbers with a space between them.
    fn lists(&self) -> [(&'static str, Vec<u8>); 4] {
        let list = |write: fn(&mut String, u8) -> std::fmt::Result| {
            let mut list = String::new();
            for byte in self.word.bytes() {
                write(&mut list, byte).expect("a string grows");
                list.push(' ');
            }
            list.trim_end().as_bytes().to_vec()
        };
        [
            ("as numbers", list(|list, byte| write!(list, "{byte}"))),
            ("in hex", list(|list, byte| write!(list, "{byte:02x}"))),
            ("in hex", list(|list, byte| write!(list, "{byte:02X}"))),
            ("in hex", list(|list, byte| write!(list, "{byte:#04x}"))),
        ]
    }
}

/// The line in which this place is.
fn line_at(text: &[u8], place: usize) -> String {
    let (before, after) = text.split_at(place);
    let begin = memrchr(b'\n', before).map_or(0, |end| end + 1);
    let end = place + memchr(b'\n', after).unwrap_or(after.len());
    // What was squeezed has no lines.
    let begin = begin.max(place.saturating_sub(SHOWN / 2));
    String::from_utf8_lossy(&text[begin..end]).chars().take(SHOWN).collect()
}

/// The beginning of what stands for these bytes, whose number is a multiple of three.
fn base64(bytes: &[u8]) -> Vec<u8> {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    bytes
        .chunks_exact(3)
        .flat_map(|chunk| {
            let bits = chunk.iter().fold(0_usize, |bits, byte| bits << 8 | usize::from(*byte));
            [18, 12, 6, 0].map(|shift| LETTERS[bits >> shift & 63])
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_written_as_by_others() {
        assert_eq!(base64(b"canary0123456789abcdef00"), b"Y2FuYXJ5MDEyMzQ1Njc4OWFiY2RlZjAw");
    }

    #[test]
    fn a_word_is_found_however_it_is_written() {
        let canary =
            Canary { what: "payload", word: "canary0123456789abcdef0123456789abcdef".into() };
        let found = |text: &str| {
            let text = format!("before\n{text}\nafter");
            canary.found_in(&Text::new(text.as_bytes())).map(|(name, _)| name)
        };
        let bytes = canary.word.as_bytes();
        let spaced = |pad: fn(&u8) -> String| bytes.iter().map(pad).collect::<Vec<_>>().join(" ");
        assert_eq!(found(&format!("a {} b", canary.word)), Some("as text"));
        assert_eq!(found(&format!("{bytes:?}")), Some("as numbers"), "Rust");
        assert_eq!(found(&format!("{bytes:#?}")), Some("as numbers"), "Rust, on many lines");
        assert_eq!(found(&format!("[{}]", spaced(u8::to_string))), Some("as numbers"), "Go");
        let node = spaced(|byte| format!("{byte:02x}"));
        assert_eq!(found(&format!("<Buffer {node}>")), Some("in hex"), "Node");
        let java = spaced(|byte| format!("{byte:#04x}")).replace(' ', ", ");
        assert_eq!(found(&java), Some("in hex"));
        assert_eq!(found(&canary.word[..20]), None);
    }

    #[test]
    fn the_line_is_shown_in_which_it_stands() {
        let word = "canary0123456789abcdef0123456789abcdef";
        let canary = Canary { what: "payload", word: word.into() };
        let text = format!("one\nhas {word} in it\nthree");
        let found = canary.found_in(&Text::new(text.as_bytes()));
        assert_eq!(found, Some(("as text", format!("has {word} in it"))));
    }
}

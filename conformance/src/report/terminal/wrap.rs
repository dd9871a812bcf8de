//! Lines no longer than a terminal is wide.

use std::io::IsTerminal as _;

/// Lines longer than this are hard to read, however wide the terminal is. Columns.
pub(super) const WIDTH_LIMIT: usize = 100;

/// In less than this nothing can be laid out. Columns.
pub(super) const WIDTH_LEAST: usize = 40;

/// The least room that is left for a text after an indentation. Columns.
const ROOM_LEAST: usize = 16;

/// How wide standard output is, in columns; [`WIDTH_LIMIT`] if it is no terminal.
pub(super) fn width_of_stdout() -> usize {
    let stdout = std::io::stdout();
    if !stdout.is_terminal() {
        return WIDTH_LIMIT;
    }
    terminal_size::terminal_size_of(stdout)
        .map_or(WIDTH_LIMIT, |(terminal_size::Width(columns), _)| columns.into())
}

/// The text in lines of at most `room` columns; words that are longer are broken. There is at least
/// one line.
pub(super) fn wrap(text: &str, room: usize) -> Vec<String> {
    let room = room.max(ROOM_LEAST);
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut used = 0;
    for word in text.split(' ') {
        let length = word.chars().count();
        let gap = usize::from(used > 0);
        // A word that fits into no line at all begins in this one, if that has space worth using.
        let fits = used + gap + length <= room || (length > room && used + gap + 8 <= room);
        if !fits && used > 0 {
            lines.push(std::mem::take(&mut line));
            used = 0;
        }
        if used > 0 {
            line.push(' ');
            used += 1;
        }
        for character in word.chars() {
            if used == room {
                lines.push(std::mem::take(&mut line));
                used = 0;
            }
            line.push(character);
            used += 1;
        }
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stay_whole_where_they_fit() {
        let text = "the quick brown fox jumps over the lazy dog";
        assert_eq!(wrap(text, 19), ["the quick brown fox", "jumps over the lazy", "dog"]);
        assert_eq!(wrap("", 20), [""]);
        assert_eq!(wrap(text, 80), [text]);
    }

    #[test]
    fn words_without_end_are_broken() {
        let long = "x".repeat(45);
        let lines = wrap(&format!("see {long} there"), 20);
        assert_eq!(lines[0], format!("see {}", "x".repeat(16)));
        assert!(lines.iter().all(|it| it.chars().count() <= 20), "{lines:?}");
        assert_eq!(lines.join("").matches('x').count(), 45);
        assert!(lines.last().unwrap().ends_with(" there"), "{lines:?}");
    }

    #[test]
    fn columns_are_characters_not_bytes() {
        assert_eq!(wrap("üüüüüüüü üüüüüüüü", 17), ["üüüüüüüü üüüüüüüü"]);
    }
}

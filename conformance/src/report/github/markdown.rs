//! Text that is not the suite's own, in Markdown: nothing in it acts.

use super::super::wording::{Span, shortened, spans, visible};

/// The longest text that is shown, in characters. The other forms have all of it.
const LENGTH_LIMIT: usize = 1_000;

/// A text as it is.
///
/// It is to stand within a line: what acts at the beginning of one only is left.
pub(super) fn text(text: &str) -> String {
    escaped(&shortened(&visible(text), LENGTH_LIMIT))
}

/// A text in the font of code.
pub(super) fn code(text: &str) -> String {
    format!("<code>{}</code>", self::text(text))
}

/// A sentence, with the marks of the contract.
pub(super) fn sentence(says: &str) -> String {
    let says = visible(says);
    let says = shortened(&says, LENGTH_LIMIT);
    let parts = spans(&says).into_iter().map(|span| match span {
        Span::Plain(part) => escaped(part),
        Span::Code(part) => format!("<code>{}</code>", escaped(part)),
        Span::Stressed(part) => format!("<em>{}</em>", escaped(part)),
    });
    parts.collect()
}

/// With a reference for every character that is markup in Markdown, its tables or HTML, or that
/// makes a link, a mention or a formula on GitHub. A reference is never markup.
fn escaped(text: &str) -> String {
    let mut shown = String::with_capacity(text.len() + 16);
    for (place, character) in text.char_indices() {
        let links = || match character {
            ':' => text[place..].starts_with("://"),
            '.' => text[..place].to_ascii_lowercase().ends_with("www"),
            _ => false,
        };
        match character {
            '&' => shown += "&amp;",
            '<' => shown += "&lt;",
            '>' => shown += "&gt;",
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '$' | '@' | '#' => {
                shown += &format!("&#{};", u32::from(character));
            }
            _ if links() => shown += &format!("&#{};", u32::from(character)),
            _ => shown.push(character),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    #[test]
    fn markup_is_text() {
        assert_eq!(text("plain, ü (1.5 s) - 2 + 3!"), "plain, ü (1.5 s) - 2 + 3!");
        assert_eq!(text("a|b\nc\\"), "a&#124;b&#92;nc&#92;");
        assert_eq!(text("<b>&amp;</b>"), "&lt;b&gt;&amp;amp;&lt;/b&gt;");
        assert_eq!(
            text("**x** _y_ ~z~ `q`"),
            "&#42;&#42;x&#42;&#42; &#95;y&#95; &#126;z&#126; &#96;q&#96;"
        );
        assert_eq!(text("![a](b) #1 @me $x$"), "!&#91;a&#93;(b) &#35;1 &#64;me &#36;x&#36;");
        assert_eq!(text("http://a.b, WWW.a.b: c"), "http&#58;//a.b, WWW&#46;a.b: c");
        assert_eq!(code("run 'a|b'"), "<code>run 'a&#124;b'</code>");
    }

    #[test]
    fn sentences_keep_their_marks() {
        assert_eq!(
            sentence("`party_id` is *not* a|b"),
            "<code>party&#95;id</code> is <em>not</em> a&#124;b"
        );
        let hostile = sentence(samples::HOSTILE);
        assert!(!hostile.contains("<script") && !hostile.contains('|'), "{hostile}");
    }

    #[test]
    fn what_is_too_long_is_cut_before_it_grows() {
        let long = text(&"|".repeat(5_000));
        assert_eq!(long, format!("{}…", "&#124;".repeat(LENGTH_LIMIT - 1)));
    }
}

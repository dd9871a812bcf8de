//! The contract's requirements as one value: what a report or a baseline was about.

use std::sync::LazyLock;

use sha2::{Digest as _, Sha256};

use crate::families;

/// The SHA-256 of [`canonical`], in hexadecimal.
///
/// Two versions of the suite with the same one ask the same of a router, whatever their checks
/// have learned meanwhile.
pub fn digest() -> &'static str {
    static DIGEST: LazyLock<String> = LazyLock::new(|| {
        let digest = Sha256::digest(canonical());
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    });
    &DIGEST
}

/// Every requirement in a line: identifier, level, capability and sentence, with tabs between them,
/// ordered by the bytes of the identifiers.
pub fn canonical() -> String {
    let mut requirements: Vec<_> = families::requirements().collect();
    requirements.sort_by_key(|it| it.id);
    let lines = requirements.iter().map(|it| {
        let (id, level, capability, says) = (it.id, it.level, it.capability, it.says);
        format!("{id}\t{level}\t{capability}\t{says}\n")
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_requirements_are_frozen() {
        assert_eq!(
            digest(),
            "ac3ff3b7ad9aad6234f4044ea12933b67bdfd33f78806167937e1734f879ac4a",
            "\nA requirement was added, dropped or worded anew. If a router that was conformant \
             need not be so any more, or the other way round, this is another contract: say so in \
             CHANGELOG.md. If not (a typing error), take the change back if you can, since every \
             report and baseline tells the digest. Then put the new digest here.\n"
        );
    }

    #[test]
    fn a_requirement_is_a_line() {
        let text = canonical();
        assert_eq!(text.lines().count(), families::requirements().count());
        for line in text.lines() {
            assert_eq!(line.split('\t').count(), 4, "{line}");
        }
        assert!(text.lines().is_sorted());
    }
}

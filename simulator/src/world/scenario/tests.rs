use super::*;

fn refused(text: &str) -> String {
    Scenario::parse("mine.toml", text).unwrap_err().to_string()
}

#[test]
fn what_is_not_given_is_as_usual() {
    assert_eq!(Scenario::parse("mine.toml", ""), Ok(Scenario::default()));
    let text = "[[fault]]\nkind = \"crash-router\"\nat_ms = 5\ndown_ms = 7\n";
    let read = Scenario::parse("mine.toml", text).unwrap();
    let crash = Fault::CrashRouter { at_ms: 5, down_ms: 7, torn: false, clock_ms: 0 };
    assert_eq!(read, Scenario { faults: vec![crash], ..Scenario::default() });
    assert_eq!(read.heals(), 12);
}

#[test]
fn what_is_wrong_is_said_with_its_line_and_field() {
    let fault = |rest: &str| {
        let slow = "kind = \"slow-disk\"\nat_ms = 1\nfor_ms = 2\ncommit_ms = 3\n";
        format!("seed = 1\n\n[[fault]]\n{slow}\n[[fault]]\n{rest}")
    };
    for (text, begins, says) in [
        ("seed = ", "mine.toml:1:", "expected"),
        ("seed = 1\nseeds = 2\n", "mine.toml:2: seeds:", "unknown field"),
        ("parties = 3\nthreshold = 4\n", "mine.toml:", "threshold is 2 to 3"),
        ("\nflow = \"none\"\n", "none:", "no flow of this name"),
        ("\nlatency_ms = [5, 1]\n", "mine.toml:2: latency_ms:", "[from, to]"),
        ("hours = 99999999\n", "mine.toml:1: hours:", "at most"),
        (&fault("kind = \"crash\"\n"), "mine.toml:10: fault.kind:", "unknown variant"),
        (&fault("at_ms = 1\n"), "mine.toml:9: fault.kind:", "missing field"),
        (
            &fault("kind = \"clock-jump\"\nat_ms = 1\nby = 2\n"),
            "mine.toml:12: fault.by:",
            "unknown field",
        ),
        (
            &fault("kind = \"clock-jump\"\nat_ms = 1\n"),
            "mine.toml:9: fault.by_ms:",
            "missing field",
        ),
        (
            &fault("kind = \"lose-party\"\nat_ms = 1\nparty = 9\n"),
            "mine.toml:12: fault.party:",
            "there is no party 9",
        ),
        (
            &fault("kind = \"clock-jump\"\nat_ms = \"soon\"\nby_ms = 2\n"),
            "mine.toml:",
            "invalid type",
        ),
    ] {
        let said = refused(text);
        assert!(said.starts_with(begins) && said.contains(says), "{text}\n{said}");
    }
}

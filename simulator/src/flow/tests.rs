use super::*;

#[test]
fn shipped_flows_are_called_what_their_files_are_and_run_with_usual_numbers() {
    let flows = Flow::shipped();
    for ((name, _), flow) in SHIPPED.iter().zip(&flows) {
        assert_eq!(*name, flow.name);
        assert!(!flow.about.is_empty());
        for (n, t) in [(2, 2), (3, 2), (5, 3), (20, 14)] {
            flow.check(n, t).unwrap();
        }
    }
    assert_eq!(Flow::find("gg18-sign").unwrap().rounds.len(), 9);
}

#[test]
fn a_whole_flow_is_read() {
    let flow = Flow::parse(
        "f.toml",
        r#"
name = "f"
members = "threshold"
[[round]]
number = 7
[[round.send]]
type = "a"
from = [2, 1]
to = [3]
size = "32*m"
[[round]]
[[round.send]]
type = "b"
to = "each"
size = 40
"#,
    )
    .unwrap();
    let told: Vec<_> = flow
        .rounds
        .iter()
        .flat_map(|round| round.sends.iter().map(move |send| (round.number, send)))
        .map(|(number, s)| format!("{number} {} {:?} {:?} {}", s.kind, s.from, s.to, s.size))
        .collect();
    assert_eq!(told, ["7 a Some([1, 2]) Listed([3]) 32*m", "2 b None Each 40"]);
    assert_eq!(flow.member_count(5, 3), 3);
    flow.check(5, 3).unwrap();
    assert_eq!(
        flow.check(5, 2).unwrap_err().to_string(),
        "f.toml:9: round.send.to: there is no member 3: the session has 2"
    );
}

#[test]
fn errors_name_file_line_and_field() {
    let send = |lines: &str| {
        format!("name = \"f\"\nmembers = \"all\"\n[[round]]\n[[round.send]]\n{lines}\n")
    };
    for (text, error) in [
        ("name = ".to_owned(), "f:1: "),
        ("name = \"f\"\n".to_owned(), "f:1: missing field `members`"),
        ("name = \"f\"\nmembers = \"some\"\n".to_owned(), "f:2: unknown variant `some`"),
        ("name = \"\"\nmembers = \"all\"\n".to_owned(), "f:1: name: is empty"),
        ("name = \"f\"\nmembers = \"all\"\n".to_owned(), "f:1: round: a flow has one at least"),
        (
            "name = \"f\"\nmembers = \"all\"\n[[round]]\n".to_owned(),
            "f:3: round.send: a round has one at least",
        ),
        (
            "name = \"f\"\nmembers = \"all\"\n[[round]]\nnumber = -1\n[[round.send]]\n\
             type = \"a\"\nto = \"all\"\nsize = 32\n"
                .to_owned(),
            "f:3: round.number: is negative",
        ),
        (send("kind = \"a\""), "f:5: unknown field `kind`"),
        (send("type = \"\"\nto = \"all\"\nsize = 32"), "f:5: round.send.type: is empty"),
        (send("type = \"a\"\nto = \"none\"\nsize = 32"), "f:6: round.send.to: is \"all\""),
        (send("type = \"a\"\nto = [-1]\nsize = 32"), "f:6: round.send.to: is \"all\""),
        (send("type = \"a\"\nto = []\nsize = 32"), "f:6: round.send.to: names nobody"),
        (send("type = \"a\"\nto = [0]\nsize = 32"), "f:6: round.send.to: members count from 1"),
        (
            send("type = \"a\"\nfrom = [2, 2]\nto = \"all\"\nsize = 32"),
            "f:6: round.send.from: names a member twice",
        ),
        (send("type = \"a\"\nto = \"all\"\nsize = \"3x\""), "f:7: round.send.size: `x`"),
        (send("type = \"a\"\nto = \"all\"\nsize = -3"), "f:7: round.send.size: `-`"),
        (send("type = \"a\"\nto = \"all\"\nsize = 1.5"), "f:7: round.send.size: is a number"),
        (
            send(
                "type = \"a\"\nto = \"all\"\nsize = 32\n[[round.send]]\ntype = \"a\"\n\
                 to = \"all\"\nsize = 32",
            ),
            "f:9: round.send.type: `a` is there already",
        ),
    ] {
        let found = Flow::parse("f", &text).unwrap_err().to_string();
        assert!(found.starts_with(error), "{found}\nshould begin with\n{error}");
        assert_eq!(found.lines().count(), 1);
    }
}

#[test]
fn sizes_out_of_bounds_are_refused_when_the_numbers_are_known() {
    let flow = |size: &str| {
        let text = format!(
            "name = \"f\"\nmembers = \"all\"\n[[round]]\n[[round.send]]\ntype = \"a\"\n\
             to = \"all\"\nsize = {size}\n"
        );
        Flow::parse("f", &text).unwrap().check(5, 3).map_err(|error| error.to_string())
    };
    assert_eq!(flow("32"), Ok(()));
    assert!(flow("31").unwrap_err().starts_with("f:7: round.send.size: comes to 31 bytes"));
    assert!(flow("\"t - n\"").unwrap_err().contains("fewer than 0"));
    assert!(flow("67108865").is_err());
}

#[test]
fn a_flow_that_is_nowhere_says_where_flows_are() {
    let error = Flow::find("no-such-flow").unwrap_err().to_string();
    assert!(
        error.starts_with("no-such-flow: ") && error.contains("mpc-simulator flows"),
        "{error}"
    );
}

//! The reference of the options of `serve`, and a file to begin with: both from the options
//! themselves.

use std::fmt::Write as _;

use clap::{Arg, ArgAction, CommandFactory as _};

use super::Cli;
use super::file::{is_switch, settings};

const INTRODUCTION: &str = "\
# Configuration of mpc-router

<!-- Printed by `mpc-router config`. -->

Each option of `mpc-router serve` can be set in three places. The first of these that says something
of it counts:

1. the command line, as `--ack-timeout 9s`;
2. the environment, as `MPC_ROUTER_ACK_TIMEOUT=9s`;
3. a TOML file that `--config FILE` or `MPC_ROUTER_CONFIG` names, as `ack-timeout = \"9s\"`.

A key of the file is the option's name without its dashes in front. Its value is a text, written as on
the command line; numbers need no quotation marks, an option without a value is `true` or `false`, and
one that may be repeated takes a list: `coordinator = [\"carol\", \"dave\"]`. What the file sets to
`true` is set back by the environment alone, as `MPC_ROUTER_OPEN_SESSIONS=false`.

`mpc-router config --example` prints a file to begin with, and `mpc-router serve --check-config` tells
whether all that is set is right, without starting. Keys and passwords are never on the command line:
options name the files that hold them.
";

/// The reference page, in Markdown.
pub(super) fn page() -> String {
    let mut page = INTRODUCTION.to_owned();
    in_groups(|heading, args| {
        let _ = write!(page, "\n## {heading}\n");
        for arg in args {
            let value = value_name(arg).map(|name| format!(" {name}")).unwrap_or_default();
            let _ = write!(page, "\n### `--{}{value}`\n\n{}\n\n", key(arg), help(arg));
            for possible in arg.get_possible_values().iter().filter(|_| !is_switch(arg)) {
                let means = possible.get_help().map(ToString::to_string).unwrap_or_default();
                let _ = writeln!(page, "- `{}`: {means}", possible.get_name());
            }
            if !is_switch(arg) && !arg.get_possible_values().is_empty() {
                page.push('\n');
            }
            let variable = arg.get_env().unwrap_or_default().display();
            let default = default_of(arg).map_or("not set".into(), |it| format!("`{it}`"));
            let repeated = if is_repeated(arg) { "; may be repeated" } else { "" };
            let _ = writeln!(
                page,
                "File: `{}` · environment: `{variable}` · default: {default}{repeated}",
                key(arg),
            );
        }
    });
    page
}

/// A file in which everything is commented out.
pub(super) fn example() -> String {
    let mut file = "\
# Configuration of mpc-router, for `mpc-router serve --config FILE`. Take the # away in front of what
# you want to set; what stands there is the default, or an example where there is none.
"
    .to_owned();
    in_groups(|heading, args| {
        let _ = write!(file, "\n# === {heading} ===\n");
        for arg in args {
            file.push('\n');
            for line in wrapped(&help(arg), 97) {
                let _ = writeln!(file, "{}", format!("# {line}").trim_end());
            }
            let _ = writeln!(file, "#{} = {}", key(arg), example_value(arg));
        }
    });
    file
}

/// Calls `each` with the options that can be set, by their headings.
fn in_groups(mut each: impl FnMut(&str, &[&Arg])) {
    let mut program = Cli::command();
    program.build();
    let serve = program.find_subcommand("serve").expect("the program serves");
    let heading = |arg: &Arg| arg.get_help_heading().unwrap_or("Options").to_owned();
    let mut headings: Vec<String> = Vec::new();
    for arg in settings(serve) {
        if !headings.contains(&heading(arg)) {
            headings.push(heading(arg));
        }
    }
    for name in headings {
        let args: Vec<_> = settings(serve).filter(|arg| heading(arg) == name).collect();
        each(&name, &args);
    }
}

fn key(arg: &Arg) -> &str {
    arg.get_long().expect("the options of `serve` have names")
}

fn help(arg: &Arg) -> String {
    arg.get_long_help().or(arg.get_help()).map(ToString::to_string).unwrap_or_default()
}

fn is_repeated(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::Append)
}

fn value_name(arg: &Arg) -> Option<&str> {
    let names = arg.get_value_names().filter(|_| !is_switch(arg))?;
    names.first().map(AsRef::as_ref)
}

fn default_of(arg: &Arg) -> Option<String> {
    let default = arg.get_default_values().first()?;
    Some(default.to_string_lossy().into_owned())
}

/// A value as a file has it: the default, or something of the right kind.
fn example_value(arg: &Arg) -> String {
    if is_switch(arg) {
        return "false".into();
    }
    let value = default_of(arg).unwrap_or_else(|| match (key(arg), value_name(arg)) {
        (_, Some("DIR")) => "/var/lib/mpc-router".into(),
        ("notify-smtp-password-file", _) => "/etc/mpc-router/smtp-password".into(),
        (key, Some("FILE")) => format!("/etc/mpc-router/{key}.pem"),
        (_, Some("HOST:PORT")) => "127.0.0.1:9464".into(),
        ("otlp-endpoint", _) => "http://127.0.0.1:4317".into(),
        ("notify-smtp", _) => "smtps://router@mail.example.org:465".into(),
        (_, Some("URL")) => "https://push.example.org/notify".into(),
        (_, Some("ADDRESS")) => "router@example.org".into(),
        (key, _) => unreachable!("{key} has neither a default nor an example"),
    });
    if value.parse::<u64>().is_ok() {
        return value;
    }
    let value = format!("{value:?}");
    if is_repeated(arg) { format!("[{value}]") } else { value }
}

/// Breaks paragraphs into lines of `width` characters at most, where words allow.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in text.lines() {
        let mut line = String::new();
        for word in paragraph.split_whitespace() {
            if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width {
                lines.push(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use std::fs;

    use clap::{Command, Parser as _};

    use super::*;

    #[test]
    fn the_page_in_the_repository_is_this_one() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/CONFIGURATION.md");
        expect_test::expect_file![path].assert_eq(&page());
    }

    #[test]
    fn every_line_of_the_example_is_accepted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("router.toml");
        let lines = example();
        let settings: Vec<_> = lines
            .lines()
            .filter_map(|line| line.strip_prefix('#'))
            .filter(|line| !line.is_empty() && !line.starts_with(' '))
            .collect();
        assert!(settings.len() > 15, "{settings:?}");
        fs::write(&path, settings.join("\n")).unwrap();
        let given = ["mpc-router", "serve", "--config"].map(Into::into).into_iter();
        let given = given.chain([path.into_os_string()]).collect();
        let arguments = crate::cli::file::Arguments::new(given).complete().unwrap();
        assert!(arguments.len() >= settings.len(), "{arguments:?}");
        Cli::try_parse_from(arguments).unwrap();
    }

    #[test]
    fn nothing_is_left_out() {
        let program = Cli::command();
        let serve: &Command = program.find_subcommand("serve").unwrap();
        let (page, example) = (page(), example());
        for arg in settings(serve) {
            assert!(page.contains(&format!("### `--{}", key(arg))), "{arg:?}");
            assert!(example.contains(&format!("\n#{} = ", key(arg))), "{arg:?}");
        }
    }
}

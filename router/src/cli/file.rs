//! The configuration file. What stands in it is taken as if it stood on the command line, unless that
//! or the environment says otherwise: so the options are listed once, and a value means the same in
//! all three places.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use clap::builder::Resettable;
use clap::error::ErrorKind;
use clap::{Arg, ArgAction, Command, CommandFactory as _};
use toml::de::{DeTable, DeValue};

use super::Cli;

/// The option that names the file.
const CONFIG: &str = "config";

/// A configuration file is of no use. The text names the file and the line.
#[derive(Debug, thiserror::Error)]
#[error("{}{}: {text}", path.display(), line.map(|it| format!(", line {it}")).unwrap_or_default())]
pub(super) struct FileError {
    path: PathBuf,
    line: Option<usize>,
    text: String,
}

/// What was given on the command line, and the file that completes it.
#[derive(Debug)]
pub(super) struct Arguments {
    given: Vec<OsString>,
    file: Option<PathBuf>,
}

impl Arguments {
    /// Looks for the file's name on the command line and in the environment.
    pub(super) fn new(given: Vec<OsString>) -> Self {
        let asks_for_help = given.iter().any(|it| it == "--help" || it == "-h");
        let program = Cli::command();
        let command = given.get(1).and_then(|name| program.find_subcommand(name));
        let option = command.and_then(|it| it.get_arguments().find(|arg| arg.get_id() == CONFIG));
        let file = option
            .filter(|_| !asks_for_help)
            .and_then(|option| value_given(&given, CONFIG).or_else(|| variable(option)));
        Self { given, file: file.map(PathBuf::from) }
    }

    /// The command line with what the file adds to it.
    ///
    /// # Errors
    /// If the file cannot be read, or says what cannot be.
    pub(super) fn complete(&self) -> Result<Vec<OsString>, FileError> {
        let mut arguments = self.given.clone();
        if let Some(path) = &self.file {
            let program = Cli::command();
            let command = program.find_subcommand(&self.given[1]).expect("it has named the file");
            let said = File::read(path)?.arguments()?;
            let left_open = said.into_iter().filter(|(key, _)| {
                let arg = settings(command).find(|arg| arg.get_long() == Some(key));
                arg.is_some_and(|arg| !is_given(&self.given, key) && variable(arg).is_none())
            });
            arguments.splice(2..2, left_open.map(|(_, argument)| argument.into()));
        }
        Ok(arguments)
    }
}

/// The options that a file may set: those that the environment may, but for the file's own name.
pub(super) fn settings(command: &Command) -> impl Iterator<Item = &Arg> {
    command.get_arguments().filter(|arg| arg.get_env().is_some() && arg.get_id() != CONFIG)
}

/// Whether an option has no value: it is given, or not.
pub(super) fn is_switch(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::SetTrue)
}

/// What the environment says of an option.
fn variable(arg: &Arg) -> Option<OsString> {
    std::env::var_os(arg.get_env()?)
}

fn is_given(given: &[OsString], key: &str) -> bool {
    let option = format!("--{key}");
    let with_value = format!("{option}=");
    given.iter().any(|argument| {
        *argument == *option || argument.as_encoded_bytes().starts_with(with_value.as_bytes())
    })
}

fn value_given(given: &[OsString], key: &str) -> Option<OsString> {
    let option = format!("--{key}");
    if let Some(at) = given.iter().position(|argument| *argument == *option) {
        return given.get(at + 1).cloned();
    }
    let with_value = format!("{option}=");
    // A path that is no text is written apart from its option.
    given.iter().find_map(|it| it.to_str()?.strip_prefix(&with_value).map(OsString::from))
}

/// A file's text, and where it is from.
#[derive(Debug)]
struct File {
    path: PathBuf,
    text: String,
}

impl File {
    fn read(path: &Path) -> Result<Self, FileError> {
        let path = path.to_owned();
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Self { path, text }),
            Err(error) => {
                let text = format!("cannot be read: {error}");
                Err(FileError { path, line: None, text })
            }
        }
    }

    /// What the file says as arguments of `serve`, each with its key.
    fn arguments(&self) -> Result<Vec<(String, String)>, FileError> {
        let table = DeTable::parse(&self.text).map_err(|error| {
            self.error(error.span().map_or(0, |span| span.start), error.message())
        })?;
        // What the environment says is no matter of the file's.
        let no_variable = |arg: Arg| arg.env(Resettable::<clap::builder::OsStr>::Reset);
        let alone = Cli::command().mut_subcommand("serve", |serve| serve.mut_args(no_variable));
        let program = Cli::command();
        let serve = program.find_subcommand("serve").expect("the program serves");
        let mut arguments = Vec::new();
        for (key, value) in table.into_inner() {
            let Some(arg) = settings(serve).find(|it| it.get_long() == Some(key.get_ref())) else {
                return Err(self.error(key.span().start, &unknown(serve, key.get_ref())));
            };
            let wrong = |text: &str| {
                let text = format!("`{}` {text}", key.get_ref());
                self.error(value.span().start, &text)
            };
            for argument in written(arg, value.get_ref()).map_err(|expected| wrong(&expected))? {
                let parsed = alone.clone().try_get_matches_from(["mpc-router", "serve", &argument]);
                match parsed {
                    Err(error) if is_about_a_value(&error) => {
                        return Err(wrong(&format!("cannot be this: {}", in_one_line(&error))));
                    }
                    // What it needs besides is seen once all is together.
                    _ => arguments.push((key.get_ref().to_string(), argument)),
                }
            }
        }
        Ok(arguments)
    }

    fn error(&self, at: usize, text: &str) -> FileError {
        let before = self.text.get(..at).unwrap_or_default();
        let line = 1 + before.bytes().filter(|byte| *byte == b'\n').count();
        FileError { path: self.path.clone(), line: Some(line), text: text.to_owned() }
    }
}

/// What the command line would have in place of a key and its value.
///
/// # Errors
/// What the value should be.
fn written(arg: &Arg, value: &DeValue<'_>) -> Result<Vec<String>, String> {
    let key = arg.get_long().expect("the options of `serve` have names");
    let with = |value: &str| vec![format!("--{key}={value}")];
    match value {
        DeValue::Boolean(true) if is_switch(arg) => Ok(vec![format!("--{key}")]),
        DeValue::Boolean(false) if is_switch(arg) => Ok(Vec::new()),
        _ if is_switch(arg) => Err("is true or false".into()),
        DeValue::String(text) => Ok(with(text)),
        DeValue::Integer(number) if number.radix() == 10 => Ok(with(number.as_str())),
        DeValue::Array(values) if matches!(arg.get_action(), ArgAction::Append) => {
            let texts = values.iter().map(|value| value.get_ref().as_str());
            let arguments = texts.map(|text| text.map(|text| format!("--{key}={text}")));
            arguments.collect::<Option<_>>().ok_or_else(|| "is a list of texts".into())
        }
        _ if matches!(arg.get_action(), ArgAction::Append) => {
            Err("is a text, or a list of texts".into())
        }
        _ => Err("is written as on the command line, in quotation marks".into()),
    }
}

fn is_about_a_value(error: &clap::Error) -> bool {
    use ErrorKind::{InvalidUtf8, InvalidValue, ValueValidation};
    matches!(error.kind(), ValueValidation | InvalidValue | InvalidUtf8)
}

/// What is wrong, in the words of the command line.
pub(super) fn in_one_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let lines = text.lines().take_while(|line| !line.is_empty()).map(str::trim);
    let said = lines.collect::<Vec<_>>().join(" ");
    said.strip_prefix("error: ").unwrap_or(&said).to_owned()
}

fn unknown(serve: &Command, key: &str) -> String {
    let keys: Vec<_> = settings(serve).filter_map(Arg::get_long).collect();
    let spelled = key.trim_start_matches('-').replace('_', "-").to_lowercase();
    if let Some(meant) = keys.iter().find(|known| **known == spelled) {
        return format!("there is no key `{key}`; it is written `{meant}`");
    }
    format!("there is no key `{key}`; there are {}", keys.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(text: &str) -> Result<Vec<String>, String> {
        let file = File { path: "router.toml".into(), text: text.into() };
        let arguments = file.arguments().map_err(|error| error.to_string())?;
        Ok(arguments.into_iter().map(|(_, argument)| argument).collect())
    }

    #[test]
    fn keys_and_values_are_those_of_the_command_line() {
        let text = "max-payload = \"1MiB\"\nmax-retries = 7\nopen-sessions = true\n\
                    coordinator = [\"carol\", \"dave\"]\nack-timeout = '9s' # not so fast\n";
        let mut said = arguments(text).unwrap();
        said.sort();
        let expected = [
            "--ack-timeout=9s",
            "--coordinator=carol",
            "--coordinator=dave",
            "--max-payload=1MiB",
            "--max-retries=7",
            "--open-sessions",
        ];
        assert_eq!(said, expected);
        assert_eq!(arguments("open-sessions = false"), Ok(vec![]));
        assert_eq!(arguments("# nothing\n"), Ok(vec![]));
    }

    #[test]
    fn what_cannot_be_is_told_with_its_line_and_what_can() {
        for (text, line, expected) in [
            ("\nlisten_on = \"x\"", 2, "there are listen"),
            ("\n\nack_timeout = \"9s\"", 3, "it is written `ack-timeout`"),
            ("ack-timeout = 9", 1, "30s, 5m"),
            ("ack-timeout = 1.5", 1, "in quotation marks"),
            ("open-sessions = \"yes\"", 1, "is true or false"),
            ("coordinator = [1]", 1, "list of texts"),
            ("log-format = \"xml\"", 1, "text, json"),
            ("[serve]\nlisten = \"x\"", 1, "`serve`"),
            ("config = \"other.toml\"", 1, "no key `config`"),
            ("a = 1\na = 2", 2, "duplicate"),
            ("max-retries = \n", 1, "value"),
        ] {
            let error = arguments(text).unwrap_err();
            assert!(error.starts_with(&format!("router.toml, line {line}: ")), "{error}");
            assert!(error.contains(expected) && error.lines().count() == 1, "{error}");
        }
    }
}

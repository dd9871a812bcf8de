//! The GitHub action: read strictly, held against the script, and run as GitHub runs it.

use std::collections::BTreeSet;
use std::iter::Peekable;
use std::net::SocketAddr;

use mpc_router::serve::Server;
use mpc_router::{Config, Router};

use super::*;

/// The part of YAML that the action is written in: maps and lists by indentation, texts in a line.
#[derive(Debug)]
pub(crate) enum Node {
    Text(String),
    Map(Vec<(String, Node)>),
    List(Vec<Node>),
}

impl Node {
    pub(crate) fn parse(text: &str) -> Self {
        let lines = text.lines().filter(|it| !it.trim().is_empty() && !it.starts_with('#'));
        let lines = lines.map(|line| {
            let rest = line.trim_start_matches(' ');
            (line.len() - rest.len(), rest.to_owned())
        });
        let mut lines = lines.collect::<Vec<_>>().into_iter().peekable();
        let node = Self::block(&mut lines, 0);
        assert_eq!(lines.next(), None, "is not indented as the rest");
        node
    }

    fn block(lines: &mut Peekable<impl Iterator<Item = (usize, String)>>, indent: usize) -> Self {
        if lines.peek().is_some_and(|(_, it)| it.starts_with("- ")) {
            let mut list = Vec::new();
            while let Some((_, line)) =
                lines.next_if(|(at, it)| *at == indent && it.starts_with("- "))
            {
                if !Self::has_key(&line[2..]) {
                    list.push(Self::Text(Self::text(&line[2..])));
                    continue;
                }
                let mut item = vec![(indent + 2, line[2..].to_owned())];
                while let Some(line) = lines.next_if(|(at, _)| *at > indent) {
                    item.push(line);
                }
                list.push(Self::block(&mut item.into_iter().peekable(), indent + 2));
            }
            return Self::List(list);
        }
        let mut map: Vec<(String, Self)> = Vec::new();
        while let Some((_, line)) = lines.next_if(|(at, _)| *at == indent) {
            let (key, value) =
                line.split_once(':').unwrap_or_else(|| panic!("{line:?} has no key"));
            assert!(map.iter().all(|(other, _)| other != key), "{key} is there twice");
            let value = match value {
                "" => Self::block(lines, indent + 2),
                value => Self::Text(Self::text(value.strip_prefix(' ').expect("a space"))),
            };
            map.push((key.into(), value));
        }
        assert!(!map.is_empty(), "there is nothing at {indent}");
        Self::Map(map)
    }

    fn has_key(item: &str) -> bool {
        let is_key =
            |it: &str| it.chars().all(|it| it.is_ascii_alphanumeric() || "-_".contains(it));
        item.split_once(':')
            .is_some_and(|(key, value)| is_key(key) && (value.is_empty() || value.starts_with(' ')))
    }

    fn text(value: &str) -> String {
        if let Some(quoted) = value.strip_prefix('"').and_then(|it| it.strip_suffix('"')) {
            assert!(!quoted.contains(['"', '\\']), "{value}: no escapes here");
            return quoted.into();
        }
        let begins = value.starts_with(|it: char| it.is_ascii_alphanumeric() || it == '$');
        let is_plain = begins && !value.contains(": ") && !value.contains(" #");
        assert!(is_plain, "{value} would mean something else: quote it");
        assert!(!matches!(value, "true" | "false" | "null"), "{value} is no text: quote it");
        value.into()
    }

    /// A map with these keys, in any order, and no others but those of `may`.
    pub(crate) fn map(&self, must: &[&str], may: &[&str]) -> BTreeMap<&str, &Self> {
        let Self::Map(entries) = self else { panic!("no map: {self:?}") };
        let map: BTreeMap<_, _> = entries.iter().map(|(key, it)| (key.as_str(), it)).collect();
        for key in map.keys() {
            assert!(must.contains(key) || may.contains(key), "{key} is no key here: {self:?}");
        }
        assert!(must.iter().all(|it| map.contains_key(it)), "not all of {must:?}: {self:?}");
        map
    }

    pub(crate) fn entries(&self) -> &[(String, Self)] {
        let Self::Map(entries) = self else { panic!("no map: {self:?}") };
        entries
    }

    pub(crate) fn words(&self) -> &str {
        let Self::Text(text) = self else { panic!("no text: {self:?}") };
        text
    }
}

/// What GitHub reads of the action.
#[derive(Debug)]
struct Action {
    /// Each input with its default.
    inputs: BTreeMap<String, String>,
    /// Each output with the step's output that it is.
    outputs: BTreeMap<String, String>,
    shell: String,
    run: String,
    /// Each variable with the input that it is.
    variables: BTreeMap<String, String>,
}

/// What stands in an expression between these two.
fn expression<'a>(text: &'a str, begin: &str) -> &'a str {
    let inner = text.strip_prefix("${{ ").and_then(|it| it.strip_suffix(" }}"));
    let inner = inner.and_then(|it| it.strip_prefix(begin));
    inner.unwrap_or_else(|| panic!("{text} is not ${{{{ {begin}… }}}}"))
}

fn action() -> Action {
    let root = Node::parse(&read("action.yml"));
    let root = root.map(&["name", "description", "inputs", "outputs", "runs"], &[]);
    assert!(!root["name"].words().is_empty() && !root["description"].words().is_empty());
    let inputs = root["inputs"].entries().iter().map(|(name, input)| {
        let input = input.map(&["description"], &["default"]);
        assert!(input["description"].words().ends_with('.'), "{input:?}");
        (name.clone(), input.get("default").map_or("", |it| it.words()).to_owned())
    });
    let outputs = root["outputs"].entries().iter().map(|(name, output)| {
        let output = output.map(&["description", "value"], &[]);
        assert!(output["description"].words().ends_with('.'), "{output:?}");
        (name.clone(), expression(output["value"].words(), "steps.judge.outputs.").to_owned())
    });
    let runs = root["runs"].map(&["using", "steps"], &[]);
    assert_eq!(runs["using"].words(), "composite");
    let Node::List(steps) = runs["steps"] else { panic!("no steps: {runs:?}") };
    let [step] = &steps[..] else { panic!("one step is all: {steps:?}") };
    let step = step.map(&["id", "shell", "run", "env"], &[]);
    assert_eq!(step["id"].words(), "judge");
    let variables = step["env"].entries().iter();
    let variables =
        variables.map(|(name, it)| (name.clone(), expression(it.words(), "inputs.").to_owned()));
    Action {
        inputs: inputs.collect(),
        outputs: outputs.collect(),
        shell: step["shell"].words().into(),
        run: step["run"].words().into(),
        variables: variables.collect(),
    }
}

impl Action {
    /// The step as GitHub runs it, with these inputs.
    fn step(&self, bench: &Bench, given: &[(&str, &str)]) -> Command {
        assert_eq!(self.shell, "bash");
        let mut command = bench.command("bash");
        command.args(["--noprofile", "--norc", "-eo", "pipefail", "-c", &self.run]);
        for (variable, input) in &self.variables {
            let given = given.iter().find(|(name, _)| name == input);
            command.env(variable, given.map_or(self.inputs[input].as_str(), |(_, value)| value));
        }
        command.env("GITHUB_ACTION_PATH", ci()).env("GITHUB_ACTIONS", "true");
        command.env("GITHUB_OUTPUT", bench.file("outputs"));
        command.env("GITHUB_STEP_SUMMARY", bench.file("summary"));
        command
    }

    /// What the next steps get.
    fn outputs(&self, bench: &Bench) -> BTreeMap<&str, String> {
        let told = bench.outputs("outputs");
        let known: BTreeSet<_> = self.outputs.values().cloned().collect();
        let all: BTreeSet<_> = told.keys().cloned().collect();
        assert!(all.is_subset(&known), "the action gives all that is told: {all:?}, {known:?}");
        let given = self
            .outputs
            .iter()
            .map(|(name, of)| (name.as_str(), told.get(of).cloned().unwrap_or_default()));
        given.collect()
    }
}

#[test]
fn every_input_is_an_option_of_the_script_and_every_option_an_input() {
    let action = action();
    let inputs: BTreeSet<_> = action.inputs.keys().cloned().collect();
    // On GitHub, the runner says where these go.
    let options = options().into_iter().filter(|it| it != "outputs" && it != "github");
    assert_eq!(inputs, options.collect());
    let variables: BTreeMap<_, _> =
        inputs.into_iter().map(|input| (variable(&input), input)).collect();
    assert_eq!(action.variables, variables);
    assert!(!action.run.contains("${{"), "no input is a part of the script: {}", action.run);
    for (name, of) in &action.outputs {
        assert_eq!(name.replace('-', "_"), *of);
    }
}

#[test]
fn the_action_judges() {
    let (action, bench) = (action(), Bench::new());
    let inputs =
        [("only", "REG-1"), ("seed", "7"), ("binary", env!("CARGO_BIN_EXE_mpc-conformance"))];
    let (code, printed) = ended(&mut action.step(&bench, &inputs));
    assert_eq!(code, Some(0), "{printed}");
    let outputs = action.outputs(&bench);
    assert!(outputs.values().all(|it| !it.is_empty()), "{outputs:?}");
    assert_eq!((&*outputs["verdict"], &*outputs["exit-code"]), ("conformant", "0"));
    assert_eq!((&*outputs["passed"], &*outputs["failed"]), ("1", "0"));
    for form in ["json", "junit", "html", "badge"] {
        assert!(bench.0.path().join(&outputs[form]).is_file(), "{form}: {outputs:?}");
    }
    let summary = std::fs::read_to_string(bench.file("summary")).unwrap();
    assert!(summary.contains("conformant") && summary.contains("seed 7"), "{summary}");
}

/// Serves the reference router, until the test ends.
async fn serve() -> SocketAddr {
    let server = Server::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
    let address = server.local_addr();
    tokio::spawn(server.serve(Router::new(Config::default()), std::future::pending()));
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn the_action_fails_as_the_suite_does() {
    let (action, bench) = (action(), Bench::new());
    let suite = env!("CARGO_BIN_EXE_mpc-conformance");
    let profile = bench.file("profile.toml");
    // The router takes more than this, which breaks RTE-9.
    let text = "target.capabilities = ['flow']\ntimers.max_payload_bytes = 4096\n";
    std::fs::write(&profile, text).unwrap();
    let target = format!("http://{}", serve().await);
    let inputs =
        [("target", &*target), ("profile", &profile), ("only", "RTE-9,REG-1"), ("binary", suite)];
    let (code, printed) = ended(&mut action.step(&bench, &inputs));
    assert_eq!(code, Some(1), "{printed}");
    assert!(printed.contains("\n::error title=RTE-9 MUST broken::"), "{printed}");
    let outputs = action.outputs(&bench);
    assert_eq!((&*outputs["verdict"], &*outputs["exit-code"]), ("not_conformant", "1"));
    assert!(bench.0.path().join(&outputs["html"]).is_file(), "{outputs:?}");

    let bench = Bench::new();
    let inputs = [("only", "NONE-1"), ("binary", suite)];
    let (code, printed) = ended(&mut action.step(&bench, &inputs));
    assert_eq!(code, Some(5), "{printed}");
    let outputs = action.outputs(&bench);
    assert_eq!((&*outputs["verdict"], &*outputs["exit-code"]), ("", "5"));
}

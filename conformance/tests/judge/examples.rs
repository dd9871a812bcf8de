//! The examples of how others judge their routers: they are read, and their commands understood.

use super::action::Node;
use super::*;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")
}

fn example(name: &str) -> String {
    std::fs::read_to_string(folder().join(name)).unwrap()
}

/// Every text in it.
fn texts(node: &Node) -> Vec<String> {
    match node {
        Node::Text(text) => vec![text.clone()],
        Node::Map(entries) => entries.iter().flat_map(|(_, it)| texts(it)).collect(),
        Node::List(items) => items.iter().flat_map(texts).collect(),
    }
}

/// What the suite of a test was called with: a word a line.
fn called_in(bench: &Bench) -> String {
    std::fs::read_to_string(bench.file("called")).unwrap()
}

/// Steps by what they use, with what they give it.
fn steps(workflow: &Node) -> Vec<(String, Vec<(String, String)>)> {
    let jobs = workflow.map(&["name", "on", "jobs"], &[])["jobs"];
    let job = jobs.map(&["conformance"], &[])["conformance"];
    let Node::List(steps) = job.map(&["runs-on", "steps"], &[])["steps"] else {
        panic!("no steps: {job:?}");
    };
    let used = steps.iter().filter_map(|step| {
        let step = step.map(&[], &["uses", "with", "if", "run"]);
        let with = step.get("with").map(|it| it.entries()).unwrap_or_default();
        let with = with.iter().map(|(name, it)| (name.clone(), it.words().to_owned()));
        Some((step.get("uses")?.words().to_owned(), with.collect()))
    });
    used.collect()
}

#[test]
fn every_example_is_named_in_the_index() {
    let index = example("README.md");
    for entry in std::fs::read_dir(folder()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(name == "README.md" || index.contains(&format!("]({name})")), "{name}");
    }
}

/// The script gives all of it to the suite, in the words that the example has.
#[test]
fn the_script_is_called_with_what_it_knows() {
    let pipeline = Node::parse(&example("go.gitlab-ci.yml"));
    let lines = texts(&pipeline);
    let lines: Vec<_> = lines.iter().filter_map(|it| it.strip_prefix("suite/ci/judge ")).collect();
    assert_eq!(lines.len(), 1);
    let bench = Bench::new();
    let suite = bench.suite("printf '%s\\n' \"$@\" >called");
    for line in lines {
        let words = shlex::split(line).unwrap();
        let words: Vec<_> = words.iter().map(String::as_str).collect();
        let (code, printed) = ended(bench.judge(&["--binary", &suite]).args(words));
        assert_eq!(code, Some(0), "{printed}");
    }
    understood(&called_in(&bench).lines().map(str::to_owned).collect::<Vec<_>>());
}

#[test]
fn the_action_is_given_what_it_takes() {
    let steps = steps(&Node::parse(&example("java.github.yml")));
    let (_, given) = steps.iter().find(|(used, _)| used.contains("/ci@")).unwrap();
    let takes = Node::parse(&read("action.yml"));
    let takes = takes.entries().iter().find(|(name, _)| name == "inputs").unwrap();
    let mut words = vec!["run".to_owned()];
    for (name, value) in given {
        assert!(takes.1.entries().iter().any(|(it, _)| it == name), "{name} is no input");
        words.push(format!("--{name}={value}"));
    }
    understood(&words);
}

#[test]
fn the_scripts_call_the_suite_as_it_wants_to_be_called() {
    for name in ["python.sh", "container.sh"] {
        let bench = Bench::new();
        let suite = bench.suite("printf '%s\\n' \"$@\" >>called; echo >>called");
        let path = bench.file("bin");
        std::fs::create_dir(&path).unwrap();
        std::fs::rename(suite, Path::new(&path).join("mpc-conformance")).unwrap();
        std::fs::write(Path::new(&path).join("docker"), "#!/bin/sh\n").unwrap();
        let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(Path::new(&path).join("docker"), executable).unwrap();
        let path = format!("{path}:{}", std::env::var("PATH").unwrap());
        for argument in [&["known"][..], &[]] {
            let mut script = bench.command(folder().join(name));
            let (code, printed) = ended(script.args(argument).env("PATH", &path));
            assert_eq!(code, Some(0), "{name}: {printed}");
        }
        let called = called_in(&bench);
        let calls: Vec<_> = called.split("\n\n").filter(|it| !it.is_empty()).collect();
        assert_eq!(calls.len(), 2, "{called}");
        for call in calls {
            understood(&call.lines().map(str::to_owned).collect::<Vec<_>>());
        }
    }
}

/// Demands that the suite takes such a command: it finds only what it would judge missing. Nothing
/// is started.
fn understood(words: &[String]) {
    let bench = Bench::new();
    let mut profile = example("router.toml");
    // The first that is looked at once all of it was understood.
    profile.push_str("[no_such_key]\n");
    std::fs::write(bench.file("router.toml"), profile).unwrap();
    let mut command = bench.command(env!("CARGO_BIN_EXE_mpc-conformance"));
    let (code, printed) = ended(command.args(words));
    assert_eq!(code, Some(5), "{words:?}: {printed}");
    assert!(printed.contains("no_such_key"), "{words:?}: {printed}");
    // And the profile itself, and the target.
    std::fs::write(bench.file("router.toml"), example("router.toml")).unwrap();
    let target = words.iter().position(|it| it.starts_with("--target")).unwrap();
    let target = words[target].strip_prefix("--target=").unwrap_or(&words[target + 1]);
    target.parse::<mpc_conformance::target::Spec>().unwrap();
    let profile = bench.file("router.toml");
    mpc_conformance::profile::Profile::read(Path::new(&profile)).unwrap();
}

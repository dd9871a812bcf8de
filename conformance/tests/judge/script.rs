//! The script itself, with a suite that only tells what it was called with.

use rustix::process::{Pid, Signal, kill_process};

use super::*;

/// Prints each argument in a line, and writes down that it judged.
const TELLING: &str = "printf '<%s>\\n' \"$@\"";

/// A value of an option that would act if a shell took it for its own.
fn hostile(option: &str) -> String {
    format!("{option} '\"; touch acted $(touch acted) `touch acted` * --quiet")
}

fn is_switch(option: &str) -> bool {
    matches!(option, "fail-fast" | "github")
}

/// Those that are the script's own, or go to the suite under other names.
fn is_own(option: &str) -> bool {
    matches!(option, "binary" | "reports")
}

#[test]
fn every_option_reaches_the_suite_as_it_is_from_arguments_and_variables() {
    let bench = Bench::new();
    let suite = bench.suite(TELLING);
    let outputs = bench.file("out puts");
    let all = options();
    assert!(all.len() > 12, "{all:?}");
    let value = |option: &str| match option {
        "binary" => suite.clone(),
        "outputs" => outputs.clone(),
        "reports" => "the reports".into(),
        _ if is_switch(option) => "true".into(),
        _ => hostile(option),
    };
    let mut by_arguments = bench.judge(&[]);
    let mut joined = bench.judge(&[]);
    let mut by_variables = bench.judge(&[]);
    for option in &all {
        let value = value(option);
        by_arguments.arg(format!("--{option}"));
        if is_switch(option) {
            joined.arg(format!("--{option}"));
        } else {
            by_arguments.arg(&value);
            joined.arg(format!("--{option}={value}"));
        }
        by_variables.env(variable(option), value);
    }
    let (code, printed) = ended(&mut by_arguments);
    assert_eq!(code, Some(0), "{printed}");
    assert_eq!(ended(&mut joined), (code, printed.clone()));
    assert_eq!(ended(&mut by_variables), (code, printed.clone()));
    let lines: Vec<_> = printed.lines().collect();
    assert_eq!(lines[0], "<run>");
    for option in all.iter().filter(|it| !is_own(it)) {
        let wanted = match is_switch(option) {
            true => format!("<--{option}>"),
            false => format!("<--{option}={}>", value(option)),
        };
        assert!(lines.contains(&wanted.as_str()), "{wanted} in {printed}");
    }
    for report in ["json=the reports/report.json", "badge=the reports/badge.svg"] {
        assert!(lines.contains(&format!("<--{report}>").as_str()), "{report} in {printed}");
    }
    assert!(!std::path::Path::new(&bench.file("acted")).exists(), "{printed}");
}

#[test]
fn without_options_nothing_is_said_of_them() {
    let bench = Bench::new();
    let suite = bench.suite(TELLING);
    let mut command = bench.judge(&["--binary", &suite, "--", "--verbose", "a b"]);
    for option in options().iter().filter(|it| *it != "binary") {
        command.env(variable(option), "");
    }
    let reports = "<--json=mpc-report/report.json>\n<--junit=mpc-report/junit.xml>\n\
                   <--html=mpc-report/report.html>\n<--badge=mpc-report/badge.svg>\n";
    let wanted = format!("<run>\n{reports}<--verbose>\n<a b>\n");
    assert_eq!(ended(&mut command), (Some(0), wanted));
}

#[test]
fn on_github_it_tells_github() {
    let bench = Bench::new();
    let suite = bench.suite(&format!("{TELLING}; exit 2"));
    let mut command = bench.judge(&["--binary", &suite]);
    command.env("GITHUB_ACTIONS", "true").env("GITHUB_OUTPUT", bench.file("outputs"));
    let (code, printed) = ended(&mut command);
    assert_eq!(code, Some(2), "{printed}");
    assert!(printed.contains("<--github>\n"), "{printed}");
    assert!(printed.contains(&format!("<--outputs={}>\n", bench.file("outputs"))), "{printed}");
    assert_eq!(bench.outputs("outputs"), BTreeMap::from([("exit_code".into(), "2".into())]));
}

#[test]
fn what_is_wrong_is_told_and_is_no_verdict() {
    let bench = Bench::new();
    let outputs = bench.file("outputs");
    for (arguments, said) in [
        (&["--nothing", "x"][..], "ci/judge: --nothing is no option; see ci/judge --help"),
        (&["--seed"], "ci/judge: --seed needs a value; see ci/judge --help"),
        (&["x"], "ci/judge: x is no option; see ci/judge --help"),
        (&["--binary", "./nowhere"], "ci/judge: there is no program ./nowhere"),
    ] {
        let _ = std::fs::remove_file(&outputs);
        let (code, printed) = ended(bench.judge(arguments).env("GITHUB_OUTPUT", &outputs));
        assert_eq!((code, printed), (Some(5), format!("{said}\n")));
        assert_eq!(bench.outputs("outputs")["exit_code"], "5");
    }
    let (code, printed) = ended(bench.judge(&[]).env("JUDGE_FAIL_FAST", "yes"));
    assert_eq!(code, Some(5));
    assert_eq!(printed, "ci/judge: --fail-fast is true or false, not yes\n");
}

#[test]
fn reports_of_an_earlier_run_are_not_left_for_this_one() {
    let bench = Bench::new();
    let suite = bench.suite("ls mpc-report; exit 4");
    std::fs::create_dir(bench.file("mpc-report")).unwrap();
    for name in ["report.json", "junit.xml", "report.html", "badge.svg", "mine.txt"] {
        std::fs::write(bench.file("mpc-report") + "/" + name, "old").unwrap();
    }
    let (code, printed) = ended(&mut bench.judge(&["--binary", &suite]));
    assert_eq!((code, printed.as_str()), (Some(4), "mine.txt\n"));
}

/// The suite ends its targets when it is told to end; it has to be told, and waited for.
#[test]
fn a_signal_reaches_the_suite_and_its_end_is_waited_for() {
    let bench = Bench::new();
    let suite = bench.suite(
        "trap 'echo told >told; exit 130' TERM; echo >started; \
         while :; do read -rt 0.05 <> <(:); done",
    );
    let outputs = bench.file("outputs");
    let mut judge = bench.judge(&["--binary", &suite, "--outputs", &outputs]).spawn().unwrap();
    let started = bench.file("started");
    while !Path::new(&started).exists() {
        assert!(judge.try_wait().unwrap().is_none(), "it goes on");
        std::thread::yield_now();
    }
    kill_process(Pid::from_child(&judge), Signal::TERM).unwrap();
    assert_eq!(judge.wait().unwrap().code(), Some(130));
    assert_eq!(std::fs::read_to_string(bench.file("told")).unwrap(), "told\n");
    assert_eq!(bench.outputs("outputs")["exit_code"], "130");
}

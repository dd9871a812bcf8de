//! The image of these tests: the router that lies beside the suite, and what it is linked with.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::docker;

/// Only these tests have it.
pub(crate) const IMAGE: &str = "mpc-conformance-tests:router";

/// The same, and it says that it listens on two ports.
pub(crate) const TWO_PORTS: &str = "mpc-conformance-tests:two-ports";

/// The same, and its program is somewhere else.
pub(crate) const BROKEN: &str = "mpc-conformance-tests:broken";

/// Says by its value that there is an engine here, so that a test that is skipped has failed.
const MUST: &str = "DOCKER_TESTS";

/// Whether there are an engine and the image. It is built once, with nothing from elsewhere.
pub(crate) fn is_built() -> bool {
    static BUILT: OnceLock<Result<(), String>> = OnceLock::new();
    match BUILT.get_or_init(build) {
        Ok(()) => true,
        Err(why) => {
            let must = std::env::var(MUST).is_ok_and(|it| it == "must");
            assert!(!must, "{MUST}=must, but {why}");
            eprintln!("skipped: {why}");
            false
        }
    }
}

fn build() -> Result<(), String> {
    let engine = docker(&["version", "--format", "{{.Server.Version}}"]);
    engine.map_err(|error| format!("no Docker engine runs here: {error}"))?;
    let router = Path::new(env!("CARGO_BIN_EXE_mpc-conformance")).with_file_name("mpc-router");
    if !router.exists() {
        return Err(format!("there is no {}: cargo build -p mpc-router", router.display()));
    }
    let context = tempfile::tempdir().unwrap();
    fs::copy(&router, context.path().join("mpc-router")).unwrap();
    for library in libraries(&router) {
        let place = context.path().join("root").join(library.strip_prefix("/").unwrap());
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::copy(library, place).unwrap();
    }
    for (image, ports, program) in [
        (IMAGE, "50051", "/mpc-router"),
        (TWO_PORTS, "50051 9464", "/mpc-router"),
        (BROKEN, "50051", "/no-such-program"),
    ] {
        let text = format!(
            "FROM scratch\n\
             COPY root /\n\
             COPY mpc-router /mpc-router\n\
             EXPOSE {ports}\n\
             ENTRYPOINT [\"{program}\"]\n"
        );
        let file = context.path().join("Dockerfile");
        fs::write(&file, text).unwrap();
        docker(&["build", "--quiet", "--tag", image, context.path().to_str().unwrap()])?;
    }
    Ok(())
}

/// What a program is linked with, by the paths at which it looks for them.
fn libraries(program: &Path) -> Vec<PathBuf> {
    let told = Command::new("ldd").arg(program).output().unwrap().stdout;
    let told = String::from_utf8(told).unwrap();
    let paths = told.lines().filter_map(|it| it.split_whitespace().find(|it| it.starts_with('/')));
    let paths: Vec<_> = paths.map(PathBuf::from).collect();
    assert!(!paths.is_empty(), "{told}");
    paths
}

//! `partyline apply`

use std::io::Read as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use partyline::app::Ports;
use partyline::config::Source;
use partyline::service::apply_directory::{DirectoryFile, Problem, apply_directory};

use super::offline;

pub(crate) async fn run(source: &Source, ports: Ports, path: &Path) -> anyhow::Result<ExitCode> {
    let yaml = read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let env = |name: &str| std::env::var_os(name).and_then(|value| value.into_string().ok());
    let file = match DirectoryFile::parse(&yaml, env) {
        Ok(file) => file,
        Err(problems) => return Ok(reject(&problems)),
    };
    let app = offline(source, ports).await?;
    let applied = apply_directory(&app.services, app.sealer.clone(), file).await?;
    app.close(Duration::from_secs(5)).await;
    match applied {
        Ok(summary) => {
            println!("{} created, {} updated", summary.created, summary.updated);
            Ok(ExitCode::SUCCESS)
        }
        Err(problems) => Ok(reject(&problems)),
    }
}

#[expect(clippy::print_stderr, reason = "the problems of the file go to standard error, one per line")]
fn reject(problems: &[Problem]) -> ExitCode {
    for problem in problems {
        eprintln!("{problem}");
    }
    eprintln!("Nothing was changed. Correct the file and apply it again.");
    ExitCode::FAILURE
}

fn read(path: &Path) -> std::io::Result<String> {
    if path == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text)?;
        return Ok(text);
    }
    std::fs::read_to_string(path)
}

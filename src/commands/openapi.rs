//! `partyline openapi`

use std::process::ExitCode;

pub(crate) fn run() -> anyhow::Result<ExitCode> {
    print!("{}", partyline::rest::document()?);
    Ok(ExitCode::SUCCESS)
}

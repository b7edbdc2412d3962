//! `partyline schema`

use std::process::ExitCode;

pub(crate) fn run() -> ExitCode {
    print!("{}", partyline::graphql::sdl());
    ExitCode::SUCCESS
}

//! The commands: arguments in, text and an exit code out.
//!
//! Errors go to standard error, start with what failed and end with what to do. Exit 0 is success,
//! 1 a failure, 2 bad usage.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod call;
mod check;
mod demo;
mod dev;
pub mod flow;
mod functions;
mod lines;
mod new;
mod phone;
mod preview;
mod registrations;
mod running;
mod serve;
mod test;
mod test_tables;

/// Programmable voice that you run yourself: point a phone number at markup.
#[derive(Parser, Debug)]
#[command(name = "offhook", version, about, propagate_version = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

/// The project folder of a command.
#[derive(clap::Args, Debug, Clone)]
struct Project {
    /// The project folder
    #[arg(short = 'C', long = "project", value_name = "DIR", default_value = ".")]
    folder: PathBuf,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Make real calls between built-in phones on loopback and check them by ear
    Demo(demo::Demo),
    /// Write a sample project folder
    New(new::New),
    /// Serve a project
    Serve(serve::Serve),
    /// Serve a project, and show each request, its event, its answer, its log and its cost
    Dev(dev::Dev),
    /// Functions: write, build, list, test, measure, read their log, roll back
    #[command(subcommand)]
    Fn(functions::Fn),
    /// Check configuration, bins, functions and flows without starting
    Check(check::Check),
    /// Print the XML that a handler gives for a call, with lint on standard error
    Preview(preview::Preview),
    /// Run the call flows in flows/ in virtual time, without phones
    Test(test::Test),
    /// Look at calls: list, show their ladder, write a capture, see who was refused
    #[command(subcommand)]
    Call(call::Call),
    /// List recent calls; the same as `offhook call list`
    Calls(call::List),
    /// List registered phones: who, contact, transport, source, user agent, device, time left
    Registrations(registrations::Registrations),
    /// List trunks and lines: state, since when, last error, next try
    Lines(lines::Lines),
    /// A headless softphone: register, dial, answer, send digits, play, record
    Phone(phone::Phone),
}

/// Reads the command line and does what it says.
pub fn run() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let done = match arguments.command {
        Command::Demo(command) => command.run(),
        Command::New(command) => command.run(),
        Command::Serve(command) => command.run(),
        Command::Dev(command) => command.run(),
        Command::Fn(command) => command.run(),
        Command::Check(command) => command.run(),
        Command::Preview(command) => command.run(),
        Command::Test(command) => command.run(),
        Command::Call(command) => command.run(),
        Command::Calls(command) => command.run(),
        Command::Registrations(command) => command.run(),
        Command::Lines(command) => command.run(),
        Command::Phone(command) => command.run(),
    };
    match done {
        Ok(code) => code,
        Err(reason) => {
            eprintln!("offhook: {reason}");
            ExitCode::FAILURE
        }
    }
}

/// Prints a line, which peers may have written parts of; a reader that has gone away (`| head`) is no error.
fn say(line: &str) {
    use std::io::Write as _;
    let line = crate::node::seeing::ladder::printable(line);
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// What a command ends with: an exit code, or a sentence for standard error.
type Outcome = Result<ExitCode, String>;

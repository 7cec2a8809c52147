//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

use crate::generate::Generate;
use crate::har::Try;
use crate::store::StoreKind;
use api_sessions_cloud_config::options::Options;
use api_sessions_store::Role;
use clap::builder::{PossibleValuesParser, TypedValueParser};

/// The cloud of API Sessions for NGINX: stores the records that nodes report, answers queries about sessions,
/// distributes the denylist, and serves the Console.
///
/// Without a subcommand it serves, and needs no configuration: the first start creates an ingest token
/// (DIR/ingest.token, for api_sessions_export token_file=) and an admin token (DIR/admin.token), and prints a
/// link that logs in to the Console.
#[derive(Debug, Parser)]
#[command(name = "api-sessions-cloud", version)]
pub struct Cli {
    /// Options of the server and of all subcommands.
    #[command(flatten)]
    pub options: Options,
    /// Subcommand; `serve` if absent.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// Subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve (the default)
    Serve,
    /// Create, list and revoke tokens; a running server applies changes at once
    #[command(subcommand)]
    Token(TokenCommand),
    /// Check store, disk, clock and tokens, or whether a module fits an NGINX; exits with 1 on a problem
    Doctor(Doctor),
    /// Copy sessions, denylist and parameters to another store, such as from files to ClickHouse
    Copy(Copy),
    /// Post generated traffic to a running cloud, with the token in DIR/ingest.token
    Generate(Generate),
    /// Show which sessions a node would make of a HAR file, the export of a browser
    Try(Try),
    /// Print a completion script for a shell
    Completions {
        /// bash, elvish, fish, powershell or zsh
        shell: Shell,
    },
    /// Print the manual page, in roff
    #[command(hide = true)]
    Manual,
}

impl Command {
    /// Whether it reads the configuration of the service.
    pub fn uses_configuration(&self) -> bool {
        match self {
            Command::Doctor(doctor) => doctor.nginx.is_none(),
            Command::Try(_) | Command::Completions { .. } | Command::Manual => false,
            Command::Serve | Command::Token(_) | Command::Copy(_) | Command::Generate(_) => true,
        }
    }

    /// Whether it uses the store of the service.
    pub fn uses_store(&self) -> bool {
        match self {
            Command::Token(_) | Command::Copy(_) | Command::Generate(_) => true,
            Command::Doctor(doctor) => doctor.nginx.is_none(),
            Command::Serve | Command::Try(_) | Command::Completions { .. } | Command::Manual => {
                false
            }
        }
    }
}

/// Subcommands that do not serve; a signal ends them.
const OTHERS: &[&str] =
    &["token", "doctor", "copy", "generate", "try", "completions", "manual", "help"];

/// Whether unparsed arguments, beginning with the program's name, may start a server. False also if the value of an
/// option is the name of another subcommand.
pub fn may_serve(arguments: impl Iterator<Item = OsString>) -> bool {
    arguments.skip(1).all(|argument| OTHERS.iter().all(|name| argument != *name))
}

/// Arguments of `doctor`.
#[derive(Debug, Args)]
pub struct Doctor {
    /// Only check whether the module fits this NGINX: a file, or a name to find in PATH and /usr/sbin
    #[arg(long, value_name = "BINARY")]
    pub nginx: Option<PathBuf>,
    /// Module; by default the one in the module directory of the binary
    #[arg(long, value_name = "FILE", requires = "nginx")]
    pub module: Option<PathBuf>,
}

/// Arguments of `copy`.
#[derive(Debug, Args)]
pub struct Copy {
    /// Store to read: sqlite (in DIR) or clickhouse:URL
    #[arg(long, value_name = "STORE", value_parser = StoreKind::parse)]
    pub from: StoreKind,
    /// Store to write: sqlite (in DIR) or clickhouse:URL
    #[arg(long, value_name = "STORE", value_parser = StoreKind::parse)]
    pub to: StoreKind,
}

/// Subcommands of `token`.
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Create a token and print it, and nothing else
    Create {
        /// ingest: post records and sync; viewer: read; admin: everything
        #[arg(long, value_parser = role_parser())]
        role: Role,
        /// Description
        #[arg(long, default_value = "")]
        label: String,
    },
    /// List tokens (without their values: only hashes are stored)
    List,
    /// Revoke a token
    Revoke {
        /// Its number in the list
        id: i64,
    },
}

fn role_parser() -> impl TypedValueParser<Value = Role> {
    PossibleValuesParser::new(Role::ALL.map(Role::as_str))
        .try_map(|word| Role::parse(&word).ok_or("unknown role"))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn every_subcommand_but_serve_is_known_before_the_arguments_are_parsed() {
        let mut command = Cli::command();
        command.build();
        let mut names: Vec<&str> = command.get_subcommands().map(clap::Command::get_name).collect();
        names.retain(|name| *name != "serve");
        names.sort_unstable();
        let mut known = OTHERS.to_vec();
        known.sort_unstable();
        assert_eq!(names, known);
    }

    #[test]
    fn what_may_be_a_server_is_prepared() {
        let may = |arguments: &[&str]| {
            may_serve(["api-sessions-cloud"].iter().chain(arguments).map(OsString::from))
        };
        assert!(may(&[]) && may(&["serve"]) && may(&["--data", "/x", "--listen=127.0.0.1:1"]));
        assert!(!may(&["token", "list"]) && !may(&["--data", "/x", "copy"]));
    }
}

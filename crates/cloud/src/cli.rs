//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

use crate::config::Options;
use crate::generate::Generate;
use api_sessions_store::Role;
use clap::builder::{PossibleValuesParser, TypedValueParser};

/// The small cloud of API Sessions for NGINX: takes batches of records from nodes, keeps a week of
/// sessions, answers questions about them, and serves the Console.
///
/// Without a subcommand it serves. It needs no configuration: the first start makes an ingest
/// token (DIR/ingest.token, for api_sessions_export token_file=) and an admin token
/// (DIR/admin.token), and prints a link that logs in to the Console.
#[derive(Debug, Parser)]
#[command(name = "api-sessions-cloud", version)]
pub struct Cli {
    /// Options of serving and of all subcommands.
    #[command(flatten)]
    pub options: Options,
    /// What to do; serve if absent.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve (the default)
    Serve,
    /// Make, list and revoke tokens; a running server knows at once
    #[command(subcommand)]
    Token(TokenCommand),
    /// Check store, disk, clock and tokens, or whether a module fits an NGINX; exit code 1 if something is wrong
    Doctor(Doctor),
    /// Post generated traffic to a running cloud (token: DIR/ingest.token)
    Generate(Generate),
    /// Print a completion script for a shell
    Completions {
        /// bash, elvish, fish, powershell or zsh
        shell: Shell,
    },
    /// Print the manual page, in roff
    #[command(hide = true)]
    Manual,
}

/// Arguments of `doctor`.
#[derive(Debug, Args)]
pub struct Doctor {
    /// Check only whether the module fits this NGINX binary
    #[arg(long, value_name = "BINARY")]
    pub nginx: Option<PathBuf>,
    /// The module; by default the one in the binary's module directory
    #[arg(long, value_name = "FILE", requires = "nginx")]
    pub module: Option<PathBuf>,
}

/// What to do with tokens.
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Make a token and print it, and nothing else
    Create {
        /// ingest: post records and sync; viewer: read; admin: all
        #[arg(long, value_parser = role_parser())]
        role: Role,
        /// What it is for
        #[arg(long, default_value = "")]
        label: String,
    },
    /// List tokens (not the tokens themselves: only hashes are kept)
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

//! The program: parses the command line, and serves or runs a subcommand.
#![forbid(unsafe_code)]

use std::io::Write;
use std::process::ExitCode;

use api_sessions_cloud::cli::{Cli, Command, Copy, Doctor, TokenCommand, may_serve};
use api_sessions_cloud::copy;
use api_sessions_cloud::doctor;
use api_sessions_cloud::generate;
use api_sessions_cloud::har;
use api_sessions_cloud::log::Log;
use api_sessions_cloud::manual;
use api_sessions_cloud::owner::become_owner;
use api_sessions_cloud::reload::{Signals, warn_of_low_bits};
use api_sessions_cloud::server::Server;
use api_sessions_cloud::service_manager;
use api_sessions_cloud::stop::Stop;
use api_sessions_cloud::store::{self, StoreKind};
use api_sessions_cloud::tokens;
use api_sessions_cloud_api::error::brief;
use api_sessions_cloud_config::config::Config;
use api_sessions_cloud_config::options::Options;
use api_sessions_store::clock::rfc3339;
use clap::{CommandFactory, Parser};
use tokio::runtime::Runtime;

use api_sessions_cloud::limits::MAX_LABEL_BYTES;

fn main() -> ExitCode {
    // Before anything else: until then, a signal ends a starting service.
    let prepared = may_serve(std::env::args_os()).then(Prepared::new);
    let cli = Cli::parse();
    match run(cli, prepared) {
        Ok(code) => code,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "api-sessions-cloud: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(
    cli: Cli,
    prepared: Option<std::io::Result<Prepared>>,
) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let mut out = std::io::stdout();
    let command = cli.command.unwrap_or(Command::Serve);
    if !command.uses_configuration() {
        return run_alone(command, &mut out);
    }
    let uses_store = command.uses_store();
    let options = if uses_store { cli.options.of_service() } else { cli.options };
    let config = Config::load(options.clone())?;
    let kind = StoreKind::of(&config)?;
    if uses_store {
        become_owner(&config.data)?;
    }
    match command {
        Command::Serve => {
            serve(config, options, prepared.unwrap_or_else(Prepared::new)?)?;
        }
        Command::Try(_) | Command::Completions { .. } | Command::Manual => {
            return run_alone(command, &mut out);
        }
        Command::Doctor(_) => {
            let findings = doctor::examine(&config, &kind);
            findings.print(&mut out)?;
            return Ok(code(findings.is_good()));
        }
        Command::Generate(options) => {
            let path = config.data.join(tokens::INGEST_FILE);
            let token = std::fs::read_to_string(&path)
                .map_err(|error| format!("{}: {error}", path.display()))?;
            let step = (options.requests / 20).max(1);
            let progress = |sent: u64| {
                if sent / step != sent.saturating_sub(options.batch) / step {
                    let _ = writeln!(std::io::stderr(), "{sent} of {}", options.requests);
                }
            };
            let done = generate::run(&options, token.trim(), &progress)?;
            let seconds = done.time.as_secs_f64();
            let rate = done.records as f64 / seconds;
            writeln!(out, "{} records in {seconds:.1} s: {rate:.0}/s", done.records)?;
        }
        Command::Copy(stores) => copy_store(&config, stores)?,
        Command::Token(command) => {
            // A mistyped directory is an error; no store is created in it.
            if !matches!(command, TokenCommand::Create { .. }) {
                store::is_there(&kind, &config.data)?;
            }
            let runtime = Runtime::new()?;
            let opening = store::open(&kind, &config.data, runtime.handle());
            let store = runtime.block_on(opening)?;
            match command {
                TokenCommand::Create { role, label } => {
                    writeln!(out, "{}", tokens::create(&*store, role, &label)?)?;
                }
                TokenCommand::List => {
                    for token in store.tokens()? {
                        let (role, created) = (token.role.as_str(), rfc3339(token.created));
                        let label = brief(&token.label, MAX_LABEL_BYTES);
                        writeln!(out, "{}\t{role}\t{created}\t{label}", token.id)?;
                    }
                }
                TokenCommand::Revoke { id } => {
                    if !store.revoke_token(id)? {
                        return Err(format!("no token {id}").into());
                    }
                }
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs a subcommand that needs no configuration: a broken cloud.toml does not stop it.
fn run_alone(
    command: Command,
    out: &mut impl Write,
) -> Result<ExitCode, Box<dyn std::error::Error>> {
    match command {
        Command::Doctor(Doctor { nginx: Some(nginx), module }) => {
            let findings = doctor::examine_module(&nginx, module.as_deref());
            findings.print(out)?;
            return Ok(code(findings.is_good()));
        }
        Command::Try(what) => {
            return Ok(code(har::run(what, out, &mut std::io::stderr())?));
        }
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "api-sessions-cloud", &mut script);
            // clap_complete 4.6 has two names for the function of a command with hyphens
            // (https://github.com/clap-rs/clap/issues/6421).
            let script = String::from_utf8_lossy(&script)
                .replace("api__subcmd__sessions__subcmd__cloud", "api__sessions__cloud");
            out.write_all(script.as_bytes())?;
        }
        _ => manual::render(Cli::command(), out)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn code(is_good: bool) -> ExitCode {
    if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn copy_store(config: &Config, stores: Copy) -> Result<(), Box<dyn std::error::Error>> {
    if stores.from == stores.to {
        return Err("--from and --to are the same store".into());
    }
    store::is_there(&stores.from, &config.data)?;
    let destination = match &stores.to {
        StoreKind::Sqlite => "sqlite".to_owned(),
        StoreKind::ClickHouse(options) => format!("{options:?}"),
    };
    let runtime = Runtime::new()?;
    let open = |kind: StoreKind| {
        let kind = kind.with_password_of(config);
        runtime.block_on(store::open(&kind, &config.data, runtime.handle()))
    };
    let (from, to) = (open(stores.from)?, open(stores.to)?);
    let mut tell = |progress: &copy::Progress, total: u64| {
        let (sessions, requests) = (progress.sessions, progress.requests);
        let _ = writeln!(std::io::stderr(), "{sessions} sessions of {total}, {requests} requests");
    };
    let done = copy::run(&*from, &*to, &config.data, &destination, &mut tell)?;
    writeln!(
        std::io::stdout(),
        "copied {} sessions with {} requests; tokens are not copied: create them in the new store",
        done.sessions,
        done.requests
    )?;
    Ok(())
}

/// What a server sets up before it reads its configuration.
struct Prepared {
    runtime: Runtime,
    signals: Signals,
    stop: Stop,
}

impl Prepared {
    fn new() -> std::io::Result<Prepared> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let (signals, stop) = {
            let _entered = runtime.enter();
            (Signals::register()?, Stop::register()?)
        };
        Ok(Prepared { runtime, signals, stop })
    }
}

fn serve(
    config: Config,
    options: Options,
    prepared: Prepared,
) -> Result<(), Box<dyn std::error::Error>> {
    let Prepared { runtime, signals, stop } = prepared;
    let log = Log::start(&config)?;
    warn_of_low_bits(&config);
    runtime.block_on(async {
        let data = config.data.clone();
        let server = Server::start(config).await?;
        let requested = stop.requested();
        let mut out = std::io::stdout();
        // Whoever reads the link may close the pipe.
        let _ = match server.console_link() {
            Some(link) => writeln!(out, "Console: {link}"),
            None => writeln!(out, "Console: through a proxy to {}", server.address),
        };
        if server.admin.is_none() || server.console_link().is_none() {
            let file = data.join(tokens::ADMIN_FILE);
            let _ = writeln!(out, "Admin token: {}", file.display());
        }
        let _ = writeln!(out, "Ingest token: {}", data.join(tokens::INGEST_FILE).display());
        tracing::info!(address = %server.address, data = %data.display(), "listening");
        service_manager::ready();
        let stop = async move {
            requested.await;
            service_manager::stopping();
            tracing::info!("stopping");
        };
        let obeying = tokio::spawn(signals.run(server.state(), options, log));
        server.serve(stop).await;
        obeying.abort();
        tracing::info!("stopped");
        Ok(())
    })
}

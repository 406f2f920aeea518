//! The command line.

use std::io::{IsTerminal, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Parser, Subcommand, ValueEnum};
use loggia_model::entity::PoolKind;
use loggia_model::{AppId, Prefix, RequestContext};
use loggia_proxy::edge::Network;
use loggia_repository::share::Choice;
use loggia_repository::{Action, PoolEdit, Question, Retention, SyncOptions};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::authority;
use crate::clock;
use crate::commands;
use crate::directories;
use crate::explain;
use crate::licences::{self, DeclarationFormat, Limit};
use crate::log_lines;
use crate::serve;
use crate::settings::{Given, LogFormat, Settings, Tls, resolve};
use crate::sharing::{self, Wish};
use crate::trail::command as trail;

/// Loggia, an analytics hub for visitors and people.
#[derive(Debug, Parser)]
#[command(name = "loggia", version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the hub.
    Serve(Serve),
    /// Find out what is open, and what is in the way.
    #[command(subcommand)]
    Check(Check),
    /// Tell everything that visitors can reach, by which rule and when.
    Exposure(Exposure),
    /// Tell why somebody may do something, or may not: the rules, and the clause that is in the
    /// way. Ends with code 0 when it is allowed, 1 when it is refused.
    Explain(Explain),
    /// Local users, who log in with a password kept here.
    #[command(subcommand)]
    User(User),
    /// Who streams are open to.
    #[command(subcommand)]
    Stream(StreamCommand),
    /// Directories that people are taken over from.
    #[command(subcommand)]
    Directory(DirectoryCommand),
    /// Entrances, for when nobody can come in to set them right.
    #[command(subcommand)]
    Entrance(EntranceCommand),
    /// Who apps and their sheets are for.
    #[command(subcommand)]
    App(AppCommand),
    /// Who may open apps, and what it costs.
    #[command(subcommand)]
    Licence(Licence),
    /// The audit trail: who did what, when, and whether nobody changed it since.
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Run an app's load script and store its data.
    Reload(Reload),
    /// Certificates of login modules and scripts that call the trusted port.
    #[command(subcommand)]
    Certificate(Certificate),
}

#[derive(Debug, Subcommand)]
enum AuditCommand {
    /// Find out whether the trail is as it was written; names the rows that are not. Ends with
    /// code 1 when it is not.
    Verify {
        /// A row that is known from before, as this command or a syslog receiver has it:
        /// NUMBER:HASH.
        #[arg(long, value_name = "NUMBER:HASH")]
        expect: Option<String>,
        #[command(flatten)]
        data: DataFolder,
    },
    /// Write the trail to standard output.
    Export {
        #[arg(long, value_enum, default_value_t = trail::ExportFormat::Jsonl)]
        format: trail::ExportFormat,
        /// Only rows beyond this one.
        #[arg(long, value_name = "NUMBER")]
        after: Option<u64>,
        /// Only these events, such as rule.changed. May be repeated.
        #[arg(long = "event", value_name = "EVENT")]
        events: Vec<String>,
        #[command(flatten)]
        data: DataFolder,
    },
    /// Let old rows go, or forget addresses in them; the rest stays verifiable.
    Prune {
        /// Rows older than so many days go.
        #[arg(long, value_name = "DAYS")]
        keep_days: Option<u32>,
        /// Only so many rows stay.
        #[arg(long, value_name = "ROWS")]
        most_rows: Option<u64>,
        /// In rows older than so many days, only the network of an address stays.
        #[arg(long, value_name = "DAYS")]
        address_days: Option<u32>,
        #[command(flatten)]
        data: DataFolder,
    },
}

#[derive(Debug, Subcommand)]
enum Certificate {
    /// Make a certificate for a caller: client.pem, client_key.pem, and root.pem to know the
    /// server by. Whoever has the key may act as every user.
    Export {
        /// Who calls; it stands in the log.
        #[arg(long)]
        name: String,
        /// Folder to write to.
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        #[command(flatten)]
        data: DataFolder,
    },
}

#[derive(Debug, Args)]
struct Serve {
    /// Put demo content into a new site, and say who its people are.
    #[arg(long)]
    demo: bool,
    /// Folder of the prepared demo data sets.
    #[arg(long, value_name = "DIR", env = "LOGGIA_DEMO_FILES")]
    demo_files: Option<PathBuf>,
    /// Use the data folder together with other servers that are started with this.
    #[arg(long, env = "LOGGIA_SHARED")]
    shared: bool,
    /// Address and port to listen on [default: 127.0.0.1:8080].
    #[arg(long, value_name = "ADDR", env = "LOGGIA_LISTEN")]
    listen: Option<SocketAddr>,
    /// PEM file of the certificate and its chain; replaced while serving, the new one is shown.
    #[arg(long, value_name = "FILE", env = "LOGGIA_TLS_CERTIFICATE")]
    tls_certificate: Option<PathBuf>,
    /// PEM file of the certificate's private key.
    #[arg(long, value_name = "FILE", env = "LOGGIA_TLS_KEY")]
    tls_key: Option<PathBuf>,
    /// Encrypt with a certificate that the server makes for itself; browsers warn of it.
    #[arg(long)]
    tls_self_signed: bool,
    /// Allow plain HTTP beyond this machine, where others can read passwords.
    #[arg(long)]
    insecure_http: bool,
    /// Address and port where plain requests are led to the encrypted ones.
    #[arg(long, value_name = "ADDR", env = "LOGGIA_REDIRECT_LISTEN")]
    redirect_listen: Option<SocketAddr>,
    /// Address and port where programs call that show a certificate of the site's authority.
    #[arg(long, value_name = "ADDR", env = "LOGGIA_TRUSTED_LISTEN")]
    trusted_listen: Option<SocketAddr>,
    /// Address and port of /healthz, /readyz and /metrics for the operator.
    #[arg(long, value_name = "ADDR", env = "LOGGIA_OPERATOR_LISTEN")]
    operator_listen: Option<SocketAddr>,
    /// Folder of everything that is kept [default: data].
    #[arg(long, value_name = "DIR", env = "LOGGIA_DATA")]
    data: Option<PathBuf>,
    /// How log lines are written [default: text].
    #[arg(long, value_name = "FORMAT", env = "LOGGIA_LOG")]
    log: Option<LogFormat>,
    /// A forwarder that may name the client: an address or a network. May be repeated.
    #[arg(
        long = "trusted-proxy",
        value_name = "NETWORK",
        env = "LOGGIA_TRUSTED_PROXIES",
        value_delimiter = ','
    )]
    trusted_proxies: Vec<Network>,
    /// Settings file [default: loggia.toml, where there is one].
    #[arg(long, value_name = "FILE", env = "LOGGIA_SETTINGS")]
    settings: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Check {
    /// Tell, gate by gate, whether a visitor could list and open each app, and what to change if
    /// not. Ends with code 1 when a gate is shut.
    Anonymous(CheckAnonymous),
}

#[derive(Debug, Args)]
struct CheckAnonymous {
    /// The entrance: the first word of its address; empty for the default one.
    #[arg(long, value_name = "PREFIX")]
    prefix: Prefix,
    #[command(flatten)]
    data: DataFolder,
    #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
    format: ReportFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReportFormat {
    Text,
    Json,
}

#[derive(Debug, Args)]
struct Exposure {
    #[arg(long, value_enum, default_value_t = ExposureFormat::Table)]
    format: ExposureFormat,
    /// A report recorded earlier, as JSON or CSV: tell what differs from it, and end with code 1
    /// when something does.
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
    #[command(flatten)]
    data: DataFolder,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExposureFormat {
    Table,
    Json,
    Csv,
}

#[derive(Debug, Subcommand)]
enum User {
    /// Make a user and set the password.
    Add {
        /// `ana` or `DIRECTORY\ana`.
        user: String,
        /// Name to show.
        #[arg(long)]
        name: Option<String>,
        /// A role, such as RootAdmin. May be repeated.
        #[arg(long = "role")]
        roles: Vec<String>,
        #[command(flatten)]
        data: DataFolder,
    },
    /// Set a user's password.
    Password {
        /// `ana` or `DIRECTORY\ana`.
        user: String,
        #[command(flatten)]
        data: DataFolder,
    },
}

#[derive(Debug, Subcommand)]
enum StreamCommand {
    /// Open a stream to visitors and to everybody who has signed in.
    Public {
        /// The stream's name or id.
        stream: String,
        /// Take it back.
        #[arg(long)]
        off: bool,
        /// Only tell who the stream is open to.
        #[arg(long, conflicts_with_all = ["off", "preview"])]
        show: bool,
        /// Only tell what the change would do.
        #[arg(long)]
        preview: bool,
        #[command(flatten)]
        data: DataFolder,
    },
}

#[derive(Debug, Subcommand)]
enum EntranceCommand {
    /// Let people sign in by the built-in form again, whatever was set: the way back in when a
    /// sign-in method shuts everybody out.
    SignInByForm {
        /// The first word of the entrance's address; empty for the default one.
        prefix: Prefix,
        #[command(flatten)]
        data: DataFolder,
    },
}

#[derive(Debug, Subcommand)]
enum DirectoryCommand {
    /// Bring a directory's people up to date now. Ends with code 1 when that fails.
    Sync {
        /// The directory's name.
        name: String,
        /// Believe a directory that has nobody any more.
        #[arg(long)]
        confirm_empty: bool,
        /// Recognise people by their user id although what never changes did: for a directory
        /// that was built anew.
        #[arg(long)]
        match_by_name: bool,
        #[command(flatten)]
        data: DataFolder,
    },
    /// Try a directory's settings out, step by step. Ends with code 1 when one does not work.
    Check {
        /// The directory's name.
        name: String,
        #[command(flatten)]
        data: DataFolder,
    },
}

#[derive(Debug, Subcommand)]
enum AppCommand {
    /// Say who of the stream's readers an app or a sheet is for; without a choice, tell.
    Audience {
        /// The app's id.
        app: AppId,
        /// One sheet of it, with what is on it: its title or id.
        #[arg(long)]
        sheet: Option<String>,
        /// A member of a list of its own: visitors, signedin, role:ROLE, group:GROUP, user:USER,
        /// @PROPERTY=VALUE, or owner for nobody else. May be repeated.
        #[arg(long, value_name = "MEMBER", conflicts_with = "same_as_stream")]
        own: Vec<String>,
        /// Everybody who reads the stream.
        #[arg(long)]
        same_as_stream: bool,
        /// Only tell what the change would do.
        #[arg(long)]
        preview: bool,
        #[command(flatten)]
        data: DataFolder,
    },
}

#[derive(Debug, Subcommand)]
enum Licence {
    /// Tell of every pool what is used, by whom, and how long it lasts.
    Show {
        #[command(flatten)]
        data: DataFolder,
        #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
        format: ReportFormat,
    },
    /// Change a pool, or make it where a kind is given and there is none of that name.
    Set(SetLicence),
    /// Give somebody a seat.
    Allocate(Seat),
    /// Take somebody's seat away. One that was used lately may stay in quarantine for a while.
    Deallocate(Seat),
    /// Give somebody in quarantine the seat back.
    Reinstate(Seat),
    /// Bring in a declaration, TOML or JSON: what it says holds afterwards, the rest stays.
    Import {
        file: PathBuf,
        /// Only tell what it would do.
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        data: DataFolder,
    },
    /// Write the licences as a declaration.
    Export {
        #[arg(long, value_enum, default_value_t = DeclarationFormat::Toml)]
        format: DeclarationFormat,
        #[command(flatten)]
        data: DataFolder,
    },
    /// Tell what a week would have cost under other pools.
    Simulate {
        /// A declaration of the pools [default: those that there are].
        #[arg(long, value_name = "FILE")]
        under: Option<PathBuf>,
        /// The first day, such as 2026-11-16 [default: seven days before the last].
        #[arg(long, value_name = "DAY")]
        from: Option<String>,
        /// The day after the last [default: now].
        #[arg(long, value_name = "DAY")]
        to: Option<String>,
        /// For how long people are taken to be active where only their coming was noted.
        #[arg(long, value_name = "MINUTES", default_value_t = 12)]
        minutes_per_visit: u64,
        #[command(flatten)]
        data: DataFolder,
        #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
        format: ReportFormat,
    },
    /// Tell when pools will be used up if it goes on like this.
    Forecast {
        #[command(flatten)]
        data: DataFolder,
        #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
        format: ReportFormat,
    },
}

#[derive(Debug, Args)]
struct SetLicence {
    /// The pool's name or id.
    pool: String,
    /// ProfessionalAccess, AnalyzerAccess, UserAccess, LoginAccess or AnalyzerTimeAccess; for a
    /// new pool.
    #[arg(long, value_parser = licences::kind)]
    kind: Option<PoolKind>,
    /// Another name.
    #[arg(long)]
    name: Option<String>,
    /// Seats, passes, or minutes a month: a number or unlimited.
    #[arg(long, value_parser = licences::limit)]
    capacity: Option<Limit>,
    /// Minutes beyond the capacity that are still served; analyzer capacity only.
    #[arg(long)]
    overage: Option<u64>,
    /// Switch the pool off, or on again.
    #[arg(long)]
    disabled: Option<bool>,
    /// Days for which a seat that was taken away stays out of the pool.
    #[arg(long, value_name = "DAYS")]
    quarantine_days: Option<u32>,
    /// The part that visitors leave to people who sign in; shared pools only.
    #[arg(long, value_name = "UNITS")]
    reserved_for_users: Option<u64>,
    /// Most that the visitors of one address begin within an hour: a number or unlimited.
    #[arg(long, value_name = "UNITS", value_parser = licences::limit)]
    units_per_address_per_hour: Option<Limit>,
    /// Let visitors draw, or not; shared pools only.
    #[arg(long, value_enum)]
    visitors: Option<Switch>,
    #[command(flatten)]
    data: DataFolder,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Switch {
    On,
    Off,
}

#[derive(Debug, Args)]
struct Seat {
    /// The pool's name or id.
    pool: String,
    /// `ana` or `DIRECTORY\ana`.
    user: String,
    #[command(flatten)]
    data: DataFolder,
}

#[derive(Debug, Args)]
struct Reload {
    /// The app's id.
    app: AppId,
    #[command(flatten)]
    data: DataFolder,
    /// Folder of the prepared demo data sets.
    #[arg(long, value_name = "DIR", env = "LOGGIA_DEMO_FILES")]
    demo_files: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct Explain {
    /// Who: `visitor` or `NONE\anonymous`, `DIRECTORY\id`, an id that only one user has, or a
    /// GUID.
    #[arg(long)]
    user: String,
    /// What: read, update, delete, create, publish, export, exportdata, approve, duplicate,
    /// changeowner, changerole, offlineaccess or distribute.
    #[arg(long, value_parser = explained_action)]
    action: Action,
    /// With what: `App_<id>`, `Stream_<name>`, `QmcSection_App`; a type alone, such as `App`, is
    /// something to be created.
    #[arg(long)]
    resource: String,
    /// The app that a new App.Object would be made in.
    #[arg(long, value_name = "APP")]
    within: Option<String>,
    /// Where [default: console for its sections, else hub].
    #[arg(long, value_enum)]
    context: Option<ExplainContext>,
    /// An attribute of the session, such as ip=10.0.0.1 or virtualProxy=public. May be repeated.
    #[arg(long = "env", value_name = "NAME=VALUE")]
    environment: Vec<String>,
    #[command(flatten)]
    data: DataFolder,
    #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
    format: ReportFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ExplainContext {
    Hub,
    Console,
}

#[derive(Debug, Args)]
struct DataFolder {
    /// Folder of everything that is kept [default: data].
    #[arg(long, value_name = "DIR", env = "LOGGIA_DATA")]
    data: Option<PathBuf>,
}

/// Opening an app is no action of rules, though people ask for it.
fn explained_action(text: &str) -> Result<Action, String> {
    if text.eq_ignore_ascii_case("open") {
        return Err(
            "opening an app is read on it and a licence: ask for read; for visitors, loggia \
                    check anonymous --prefix <prefix> tells of the licence too"
                .to_owned(),
        );
    }
    text.parse().map_err(|error: loggia_rules::UnknownAction| error.to_string())
}

/// Runs the command line of this process.
#[must_use]
pub fn run() -> ExitCode {
    match execute(Arguments::parse()) {
        Ok(code) => code,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "loggia: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn execute(arguments: Arguments) -> anyhow::Result<ExitCode> {
    match arguments.command {
        Command::Serve(serve) => {
            let given = Given {
                listen: serve.listen,
                tls_certificate: serve.tls_certificate,
                tls_key: serve.tls_key,
                tls_self_signed: serve.tls_self_signed,
                insecure_http: serve.insecure_http,
                redirect_listen: serve.redirect_listen,
                trusted_listen: serve.trusted_listen,
                operator_listen: serve.operator_listen,
                data: serve.data,
                log: serve.log,
                demo: serve.demo,
                demo_files: serve.demo_files,
                shared: serve.shared,
                trusted_proxies: serve.trusted_proxies,
            };
            let settings = resolve(serve.settings.as_deref(), given)?;
            log_to_stderr(settings.log);
            serve_until_stopped(settings)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Check(Check::Anonymous(check)) => {
            let data = data_folder(check.data)?;
            let is_open = commands::check_anonymous(&data, &check.prefix, check.format)?;
            Ok(if is_open { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Command::Exposure(exposure) => {
            let data = data_folder(exposure.data)?;
            let against = exposure.against.as_deref();
            let is_same = commands::exposure(&data, exposure.format, against)?;
            Ok(if is_same { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Command::Certificate(Certificate::Export { name, out, data }) => {
            let data = data_folder(data)?;
            authority::export(&data, &name, &out, clock::wall())?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Explain(asked) => {
            let mut environment = Vec::new();
            for text in &asked.environment {
                let pairs = loggia_repository::environment_pairs(text);
                environment
                    .extend(pairs.map_err(|problem| anyhow::anyhow!("{}", problem.message))?);
            }
            let question = Question {
                subject: asked.user,
                action: asked.action,
                resource: asked.resource,
                within: asked.within,
                context: asked.context.map(|context| match context {
                    ExplainContext::Hub => RequestContext::Hub,
                    ExplainContext::Console => RequestContext::Console,
                }),
                environment,
            };
            let data = data_folder(asked.data)?;
            let is_allowed = explain::explain(&data, &question, asked.format)?;
            Ok(if is_allowed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Command::User(User::Add { user, name, roles, data }) => {
            let settings = resolve(None, Given { data: data.data, ..Given::default() })?;
            let password = read_password(&user)?;
            commands::add_user(&settings, &user, name, roles, &password)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::User(User::Password { user, data }) => {
            let settings = resolve(None, Given { data: data.data, ..Given::default() })?;
            let password = read_password(&user)?;
            commands::set_password(&settings, &user, &password)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Stream(StreamCommand::Public { stream, off, show, preview, data }) => {
            let wish = match (show, preview) {
                (true, _) => Wish::Show,
                (false, true) => Wish::Preview(!off),
                (false, false) => Wish::Set(!off),
            };
            sharing::stream_public(&data_folder(data)?, &stream, &wish)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Entrance(EntranceCommand::SignInByForm { prefix, data }) => {
            commands::sign_in_by_form(&data_folder(data)?, &prefix)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Directory(command) => {
            let is_ok = match command {
                DirectoryCommand::Sync { name, confirm_empty, match_by_name, data } => {
                    let options = SyncOptions { believe_empty: confirm_empty, match_by_name };
                    directories::sync(&data_folder(data)?, &name, options)?
                }
                DirectoryCommand::Check { name, data } => {
                    directories::check(&data_folder(data)?, &name)?
                }
            };
            Ok(if is_ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Command::App(AppCommand::Audience { app, sheet, own, same_as_stream, preview, data }) => {
            let settings = resolve(None, Given { data: data.data, ..Given::default() })?;
            let choice = match (own.is_empty(), same_as_stream) {
                (false, _) => Some(sharing::own_list(&settings, &own)),
                (true, true) => Some(Choice::SameAsStream),
                (true, false) => None,
            };
            let wish = match choice {
                Some(choice) if preview => Wish::Preview(choice),
                Some(choice) => Wish::Set(choice),
                None => Wish::Show,
            };
            sharing::audience(&settings, app, sheet.as_deref(), &wish)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Licence(licence) => {
            execute_licence(licence)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Audit(AuditCommand::Verify { expect, data }) => {
            let is_whole = trail::verify(&data_folder(data)?, expect.as_deref())?;
            Ok(if is_whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Command::Audit(AuditCommand::Export { format, after, events, data }) => {
            trail::export(&data_folder(data)?, format, after, &events)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Audit(AuditCommand::Prune { keep_days, most_rows, address_days, data }) => {
            let retention = Retention { keep_days, most_rows, address_days };
            trail::prune(&data_folder(data)?, &retention)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Reload(reload) => {
            let data = data_folder(reload.data)?;
            log_to_stderr(LogFormat::Text);
            commands::reload(&data, reload.demo_files.as_deref(), reload.app)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn execute_licence(licence: Licence) -> anyhow::Result<()> {
    let seat = |seat: Seat, act| {
        let settings = resolve(None, Given { data: seat.data.data, ..Given::default() })?;
        licences::seat(&settings, &seat.pool, &seat.user, act)
    };
    match licence {
        Licence::Show { data, format } => licences::show(&data_folder(data)?, format),
        Licence::Set(set) => {
            let wanted = licences::Wanted {
                edit: PoolEdit {
                    name: set.name,
                    kind: set.kind,
                    capacity: set.capacity.map(|limit| limit.0),
                    overage: set.overage,
                    is_disabled: set.disabled,
                    quarantine_days: set.quarantine_days.map(Some),
                    reserved_for_users: set.reserved_for_users,
                    units_per_address_per_hour: set.units_per_address_per_hour.map(|l| l.0),
                },
                visitors: set.visitors.map(|switch| switch == Switch::On),
            };
            licences::set(&data_folder(set.data)?, &set.pool, wanted)
        }
        Licence::Allocate(given) => seat(given, licences::Seat::Allocate),
        Licence::Deallocate(given) => seat(given, licences::Seat::Deallocate),
        Licence::Reinstate(given) => seat(given, licences::Seat::Reinstate),
        Licence::Import { file, dry_run, data } => {
            licences::import(&data_folder(data)?, &file, dry_run)
        }
        Licence::Export { format, data } => licences::export(&data_folder(data)?, format),
        Licence::Simulate { under, from, to, minutes_per_visit, data, format } => {
            let span = (from.as_deref(), to.as_deref());
            let data = data_folder(data)?;
            licences::simulate(&data, span, minutes_per_visit, under.as_deref(), format)
        }
        Licence::Forecast { data, format } => licences::forecast(&data_folder(data)?, format),
    }
}

fn serve_until_stopped(settings: Settings) -> anyhow::Result<()> {
    settings.check()?;
    let scheme = if settings.tls == Tls::No { "http" } else { "https" };
    if scheme == "http" && !settings.listen.ip().is_loopback() {
        tracing::warn!("listening beyond this machine without encryption");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let is_demo = settings.demo;
        let running = serve::start(settings).await?;
        let mut greeting = format!("Loggia is at {scheme}://{}\n", running.address);
        if is_demo {
            greeting.push_str(&format!(
                "  for visitors  {scheme}://{0}/public/hub\n  for people    {scheme}://{0}/hub\n",
                running.address
            ));
        }
        greeting.push_str(&running.greeting);
        say(&greeting)?;
        asked_to_stop().await?;
        running.stop().await;
        Ok(())
    })
}

/// Waits for SIGINT or SIGTERM.
async fn asked_to_stop() -> anyhow::Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            outcome = tokio::signal::ctrl_c() => outcome?,
            _ = terminate.recv() => {}
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await?;
    Ok(())
}

/// Standard output is for results; log lines go to standard error.
pub(crate) fn say(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}

fn data_folder(given: DataFolder) -> anyhow::Result<PathBuf> {
    Ok(resolve(None, Given { data: given.data, ..Given::default() })?.data)
}

/// A password from standard input: its first line. Never from the command line, where others
/// could read it.
fn read_password(user: &str) -> anyhow::Result<String> {
    if std::io::stdin().is_terminal() {
        let _ = write!(std::io::stderr(), "New password of {user} (it will be shown): ");
    }
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).context("cannot read the password")?;
    let password = line.trim_end_matches(['\r', '\n']).to_owned();
    if password.chars().count() < 8 {
        anyhow::bail!("the password needs at least 8 characters");
    }
    Ok(password)
}

fn log_to_stderr(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::registry().with(filter);
    // Only a second call could fail, and there is none.
    let _ = match format {
        LogFormat::Text => {
            let has_colours = std::io::stderr().is_terminal();
            log.with(log_lines::text(std::io::stderr, has_colours)).try_init()
        }
        LogFormat::Json => log.with(log_lines::json(std::io::stderr)).try_init(),
    };
}

//! Renders Airflow's connections, variables and config values from AWS Secrets Manager into the files that Airflow's
//! LocalFilesystemBackend reads, and into templates of the user's own.
//!
//! One way through the house: env → settings → plan → fetch → entries → render → validate → write → report. A
//! stage imports only stages before it. docs/ARCHITECTURE.md walks through them.

pub mod airflow;
pub mod commands;
pub mod config;
pub mod convert;
pub mod error;
pub mod fetch;
pub mod model;
pub mod plan;
pub mod process;
pub mod python;
pub mod render;
pub mod report;
pub mod store;
pub mod text;
pub mod verify;
pub mod write;

use std::ffi::OsString;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

use crate::commands::{check, diff, iam};
use crate::config::cli;
use crate::config::cli::{CommandName, Parsed, RawSettings};
use crate::config::env::Env;
use crate::config::settings::{OutputForm, Policy, Sandbox, Settings, StoreChoice};
use crate::convert::{Entries, LeftOut};
use crate::error::{Exit, Failure};
use crate::plan::Plan;
use crate::process::harden::{self, Confined, Places, Process};
use crate::process::memory;
use crate::process::signals::Signals;
use crate::render::File;
use crate::report::{Summary, log, progress};
use crate::store::{SecretStore, StoreError};
use crate::write::Change;

/// Runs the program: reads the arguments (the program's own name first) and the environment, does what they say, and
/// tells how it ended. Writes data to `stdout`, everything else to stderr. A process of its own is confined to the places that
/// the settings name.
pub fn run(args: impl IntoIterator<Item = OsString>, env: &Env, stdout: &mut dyn Write, process: Process) -> Exit {
    let mut summary = Summary::start();
    let mut chosen = LogChoice::of(&RawSettings::default(), env);
    chosen.remember();
    let outcome = || {
        let (command, flags) = match cli::parse(args)? {
            Parsed::Run(command, flags) => (command, *flags),
            Parsed::Print(text) => {
                report::data(&text, stdout);
                return Ok(Exit::Ok);
            }
        };
        chosen = LogChoice::of(&flags, env);
        chosen.remember();
        let _logging = chosen.start();
        let settings = load(env, flags)?;
        if process == Process::Ours && settings.sandbox == Sandbox::Auto {
            confine(&settings, command == CommandName::Render, chosen.termination_log.as_deref());
        }
        match command {
            CommandName::Render => run_command(env, (settings, process), &mut summary, Ending::Write),
            CommandName::Check { offline: true, .. } => check_offline(&settings, stdout),
            CommandName::Check { show, .. } => {
                run_command(env, (settings, process), &mut summary, Ending::Check { show, stdout })
            }
            CommandName::Diff => run_command(env, (settings, process), &mut summary, Ending::Diff { stdout }),
            CommandName::Iam => print_policies(env, &settings, stdout),
        }
    };
    match outcome() {
        Ok(exit) => exit,
        Err(failure) => chosen.say(&failure, &summary),
    }
}

/// Makes a panic on any thread the end of the process: it says where it happened and nothing else (a payload may hold what
/// was being worked on), then why the run failed, as any other failure, and calls `end` with [`Exit::Bug`].
///
/// Nothing is unwound, so that the release build can do without (`panic = "abort"`), which makes it a fifth smaller. A
/// temporary file that is there is left to a later run.
pub fn end_on_panic(end: fn(Exit) -> !) {
    std::panic::set_hook(Box::new(move |panic| {
        let place = panic.location().map(|at| format!("{}:{}", at.file(), at.line())).unwrap_or_default();
        let line = format!("airflow-secrets-init: a bug at {place}; please report it\n");
        drop(std::io::stderr().write_all(line.as_bytes()));
        let chosen = SPEAKS.try_lock().ok().and_then(|chosen| chosen.clone()).unwrap_or_default();
        let failure = Failure::new(Exit::Bug, "a bug stopped the program; please report the line above");
        end(chosen.say(&failure, &Summary::start()));
    }));
}

/// Where this process speaks, for a panic: nothing can be handed to its hook.
static SPEAKS: Mutex<Option<LogChoice>> = Mutex::new(None);

/// Where a run speaks, as flags and variables say it before anything is checked.
#[derive(Clone, Default)]
struct LogChoice {
    level: Option<String>,
    format: Option<String>,
    termination_log: Option<String>,
}

impl LogChoice {
    fn of(flags: &RawSettings, env: &Env) -> Self {
        let choice = |flag: &Option<String>, name: &str| {
            let variable = || env.get(name).ok().flatten().map(str::to_owned);
            flag.clone().filter(|text| !text.is_empty()).or_else(variable)
        };
        Self {
            level: choice(&flags.log, "SECRETS_INIT_LOG"),
            format: choice(&flags.log_format, "SECRETS_INIT_LOG_FORMAT"),
            termination_log: choice(&flags.termination_log, "SECRETS_INIT_TERMINATION_LOG"),
        }
    }

    fn start(&self) -> tracing::subscriber::DefaultGuard {
        log::start(self.level.as_deref(), self.format.as_deref())
    }

    fn remember(&self) {
        if let Ok(mut speaks) = SPEAKS.lock() {
            *speaks = Some(self.clone());
        }
    }

    /// Says why a run failed, everywhere where that is said.
    fn say(&self, failure: &Failure, summary: &Summary) -> Exit {
        let _logging = self.start();
        report::failure(failure);
        report::termination_message(self.termination_log.as_deref(), failure);
        summary.failed(failure);
        failure.exit()
    }
}

/// Where the pipeline ends.
enum Ending<'a> {
    /// The files are written.
    Write,
    /// Nothing is written: what was found is printed, or the templates as they come out with placeholders.
    Check { show: bool, stdout: &'a mut dyn Write },
    /// Nothing is written: what would change is printed.
    Diff { stdout: &'a mut dyn Write },
}

impl Ending<'_> {
    const fn purpose(&self) -> Purpose {
        match self {
            Self::Write => Purpose::Write,
            Self::Check { show: false, .. } => Purpose::Check,
            Self::Check { show: true, .. } => Purpose::Show,
            Self::Diff { .. } => Purpose::Diff,
        }
    }

    /// Says in a document that nothing could be found out: who asks for one reads no log.
    fn tell(self, failure: &Failure, form: OutputForm) {
        let (command, stdout) = match self {
            Self::Write => return,
            Self::Check { stdout, .. } => ("check", stdout),
            Self::Diff { stdout } => ("diff", stdout),
        };
        if form == OutputForm::Json {
            let found = check::Report::of_verdict(command, &Err(failure.clone()));
            report::data(&check::document(&found), stdout);
        }
    }
}

/// The settings, with what is to be said of them.
fn load(env: &Env, flags: RawSettings) -> Result<Settings, Failure> {
    let settings = Settings::load(env, flags)?;
    for notice in &settings.notices {
        tracing::warn!("{notice}");
    }
    Ok(settings)
}

/// Gives up all writing but that of the run's files, where it writes any, and of the reason why it failed.
fn confine(settings: &Settings, writes: bool, termination_log: Option<&str>) {
    let targets = settings.outputs.targets();
    let places = Places::beside(targets.into_iter().filter(|_| writes));
    let path = Path::new(termination_log.unwrap_or(report::TERMINATION_LOG));
    let confined = match harden::confine(&places.and_file(path, termination_log.is_some())) {
        Confined::Fully => "fully",
        Confined::Partly => "partly: the kernel is older than 6.12",
        Confined::Not => "not at all: the kernel has no Landlock, or the container runtime denies it",
    };
    tracing::debug!("the process is confined to its files: {confined}");
}

/// What the rendering thread sees as well: a thread that does not end can't be waited for. A process of ours ends moments later,
/// and does not take the time to free it.
fn shared_with_rendering<T>(value: T, process: Process) -> Arc<T> {
    let value = Arc::new(value);
    if process == Process::Ours {
        std::mem::forget(Arc::clone(&value));
    }
    value
}

/// Renders on a thread of its own, so that no template holds up a signal, or the run for ever: not all that minijinja does
/// takes fuel. It has as long as reading had: a thousand connections take some 20 ms.
///
/// # Errors
/// [`Exit::InvalidData`] when it takes longer; [`Exit::TempFail`] when there can be no thread; [`Exit::Terminated`] or
/// [`Exit::Interrupted`].
async fn aside<T: Send + 'static>(
    signals: &mut Signals,
    limit: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Failure> {
    let log = tracing::dispatcher::get_default(Clone::clone);
    let (done, when_done) = tokio::sync::oneshot::channel();
    // Not tokio's own threads: where there can be none, those panic.
    let thread = std::thread::Builder::new().stack_size(memory::STACK);
    let started = thread.spawn(move || drop(done.send(tracing::dispatcher::with_default(&log, work))));
    if let Err(error) = started {
        let error = crate::text::os_error(&error);
        let line = format!("there can be no thread for rendering: {error}; raise the limit of memory or of processes");
        return Err(Failure::new(Exit::TempFail, line));
    }
    match signals.or(tokio::time::timeout(limit, when_done)).await? {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(_)) => Err(Failure::new(Exit::Bug, "rendering was cut off; please report this as a bug")),
        Err(_) => Err(Failure::new(
            Exit::InvalidData,
            format!(
                "rendering took longer than {limit:?}; look for a template that makes a list of itself many times over, give the container more CPU, or set a longer SECRETS_INIT_DEADLINE"
            ),
        )),
    }
}

/// The pipeline.
fn run_command(
    env: &Env,
    (settings, process): (Settings, Process),
    summary: &mut Summary,
    mut ending: Ending<'_>,
) -> Result<Exit, Failure> {
    settings.refuse_terraform()?;
    let settings = &shared_with_rendering(settings, process);
    let plan = &Arc::new(Plan::of(settings));
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build().map_err(|error| {
        Failure::new(Exit::Bug, format!("the runtime can't start: {}", crate::text::os_error(&error)))
    })?;
    let outcome = runtime.block_on(async {
        let mut signals = Signals::listen()?;
        let signals = &mut signals;
        let found = match find(settings, plan, env, summary, signals).await {
            Ok(entries) => {
                let entries = shared_with_rendering(entries, process);
                let (settings, plan, seen, purpose) =
                    (settings.clone(), plan.clone(), entries.clone(), ending.purpose());
                let preparing = aside(signals, settings.deadline, move || prepare(&settings, &plan, &seen, purpose));
                preparing.await.map(|prepared| (entries, prepared))
            }
            Err(failure) => Err(failure),
        };
        let (entries, prepared) = match found {
            Ok(found) => found,
            Err(failure) => {
                ending.tell(&failure, settings.output);
                return Err(failure);
            }
        };
        summary.take_left_out(&prepared.not_carried);
        if let (Some(found), Ending::Check { stdout, .. }) = (&prepared.found, &mut ending) {
            report::found(found, settings.output, *stdout, env);
        }
        prepared.verdict?;
        if matches!(ending, Ending::Write | Ending::Diff { .. }) {
            report::left_out(entries.left_out.iter().chain(&prepared.not_carried), &settings.policies);
            report::large_set(entries.connections.len(), settings);
        }
        let outcome = match ending {
            Ending::Check { show: false, .. } => "checked",
            Ending::Check { show: true, stdout } => {
                let of_thread = settings.clone();
                let shown = aside(signals, settings.deadline, move || {
                    let rendered = render::templates(&of_thread, &entries.with_placeholders())?;
                    Ok(rendered.into_iter().map(File::from).collect::<Vec<File>>())
                });
                report::placeholders(&shown.await??, stdout);
                "checked"
            }
            Ending::Diff { stdout } => {
                prepared.difference.map_or("same", |found| report::difference(&found, settings.output, stdout))
            }
            Ending::Write => match write(&prepared.files, signals).await? {
                Change::Written => "written",
                Change::Unchanged => "unchanged",
            },
        };
        summary.done(outcome, settings);
        Ok(if outcome == report::DIFFERENT { Exit::Different } else { Exit::Ok })
    });
    // A name that is still being resolved holds a thread for as long as the resolver likes; nobody waits for it.
    runtime.shutdown_background();
    outcome
}

/// Asks and converts.
async fn find(
    settings: &Settings,
    plan: &Plan,
    env: &Env,
    summary: &mut Summary,
    signals: &mut Signals,
) -> Result<Entries, Failure> {
    // On the heap: the futures of the SDK are large.
    let fetched = signals.or(Box::pin(resolve(settings, plan, env, summary))).await??;
    let rules = convert::rules(&settings.kwargs, settings.target);
    let entries = Entries::of(fetched, plan, &rules, settings.template_env.clone());
    summary.take(&entries, plan);
    report::aside(&entries.aside, &settings.policies);
    Ok(entries)
}

/// What rendering is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Write,
    Check,
    Show,
    Diff,
}

/// What rendering came to. Nothing of it is borrowed, so that what it was made of can go.
struct Prepared {
    not_carried: Vec<LeftOut>,
    verdict: Result<(), Failure>,
    /// For `render`.
    files: Vec<File>,
    /// For `check`, whatever the verdict.
    found: Option<check::Report>,
    /// For `diff`.
    difference: Option<diff::Report>,
}

/// Judges, renders and checks. What is wrong is the verdict; what came of the rest is there all the same, for `check`.
fn prepare(settings: &Settings, plan: &Plan, entries: &Entries, purpose: Purpose) -> Prepared {
    let (mut files, mut not_carried) = (Vec::new(), Vec::new());
    let verdict = entries.judge(&settings.policies, plan).and_then(|()| {
        (files, not_carried) = render::all(settings, entries)?;
        convert::judge(&not_carried, &settings.policies)?;
        render::refuse_emptied(&files, &not_carried, settings.policies.empty)?;
        files.iter().try_for_each(|file| verify::check(file, settings.target))
    });
    let found = (purpose == Purpose::Check)
        .then(|| check::report(plan, entries, &not_carried, &files, &settings.policies, &verdict));
    let difference = (purpose == Purpose::Diff && verdict.is_ok()).then(|| diff::report(&files));
    let files = if purpose == Purpose::Write { files.into_iter().map(File::from).collect() } else { Vec::new() };
    Prepared { not_carried, verdict, files, found, difference }
}

/// Settings and templates alone; nobody is asked.
fn check_offline(settings: &Settings, stdout: &mut dyn Write) -> Result<Exit, Failure> {
    settings.refuse_terraform()?;
    let found = check::offline(settings, &Plan::of(settings));
    report::in_form(settings.output, &found, || found.text(), stdout);
    Ok(Exit::Ok)
}

/// The policies that the settings need; nobody is asked.
fn print_policies(env: &Env, settings: &Settings, stdout: &mut dyn Write) -> Result<Exit, Failure> {
    let policies = iam::Policies::of(settings, &Plan::of(settings), &iam::PodHints::of(env))?;
    for notice in &policies.notices {
        tracing::warn!("{notice}");
    }
    let text = match settings.output {
        OutputForm::Text | OutputForm::Json => iam::json::text(&policies),
        OutputForm::Terraform => iam::hcl::text(&policies),
    };
    report::data(&text, stdout);
    Ok(Exit::Ok)
}

/// Asks the stores, inside the deadline.
async fn resolve(
    settings: &Settings,
    plan: &Plan,
    env: &Env,
    summary: &mut Summary,
) -> Result<fetch::Fetched, Failure> {
    let end = Instant::now() + settings.deadline;
    if !settings.jitter.is_zero() {
        let wait = settings.jitter.mul_f64(fastrand::f64());
        tracing::debug!(wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX), "waiting before the first call");
        tokio::time::sleep(wait).await;
    }
    match &settings.store {
        StoreChoice::Aws => {
            let opening = tokio::time::timeout_at(end, store::aws::open(settings, plan, env)).await;
            let stores = opening.unwrap_or_else(|_| Err(too_late(settings, None)))?;
            Box::pin(ask(plan, &stores, settings, summary, end)).await
        }
        StoreChoice::File(path) => {
            tracing::warn!("secrets come from the file {}, not from AWS", text::printable(&path.display().to_string()));
            ask(plan, &store::file::open(path, plan)?, settings, summary, end).await
        }
    }
}

async fn ask<S: SecretStore>(
    plan: &Plan,
    stores: &[S],
    settings: &Settings,
    summary: &mut Summary,
    end: Instant,
) -> Result<fetch::Fetched, Failure> {
    let policies = &settings.policies;
    let shared = fetch::Shared {
        // What is left to the own account is for what is asked by name after that.
        until: (policies.shared != Policy::Error).then(|| end - settings.deadline / 10),
        may_be_invalid: policies.about_shared(Exit::InvalidData) != Policy::Error,
    };
    let fetching = tokio::time::timeout_at(end, fetch::fetch(plan, stores, &settings.selection, shared));
    let told = || format!("reading secrets: {} calls", stores.iter().map(SecretStore::calls).sum::<u64>());
    let fetched = progress::beside(log::is_for_people(settings.log_format), fetching, told).await;
    summary.api_calls = stores.iter().map(SecretStore::calls).sum();
    fetched.unwrap_or_else(|_| Err(too_late(settings, stores.iter().find_map(SecretStore::trouble))))
}

fn too_late(settings: &Settings, trouble: Option<StoreError>) -> Failure {
    let line = format!(
        "the deadline of {:?} passed before every secret was read; a retry may help, or a longer SECRETS_INIT_DEADLINE",
        settings.deadline
    );
    let last = trouble.map(|error| format!("what it met last: {error}"));
    Failure::with_lines(Exit::TempFail, std::iter::once(line).chain(last).collect())
}

/// Puts the files in place. Nothing is written before everything has rendered.
async fn write(files: &[File], signals: &mut Signals) -> Result<Change, Failure> {
    write::remove_leftovers(files.iter().map(|file| file.path.as_path()));
    let stage = |file: &File| write::stage(&file.path, &file.bytes, file.mode);
    let staged = files.iter().map(stage).collect::<Result<Vec<_>, _>>()?;
    signals.check().await?;
    write::commit_all(staged)
}

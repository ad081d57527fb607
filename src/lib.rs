//! Renders Airflow's connections, variables and config values from AWS Secrets Manager into the files that Airflow's
//! LocalFilesystemBackend reads, and into templates of the user's own.
//!
//! [`run`] goes from arguments to settings to one command of [`pipeline`]. docs/ARCHITECTURE.md walks through the modules;
//! each imports only those that stand below it in the table there.

pub mod airflow;
pub mod commands;
pub mod config;
pub mod convert;
pub mod error;
pub mod fetch;
pub mod model;
pub mod pipeline;
pub mod plan;
pub mod process;
pub mod python;
pub mod refresh;
pub mod render;
pub mod report;
pub mod steps;
pub mod store;
pub mod text;
pub mod verify;
pub mod write;

use std::ffi::OsString;
use std::io::Write;
use std::path::Path;

use crate::commands::print;
use crate::commands::publish_index::{self, PublishWay};
use crate::config::cli::{self, CommandName, Parsed, RawSettings};
use crate::config::env::Env;
use crate::config::places::{DEFAULT_TERMINATION_LOG, status_file};
use crate::config::settings::{OutputForm, Sandbox, Settings, StoreChoice};
use crate::error::{ConfigErrors, Exit, Failure};
use crate::plan::Plan;
use crate::process::harden::{self, Confined, Places, Process};
use crate::process::limits;
use crate::process::signals::Signals;
use crate::refresh::status::{self, Judgement};
use crate::render::template::load::Templates;
use crate::report::channels::Channels;
use crate::report::summary::Summary;
use crate::steps::Run;
use crate::store::aws::configuration::Configuration;

/// Runs the program: reads the arguments (the program's own name first) and the environment, does what they say, and
/// reports how it ended. Writes data to `stdout`, everything else to stderr. A process of its own is confined to the places
/// that the settings name.
pub fn run(args: impl IntoIterator<Item = OsString>, env: &Env, stdout: &mut dyn Write, process: Process) -> Exit {
    let mut summary = Summary::start();
    let args: Vec<OsString> = args.into_iter().collect();
    let stays = process == Process::Ours && cli::will_refresh(&args, env);
    let hangup = if stays { Signals::outlive_hangup() } else { Ok(()) };
    let mut errors = ConfigErrors::default();
    let mut channels = Channels::of(&RawSettings::default().with_variables(env, &mut ConfigErrors::default()), env);
    channels.remember();
    let outcome = || {
        hangup?;
        let (command, flags) = match cli::parse(args)? {
            Parsed::Run(command, flags) => (command, *flags),
            Parsed::Print(text) => return print::data(&text, stdout).map(|()| Exit::Ok),
        };
        let raw = flags.with_variables(env, &mut errors);
        channels = Channels::of(&raw, env);
        channels.remember();
        let _logging = channels.start_log();
        if let CommandName::Status { max_age, alive } = command {
            let judgement = Judgement { max_age, by_attempt: alive };
            return Ok(status::run(&status_file(&raw), judgement, raw.output.as_deref(), stdout));
        }
        let (settings, templates, plan) = prepare(env, &raw, command, std::mem::take(&mut errors))?;
        for notice in settings.notices.iter().chain(&plan.notices) {
            tracing::warn!("{notice}");
        }
        if !command.is_offline() {
            limits::check_open_files()?;
        }
        let is_asked = matches!(settings.store, StoreChoice::Aws) && !command.is_offline();
        let aws = is_asked.then(|| Configuration::read(&settings, &plan, env)).transpose()?;
        if process == Process::Ours && settings.sandbox == Sandbox::Auto {
            confine(&settings, command == CommandName::Render, channels.termination_log.as_deref());
        }
        match command {
            CommandName::Check { offline: true, .. } => pipeline::check_offline(&settings, &plan, env, stdout),
            CommandName::Iam => pipeline::iam(&settings, &plan, env, stdout),
            CommandName::PublishIndex { create, dry_run } => {
                let run = Run::new((settings, templates, plan), env, aws, process, &mut summary);
                pipeline::publish_index(run, PublishWay { create, dry_run }, stdout)
            }
            command => {
                let run = Run::new((settings, templates, plan), env, aws, process, &mut summary);
                match command {
                    CommandName::Check { show: true, .. } => pipeline::show(run, stdout),
                    CommandName::Check { .. } => pipeline::check(run, stdout),
                    CommandName::Diff => pipeline::diff(run, stdout),
                    _ => pipeline::render(run),
                }
            }
        }
    };
    match outcome() {
        Ok(exit) => exit,
        Err(failure) => channels.failed(&failure, &summary),
    }
}

/// Settings, templates and plan, or everything that is wrong with them.
fn prepare(
    env: &Env,
    raw: &RawSettings,
    command: CommandName,
    mut errors: ConfigErrors,
) -> Result<(Settings, Templates, Plan), Failure> {
    let read = Settings::read(env, raw, &mut errors);
    let templates = Templates::load(&read.templates, env, &mut errors);
    let is_terraform = read.settings.as_ref().is_some_and(|settings| settings.output == OutputForm::Terraform);
    if is_terraform && command != CommandName::Iam {
        let problem = "terraform is a form of what iam prints; text and json are those of this command";
        errors.add("SECRETS_INIT_OUTPUT", problem);
    }
    let publishes = publish_index::is_meant(command, read.settings.as_ref(), &mut errors);
    let mut settings = errors.into_result(read.settings)?;
    let mut needs = settings.needs();
    templates.add_needs(&mut needs);
    if publishes {
        needs = publish_index::prepare(&mut settings);
    }
    let plan = Plan::of(&settings, &needs);
    Ok((settings, templates, plan))
}

/// Gives up all writing but that of the run's files, where it writes any, and of the reason why it failed.
fn confine(settings: &Settings, writes: bool, termination_log: Option<&str>) {
    let status = settings.refresh.iter().map(|refresh| refresh.status_file.as_path());
    let targets = settings.outputs.targets().into_iter().chain(status);
    let places = Places::beside(targets.filter(|_| writes));
    let path = Path::new(termination_log.unwrap_or(DEFAULT_TERMINATION_LOG));
    let confined = match harden::confine(&places.and_file(path, termination_log.is_some())) {
        Confined::Fully => "fully",
        Confined::Partly => "partly: the kernel is older than 6.12",
        Confined::Not => "not at all: the kernel has no Landlock, or the container runtime denies it",
    };
    tracing::debug!("the process is confined to its files: {confined}");
}

//! The way of a run: plan → fetch → convert → render → verify → write. Each command is one short function over the same
//! steps; only `render` writes.

use std::cell::RefCell;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::commands::check::offline::{Known, OfflineReport};
use crate::commands::check::report::{self as check, CheckReport};
use crate::commands::publish_index::{self, PublishReport, PublishWay};
use crate::commands::{diff, iam, print};
use crate::config::env::Env;
use crate::config::settings::{OutputForm, Settings, StoreChoice};
use crate::convert::left_out::{LeftOut, judge};
use crate::convert::{self, Entries};
use crate::error::{Exit, Failure};
use crate::fetch::answers::Fetched;
use crate::fetch::resolve::fetch;
use crate::fetch::shared::SharedPolicy;
use crate::model::policy::Policy;
use crate::plan::{Plan, Source};
use crate::process::harden::Process;
use crate::process::signals::Signals;
use crate::process::{limits, memory};
use crate::render::files::{self, FinishedFile, Rendered};
use crate::render::template::load::Templates;
use crate::report::overdue::Overdue;
use crate::report::summary::Summary;
use crate::report::{left_out, log, progress};
use crate::store::aws::configuration::Configuration;
use crate::store::error::StoreError;
use crate::store::secret_store::{IndexStore, SecretStore};
use crate::write::Change;
use crate::{store, text, verify, write};

/// What a run is about, and what it has come to.
pub struct Run<'a> {
    inputs: Arc<Inputs>,
    env: &'a Env,
    /// Where secrets come from AWS.
    aws: Option<Configuration>,
    process: Process,
    summary: &'a mut Summary,
    overdue: Overdue,
    /// What a file can't hold; known once everything has rendered.
    not_carried: Vec<LeftOut>,
}

/// What is known before anything is asked.
struct Inputs {
    settings: Settings,
    templates: Templates,
    plan: Plan,
}

// ---- commands --------------------------------------------------------------------------------------------------

/// Resolves everything and writes the files.
///
/// # Errors
/// Whatever ends a run; no file is changed then.
pub fn render(mut run: Run<'_>) -> Result<Exit, Failure> {
    block_on(async |signals| {
        let entries = run.resolve(signals).await?;
        let owned = |prepared: Prepared<'_>| {
            prepared.verdict.map(|()| prepared.files.into_iter().map(FinishedFile::from).collect::<Vec<_>>())
        };
        let files = run.rendered(&entries, signals, owned).await??;
        run.report_left_out(&entries);
        run.overdue.stand_down();
        let outcome = match put_in_place(&files, signals).await? {
            Change::Written => "written",
            Change::Unchanged => "unchanged",
        };
        run.summary.done(outcome, &run.inputs.settings);
        Ok(Exit::Ok)
    })
}

/// Resolves and renders everything, and prints what was found. Ends as a render would.
///
/// # Errors
/// Whatever would end a render; what was found is printed all the same.
pub fn check(mut run: Run<'_>, stdout: &mut dyn Write) -> Result<Exit, Failure> {
    let form = run.inputs.settings.output;
    let found = block_on(async |signals| {
        let entries = run.resolve(signals).await?;
        let (inputs, seen) = (run.inputs.clone(), entries.clone());
        let report = run.rendered(&entries, signals, move |prepared| {
            let Prepared { files, not_carried, verdict } = prepared;
            let policies = &inputs.settings.policies;
            (check::report(&inputs.plan, &seen, &not_carried, &files, policies, &verdict), verdict)
        });
        report.await
    });
    let (found, verdict) = or_document("check", found, form, stdout)?;
    print::in_form(form, &found, || found.text(print::in_colour(run.env)), stdout)?;
    verdict?;
    run.summary.done("checked", &run.inputs.settings);
    Ok(Exit::Ok)
}

/// Prints the user's templates as they come out, with placeholders in the place of values.
///
/// # Errors
/// Whatever would end a render.
pub fn show(mut run: Run<'_>, stdout: &mut dyn Write) -> Result<Exit, Failure> {
    let form = run.inputs.settings.output;
    let shown = block_on(async |signals| {
        let entries = run.resolve(signals).await?;
        run.rendered(&entries, signals, |prepared| prepared.verdict).await??;
        let inputs = run.inputs.clone();
        let shown = on_thread(signals, inputs.settings.deadline, move || {
            let files = files::user_templates(&inputs.settings, &inputs.templates, &entries.with_placeholders())?;
            Ok(files.into_iter().map(FinishedFile::from).collect::<Vec<_>>())
        });
        shown.await?
    });
    print::files(&or_document("check", shown, form, stdout)?, stdout)?;
    run.summary.done("checked", &run.inputs.settings);
    Ok(Exit::Ok)
}

/// Prints what a render would change in the files that are there. Ends with [`Exit::Different`] where it would change any.
///
/// # Errors
/// Whatever would end a render.
pub fn diff(mut run: Run<'_>, stdout: &mut dyn Write) -> Result<Exit, Failure> {
    let form = run.inputs.settings.output;
    let found = block_on(async |signals| {
        let entries = run.resolve(signals).await?;
        let report = |prepared: Prepared<'_>| prepared.verdict.map(|()| diff::report(&prepared.files));
        let report = run.rendered(&entries, signals, report).await??;
        run.report_left_out(&entries);
        Ok(report)
    });
    let found = or_document("diff", found, form, stdout)?;
    print::in_form(form, &found, || found.text(), stdout)?;
    let (outcome, exit) = if found.different { ("different", Exit::Different) } else { ("same", Exit::Ok) };
    run.summary.done(outcome, &run.inputs.settings);
    Ok(exit)
}

/// Prints what settings and templates ask for; no call is made.
///
/// # Errors
/// What a render is certain to end with, whatever the accounts hold; [`Exit::Io`] when it can't be printed.
pub fn check_offline(settings: &Settings, plan: &Plan, env: &Env, stdout: &mut dyn Write) -> Result<Exit, Failure> {
    let known = Known::of(plan, env);
    let verdict = known.verdict(settings, plan);
    for line in known.not_known() {
        tracing::warn!("{line}");
    }
    let found = OfflineReport::of(settings, plan, &known, &verdict);
    print::in_form(settings.output, &found, || found.text(), stdout)?;
    verdict.map(|()| Exit::Ok)
}

/// Prints the policies that the settings need; no call is made.
///
/// # Errors
/// [`Exit::Config`] for settings that no policy can serve; [`Exit::Io`] when they can't be printed.
pub fn iam(settings: &Settings, plan: &Plan, env: &Env, stdout: &mut dyn Write) -> Result<Exit, Failure> {
    let policies = iam::build::policies(settings, plan, env)?;
    for notice in &policies.notices {
        tracing::warn!("{notice}");
    }
    let text = match settings.output {
        OutputForm::Text | OutputForm::Json => iam::json::text(&policies),
        OutputForm::Terraform => iam::hcl::text(&policies),
    };
    print::data(&text, stdout)?;
    Ok(Exit::Ok)
}

/// Writes which secrets the account holds into the index, and prints what has changed in it. With `dry_run` nothing is written,
/// and the run ends with [`Exit::Different`] where something would be.
///
/// # Errors
/// Whatever ends a run; the index is as it was then, or the new one.
pub fn publish_index(mut run: Run<'_>, way: PublishWay, stdout: &mut dyn Write) -> Result<Exit, Failure> {
    let form = run.inputs.settings.output;
    let published = block_on(async |signals| signals.or(Box::pin(run.publish(way))).await?);
    let report = or_document("publish-index", published, form, stdout)?;
    run.overdue.expect_no_end();
    print::in_form(form, &report, || report.text(), stdout)?;
    run.summary.take_published(|kind| report.count(kind));
    run.summary.done(report.outcome.word(), &run.inputs.settings);
    Ok(report.outcome.exit())
}

// ---- steps -----------------------------------------------------------------------------------------------------

/// What rendering came to.
struct Prepared<'a> {
    /// Every file, as far as it came.
    files: Vec<Rendered<'a>>,
    /// What a file can't hold.
    not_carried: Vec<LeftOut>,
    /// Whether they may be written.
    verdict: Result<(), Failure>,
}

impl<'a> Run<'a> {
    /// A run with these settings.
    #[must_use]
    pub fn new(
        (settings, templates, plan): (Settings, Templates, Plan),
        env: &'a Env,
        aws: Option<Configuration>,
        process: Process,
        summary: &'a mut Summary,
    ) -> Self {
        let overdue = Overdue::watch(process);
        let inputs = shared_with_rendering(Inputs { settings, templates, plan }, process);
        Self { inputs, env, aws, process, summary, overdue, not_carried: Vec::new() }
    }

    /// Asks and converts.
    async fn resolve(&mut self, signals: &mut Signals) -> Result<Arc<Entries>, Failure> {
        // On the heap: the futures of the SDK are large.
        let fetched = signals.or(Box::pin(self.fetch())).await??;
        let Inputs { settings, templates, plan } = &*self.inputs;
        // Rendering has a deadline of its own.
        self.overdue.expect_within(settings.deadline * 2);
        let rules = convert::rules(&settings.kwargs, settings.target);
        let entries = Entries::of(fetched, plan, &rules, templates.env.clone());
        self.summary.take(&entries, plan);
        left_out::skipped_accounts(&entries.skipped_accounts, &settings.policies);
        left_out::empty_accounts(&entries.empty, &settings.policies);
        Ok(shared_with_rendering(entries, self.process))
    }

    /// Asks the stores, inside the deadline.
    async fn fetch(&mut self) -> Result<Fetched, Failure> {
        let inputs = self.inputs.clone();
        let Inputs { settings, plan, .. } = &*inputs;
        let end = self.begin().await;
        match &settings.store {
            StoreChoice::Aws => {
                let stores = self.open_aws()?;
                Box::pin(self.ask(plan, &stores, settings, end)).await
            }
            StoreChoice::File(path) => {
                tracing::warn!("secrets come from the file {}, not from AWS", text::shown(path));
                self.ask(plan, &store::file::open(path, plan)?, settings, end).await
            }
        }
    }

    /// Waits as long as the jitter wants, and gives when the deadline is.
    async fn begin(&mut self) -> Instant {
        let settings = &self.inputs.settings;
        // A `credential_process` has taken its part of the time.
        let begun = self.aws.as_ref().map_or_else(Instant::now, |aws| aws.begun.into());
        let end = begun + settings.deadline;
        self.overdue.expect_within(end.saturating_duration_since(Instant::now()));
        if !settings.jitter.is_zero() {
            let wait = settings.jitter.mul_f64(fastrand::f64());
            let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
            tracing::debug!(wait_ms, "waiting before the first call");
            tokio::time::sleep(wait).await;
        }
        end
    }

    /// The store of each of the plan's accounts, in AWS.
    fn open_aws(&self) -> Result<Vec<impl IndexStore + use<>>, Failure> {
        limits::check_threads()?;
        let configuration = self
            .aws
            .as_ref()
            .ok_or_else(|| Failure::new(Exit::Bug, "AWS's configuration was not read; please report this as a bug"))?;
        store::aws::client::open(&self.inputs.settings, &self.inputs.plan, configuration, self.env)
    }

    /// Lists the account and writes its index, inside the deadline.
    async fn publish(&mut self, way: PublishWay) -> Result<PublishReport, Failure> {
        let inputs = self.inputs.clone();
        let Inputs { settings, plan, .. } = &*inputs;
        let end = self.begin().await;
        let stores = self.open_aws()?;
        let Some(store) = stores.first() else {
            let line = "nothing is published: connections_prefix is null, and no other prefix is set";
            return Err(Failure::new(Exit::Config, line));
        };
        let published =
            tokio::time::timeout_at(end, Box::pin(publish_index::publish(way, settings, plan, store))).await;
        self.summary.api_calls = store.calls();
        let trouble = || store.trouble().map(|error| (&Source::Own, error));
        published.unwrap_or_else(|_| Err(too_late(settings, (&[], "the index was published"), trouble())))
    }

    async fn ask<S: SecretStore>(
        &mut self,
        plan: &Plan,
        stores: &[S],
        settings: &Settings,
        end: Instant,
    ) -> Result<Fetched, Failure> {
        let policies = &settings.policies;
        let shared = SharedPolicy {
            // What is left to the own account is for what is asked by name after that.
            until: (policies.shared != Policy::Error).then(|| end - settings.deadline / 10),
            may_be_invalid: policies.about_shared(Exit::InvalidData) != Policy::Error,
        };
        let failed = RefCell::default();
        let calls = || stores.iter().map(SecretStore::calls).sum::<u64>();
        let fetching = tokio::time::timeout_at(end, fetch(plan, stores, &settings.selection, shared, &failed));
        let message = || format!("reading secrets: {} calls", calls());
        let fetched = progress::beside(log::is_for_people(settings.log_format), fetching, message).await;
        self.summary.api_calls = calls();
        let trouble = plan.accounts.iter().zip(stores);
        let trouble = trouble.filter_map(|(account, store)| Some((&account.source, store.trouble()?)));
        fetched.unwrap_or_else(|_| Err(too_late(settings, (&failed.take(), "every secret was read"), trouble)))
    }

    /// Judges, renders and verifies on a thread of its own, and gives what `finish` makes of it there.
    async fn rendered<T: Send + 'static>(
        &mut self,
        entries: &Arc<Entries>,
        signals: &mut Signals,
        finish: impl FnOnce(Prepared<'_>) -> T + Send + 'static,
    ) -> Result<T, Failure> {
        let (inputs, entries) = (self.inputs.clone(), entries.clone());
        let working = on_thread(signals, self.inputs.settings.deadline, move || {
            let prepared = prepare(&inputs, &entries);
            (prepared.not_carried.clone(), finish(prepared))
        });
        let (not_carried, done) = working.await?;
        // Who reads what is printed may take their time.
        self.overdue.expect_no_end();
        self.summary.take_left_out(&not_carried);
        self.not_carried = not_carried;
        Ok(done)
    }

    fn report_left_out(&self, entries: &Entries) {
        let settings = &self.inputs.settings;
        left_out::report(entries.left_out.iter().chain(&self.not_carried), &settings.policies);
        left_out::notes(entries);
        left_out::teams(entries, &settings.teams);
        left_out::large_set(entries.connections.len(), settings);
    }
}

/// Judges, renders and verifies.
fn prepare<'a>(inputs: &'a Inputs, entries: &'a Entries) -> Prepared<'a> {
    let Inputs { settings, templates, plan } = inputs;
    let (mut files, mut not_carried) = (Vec::new(), Vec::new());
    let verdict = entries.judge(&settings.policies, plan).and_then(|()| {
        (files, not_carried) = files::all(settings, templates, entries)?;
        judge(&not_carried, &settings.policies)?;
        files::refuse_emptied(&files, &not_carried, settings.policies.empty)?;
        files.iter().try_for_each(|file| verify::check(file, settings.target))?;
        write::check_targets(files.iter().map(|file| file.path))
    });
    Prepared { files, not_carried, verdict }
}

/// Puts the files in place. Nothing is written before everything has rendered.
async fn put_in_place(files: &[FinishedFile], signals: &mut Signals) -> Result<Change, Failure> {
    write::remove_leftovers(files.iter().map(|file| file.path.as_path()));
    let stage = |file: &FinishedFile| write::stage(&file.path, &file.bytes, file.mode);
    let staged = files.iter().map(stage).collect::<Result<Vec<_>, _>>()?;
    signals.check().await?;
    write::commit_all(staged)
}

/// A document that says why nothing could be found out, where a document was asked for: who asks for one reads no log.
fn or_document<T>(
    command: &'static str,
    found: Result<T, Failure>,
    form: OutputForm,
    stdout: &mut dyn Write,
) -> Result<T, Failure> {
    if let (Err(failure), OutputForm::Json) = (&found, form) {
        print::data(&print::document(&CheckReport::of_verdict(command, &Err(failure.clone()))), stdout)?;
    }
    found
}

/// Says what is known when the deadline passes: accounts that have failed, and what each met last.
fn too_late<'a>(
    settings: &Settings,
    (failed, before): (&[Failure], &str),
    trouble: impl IntoIterator<Item = (&'a Source, StoreError)>,
) -> Failure {
    let mut lines = vec![format!(
        "the deadline of {:?} passed before {before}; a retry may help, or a longer SECRETS_INIT_DEADLINE",
        settings.deadline
    )];
    lines.extend(failed.iter().flat_map(|failure| failure.lines().to_vec()));
    lines.extend(trouble.into_iter().map(|(source, error)| format!("what the {source} met last: {error}")));
    Failure::with_lines(Exit::TempFail, lines)
}

// ---- threads ---------------------------------------------------------------------------------------------------

/// Runs on the one thread that asks, with handlers for signals.
fn block_on<T>(work: impl AsyncFnOnce(&mut Signals) -> Result<T, Failure>) -> Result<T, Failure> {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build().map_err(|error| {
        Failure::new(Exit::TempFail, format!("the runtime can't start: {}", text::os_error(&error)))
    })?;
    let outcome = runtime.block_on(async { work(&mut Signals::listen()?).await });
    // A name that is still being resolved holds a thread for as long as the resolver takes; the run does not wait for it.
    runtime.shutdown_background();
    outcome
}

/// What the rendering thread sees as well: a thread that does not end can't be waited for. A process of ours ends moments
/// later, and does not take the time to free it.
fn shared_with_rendering<T>(value: T, process: Process) -> Arc<T> {
    let value = Arc::new(value);
    if process == Process::Ours {
        std::mem::forget(Arc::clone(&value));
    }
    value
}

/// Works on a thread of its own, so that no template holds up a signal, or the run for ever: not all that minijinja does
/// takes fuel. It has as long as reading had: a thousand connections take some 20 ms.
///
/// # Errors
/// [`Exit::InvalidData`] when it takes longer; [`Exit::TempFail`] when there can be no thread; [`Exit::Terminated`] or
/// [`Exit::Interrupted`].
async fn on_thread<T: Send + 'static>(
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
        let error = text::os_error(&error);
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

//! The way of a run: plan → fetch → convert → render → verify → write. Each command is one short function over the same
//! steps; only `render` writes.

use std::cell::RefCell;
use std::io::Write;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::Instant;
use tracing::Level;
use tracing::instrument::WithSubscriber;
use tracing::subscriber::NoSubscriber;

use crate::commands::check::offline::{Known, OfflineReport};
use crate::commands::check::report::{self as check, CheckReport};
use crate::commands::diff::DiffReport;
use crate::commands::publish_index::{self, PublishReport, PublishWay};
use crate::commands::{diff, iam, print};
use crate::config::env::Env;
use crate::config::refresh::Refresh;
use crate::config::settings::{OutputForm, Selection, Settings, StoreChoice};
use crate::convert::left_out::{LeftOut, judge};
use crate::convert::{self, Entries};
use crate::error::{Exit, Failure};
use crate::fetch::answers::Fetched;
use crate::fetch::resolve::fetch;
use crate::fetch::shared::SharedPolicy;
use crate::model::policy::{Policies, Policy};
use crate::plan::{Plan, Source};
use crate::process::harden::Process;
use crate::process::limits;
use crate::process::signals::Signals;
use crate::process::threads::{block_on, on_thread, shared_with_rendering};
use crate::refresh::journal::{Journal, Reading};
use crate::refresh::last_good::{LastGood, Merged};
use crate::refresh::mounts::{self, Directories};
use crate::refresh::schedule::Schedule;
use crate::refresh::status;
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
    policies: Policies,
    /// Whether a thread still renders: one that took too long is not waited for.
    rendering: Weak<()>,
}

/// What was put in place by a later reading.
struct Written {
    entries: Arc<Entries>,
    merged: Merged,
    not_carried: Vec<LeftOut>,
    changes: DiffReport,
}

/// What is known before anything is asked.
struct Inputs {
    settings: Settings,
    templates: Templates,
    plan: Plan,
}

// ---- commands --------------------------------------------------------------------------------------------------

/// Resolves everything and writes the files; where the settings say so, again and again.
///
/// # Errors
/// Whatever ends a run; no file is changed then. Once the files are in place, nothing but a signal ends one that reads again.
pub fn render(mut run: Run<'_>) -> Result<Exit, Failure> {
    block_on(async |signals| {
        if let Some(refresh) = &run.inputs.settings.refresh {
            signals.listen_to_hangup()?;
            status::remove(&refresh.status_file);
        }
        let entries = run.resolve(signals).await?;
        let finished = |prepared: Prepared<'_>| prepared.finished();
        let files = run.rendered(&entries, signals, finished).await??;
        run.report_left_out(&entries);
        run.overdue.stand_down();
        let outcome = match put_in_place(&files, signals).await? {
            Change::Written => "written",
            Change::Unchanged => "unchanged",
        };
        run.summary.done(outcome, &run.inputs.settings);
        match run.inputs.settings.refresh.clone() {
            None => Ok(Exit::Ok),
            Some(refresh) => refresh_until_signal(&mut run, &refresh, entries, signals).await,
        }
    })
}

/// Reads again and again, and keeps what can't be read as it was.
async fn refresh_until_signal(
    run: &mut Run<'_>,
    refresh: &Refresh,
    entries: Arc<Entries>,
    signals: &mut Signals,
) -> Result<Exit, Failure> {
    let inputs = run.inputs.clone();
    let Inputs { settings, plan, .. } = &*inputs;
    let not_carried = std::mem::take(&mut run.not_carried);
    let first = Reading { entries: &entries, not_carried: &not_carried, merged: None };
    let now = Instant::now();
    let mut journal = Journal::start(refresh, (settings.file_mode, settings.policies), plan, &first, now);
    let mut last = LastGood::of(entries, &not_carried, now);
    run.policies = settings.policies.of_a_later_reading();
    let directories = Directories::of(settings.outputs.targets());
    for notice in mounts::notices(settings.outputs.targets(), run.env) {
        tracing::warn!("{notice}");
    }
    let schedule = Schedule::of(refresh.interval, &rustix::system::uname().nodename().to_string_lossy());
    let mut wait = schedule.first();
    tracing::info!("reads again every {:?}, next in {} s", refresh.interval, wait.as_secs());
    loop {
        let read = async {
            signals.sleep(wait).await?;
            // What a reading meets is said by the journal: once, not each time.
            let reading = run.read_again(&last, refresh.max_stale, signals);
            if tracing::enabled!(Level::DEBUG) {
                reading.await
            } else {
                reading.with_subscriber(NoSubscriber::default()).await
            }
        };
        let read = read.await;
        // Nothing is late while it waits.
        run.overdue.stand_down();
        let (failure, again) = match read {
            Ok((failure, written)) => (failure, Some(written)),
            Err(failure) if failure.exit() == Exit::Terminated => {
                tracing::info!("SIGTERM: the files stay as they are");
                return Ok(Exit::Ok);
            }
            Err(failure) if failure.exit() == Exit::Interrupted => {
                return Err(Failure::new(Exit::Interrupted, "SIGINT: the files stay as they are"));
            }
            Err(failure) => (Some(directories.explain(failure)), None),
        };
        let reading = again.as_ref().map(|Written { entries, merged, not_carried, changes }| {
            (Reading { entries, not_carried, merged: Some(merged) }, changes)
        });
        let now = Instant::now();
        match failure {
            None => reading.into_iter().for_each(|(reading, changes)| journal.succeeded(plan, &reading, changes, now)),
            Some(failure) => journal.failed(plan, &failure, reading, now),
        }
        if let Some(Written { entries, merged, not_carried, .. }) = again {
            let read_at = if journal.failures() == 0 { now } else { last.read_at };
            last = LastGood::after(merged, entries, &not_carried, read_at);
        }
        wait = schedule.next(journal.failures(), fastrand::f64());
    }
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

impl Prepared<'_> {
    /// The files, if they may be written.
    fn finished(self) -> Result<Vec<FinishedFile>, Failure> {
        self.verdict.map(|()| self.files.into_iter().map(FinishedFile::from).collect())
    }
}

impl<'a> Run<'a> {
    /// A run with these settings.
    pub fn new(
        (settings, templates, plan): (Settings, Templates, Plan),
        env: &'a Env,
        aws: Option<Configuration>,
        process: Process,
        summary: &'a mut Summary,
    ) -> Self {
        let overdue = Overdue::watch(process);
        let policies = settings.policies;
        let inputs = shared_with_rendering(Inputs { settings, templates, plan }, process);
        Self { inputs, env, aws, process, summary, overdue, not_carried: Vec::new(), policies, rendering: Weak::new() }
    }

    /// Asks and converts.
    async fn resolve(&mut self, signals: &mut Signals) -> Result<Arc<Entries>, Failure> {
        let inputs = self.inputs.clone();
        let Inputs { settings, plan, .. } = &*inputs;
        let entries = self.read(&settings.selection, settings.jitter, signals).await?;
        self.summary.take(&entries, plan);
        left_out::skipped_accounts(&entries.skipped_accounts, &settings.policies);
        left_out::empty_accounts(&entries.empty, &settings.policies);
        // A process that reads again lives on.
        let process = if settings.refresh.is_some() { Process::Shared } else { self.process };
        Ok(shared_with_rendering(entries, process))
    }

    async fn read(
        &mut self,
        selection: &Selection,
        jitter: Duration,
        signals: &mut Signals,
    ) -> Result<Entries, Failure> {
        // On the heap: the futures of the SDK are large.
        let fetched = signals.or(Box::pin(self.fetch(selection, jitter))).await??;
        let Inputs { settings, templates, plan } = &*self.inputs;
        // Rendering has a deadline of its own.
        self.overdue.expect_within(settings.deadline * 2);
        let rules = convert::rules(&settings.kwargs, settings.target);
        Ok(Entries::of(fetched, plan, &rules, templates.env.clone()))
    }

    /// Reads once more and puts in place what comes of it: of a reading that failed, and why, what was there without what was unconfirmed
    /// for too long.
    async fn read_again(
        &mut self,
        last: &LastGood,
        max_stale: Option<Duration>,
        signals: &mut Signals,
    ) -> Result<(Option<Failure>, Written), Failure> {
        let inputs = self.inputs.clone();
        let Inputs { settings, plan, .. } = &*inputs;
        if self.rendering.strong_count() > 0 {
            let line = "the rendering of an earlier reading has not ended: look for a template that makes a list of itself many times over";
            return Err(Failure::new(Exit::InvalidData, line));
        }
        self.overdue = Overdue::watch(self.process);
        let selection = Selection { known: last.known(plan), ..settings.selection.clone() };
        let (failure, entries, mut merged) = match self.read(&selection, Duration::ZERO, signals).await {
            Ok(read) => {
                let (entries, merged) = last.merge(read, plan, Instant::now(), max_stale);
                (None, entries, merged)
            }
            Err(failure) if failure.is_signal() => return Err(failure),
            Err(failure) => match last.without_stale(Instant::now(), max_stale, &failure.to_string()) {
                Some((entries, merged)) => (Some(failure), entries, merged),
                None => return Err(failure),
            },
        };
        // What must not stay goes, whatever is left.
        self.policies.empty = if merged.has_dropped() { Policy::Warn } else { settings.policies.empty };
        let mut entries = Arc::new(entries);
        let (changes, files) = loop {
            let compared = |prepared: Prepared<'_>| {
                let changes = diff::report(&prepared.files);
                prepared.finished().map(|files| (changes, files))
            };
            let done = self.rendered(&entries, signals, compared).await??;
            match last.put_back((&entries, &mut merged), &self.not_carried, Instant::now(), max_stale) {
                Some(without) => entries = Arc::new(without),
                None => break done,
            }
        };
        self.overdue.stand_down();
        put_in_place(&files, signals).await?;
        let not_carried = std::mem::take(&mut self.not_carried);
        Ok((failure, Written { entries, merged, not_carried, changes }))
    }

    /// Asks the stores, inside the deadline.
    async fn fetch(&mut self, selection: &Selection, jitter: Duration) -> Result<Fetched, Failure> {
        let inputs = self.inputs.clone();
        let Inputs { settings, plan, .. } = &*inputs;
        let end = self.begin(jitter).await;
        match &settings.store {
            StoreChoice::Aws => {
                let stores = self.open_aws()?;
                Box::pin(self.ask((plan, selection), &stores, settings, end)).await
            }
            StoreChoice::File(path) => {
                tracing::warn!("secrets come from the file {}, not from AWS", text::shown(path));
                self.ask((plan, selection), &store::file::open(path, plan)?, settings, end).await
            }
        }
    }

    /// Waits at random, no longer than the jitter, and gives when the deadline is.
    async fn begin(&mut self, jitter: Duration) -> Instant {
        let settings = &self.inputs.settings;
        // A `credential_process` has taken its part of the time.
        let begun = self.aws.as_ref().map_or_else(Instant::now, |aws| aws.begun.into());
        let end = begun + settings.deadline;
        self.overdue.expect_within(end.saturating_duration_since(Instant::now()));
        if !jitter.is_zero() {
            let wait = jitter.mul_f64(fastrand::f64());
            let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
            tracing::debug!(wait_ms, "waiting before the first call");
            tokio::time::sleep(wait).await;
        }
        end
    }

    /// The store of each of the plan's accounts, in AWS.
    fn open_aws(&mut self) -> Result<Vec<impl IndexStore + use<>>, Failure> {
        limits::check_threads()?;
        let Inputs { settings, plan, .. } = &*self.inputs;
        // The first time as it was read before the process was confined; then as its files are now.
        let configuration = match self.aws.take() {
            Some(configuration) => configuration,
            None => Configuration::read(settings, plan, self.env)?,
        };
        store::aws::client::open(settings, plan, &configuration, self.env)
    }

    /// Lists the account and writes its index, inside the deadline.
    async fn publish(&mut self, way: PublishWay) -> Result<PublishReport, Failure> {
        let inputs = self.inputs.clone();
        let Inputs { settings, plan, .. } = &*inputs;
        let end = self.begin(settings.jitter).await;
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
        (plan, selection): (&Plan, &Selection),
        stores: &[S],
        settings: &Settings,
        end: Instant,
    ) -> Result<Fetched, Failure> {
        let policies = &self.policies;
        let shared = SharedPolicy {
            // What is left to the own account is for what is asked by name after that.
            until: (policies.shared != Policy::Error).then(|| end - settings.deadline / 10),
            may_be_invalid: policies.about_shared(Exit::InvalidData) != Policy::Error,
        };
        let failed = RefCell::default();
        let calls = || stores.iter().map(SecretStore::calls).sum::<u64>();
        let fetching = tokio::time::timeout_at(end, fetch(plan, stores, selection, shared, &failed));
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
        let (inputs, entries, policies) = (self.inputs.clone(), entries.clone(), self.policies);
        let rendering = Arc::new(());
        self.rendering = Arc::downgrade(&rendering);
        let working = on_thread(signals, self.inputs.settings.deadline, move || {
            let prepared = prepare(&inputs, &entries, policies);
            let done = (prepared.not_carried.clone(), finish(prepared));
            drop(rendering);
            done
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
fn prepare<'a>(inputs: &'a Inputs, entries: &'a Entries, policies: Policies) -> Prepared<'a> {
    let Inputs { settings, templates, plan } = inputs;
    let (mut files, mut not_carried) = (Vec::new(), Vec::new());
    let verdict = entries.judge(&policies, plan).and_then(|()| {
        (files, not_carried) = files::all(settings, templates, entries)?;
        judge(&not_carried, &policies)?;
        files::refuse_emptied(&files, &not_carried, policies.empty)?;
        files.iter().try_for_each(|file| verify::check(file, settings.target))?;
        let status = settings.refresh.iter().map(|refresh| refresh.status_file.as_path());
        write::check_targets(files.iter().map(|file| file.path).chain(status))
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

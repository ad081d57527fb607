//! The commands: each is one short function over the steps of [`steps`](crate::steps), plan → fetch → convert → render → verify →
//! write. Only `render` writes, once or in a loop.

use std::io::Write;
use std::sync::Arc;

use tokio::time::Instant;
use tracing::Level;
use tracing::instrument::WithSubscriber;
use tracing::subscriber::NoSubscriber;

use crate::commands::check::offline::{Known, OfflineReport};
use crate::commands::check::report::{self as check, CheckReport};
use crate::commands::publish_index::PublishWay;
use crate::commands::{diff, iam, print};
use crate::config::env::Env;
use crate::config::refresh::Refresh;
use crate::config::settings::{OutputForm, Settings};
use crate::convert::Entries;
use crate::error::{Exit, Failure};
use crate::plan::Plan;
use crate::process::signals::Signals;
use crate::process::threads::{block_on, on_thread};
use crate::refresh::journal::{Journal, Reading};
use crate::refresh::last_good::LastGood;
use crate::refresh::mounts::{self, Directories};
use crate::refresh::schedule::Schedule;
use crate::refresh::status;
use crate::render::files::{self, FinishedFile};
use crate::steps::{Inputs, Prepared, Run, Written, put_in_place};
use crate::write::Change;

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
        // A process that reads again lives on, and is not to hold them for its life.
        drop(files);
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
    let first = Reading { is_read: true, entries: &entries, not_carried: &not_carried, merged: None };
    let now = Instant::now();
    let mut journal = Journal::start(refresh, (settings.file_mode, settings.policies), plan, &first, now);
    let mut last = LastGood::of(entries, &not_carried, now);
    run.policies = settings.policies.of_a_later_reading();
    run.is_later = true;
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
            Ok(written) => (written.failure.clone(), Some(written)),
            Err(failure) if failure.exit() == Exit::Terminated => {
                tracing::info!("SIGTERM: the files stay as they are");
                return Ok(Exit::Ok);
            }
            Err(failure) if failure.exit() == Exit::Interrupted => {
                return Err(Failure::new(Exit::Interrupted, "SIGINT: the files stay as they are"));
            }
            Err(failure) => (Some(directories.explain(failure)), None),
        };
        let reading = again.as_ref().map(|Written { is_read, entries, merged, not_carried, changes, .. }| {
            (Reading { is_read: *is_read, entries, not_carried, merged: Some(merged) }, changes)
        });
        let now = Instant::now();
        match failure {
            None => reading.into_iter().for_each(|(reading, changes)| journal.succeeded(plan, &reading, changes, now)),
            Some(failure) => journal.failed(plan, &failure, reading, now),
        }
        if let Some(Written { is_read, entries, merged, not_carried, .. }) = again {
            let read_at = if is_read { now } else { last.read_at };
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
            let Prepared { files, not_carried, verdict, .. } = prepared;
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
            let entries = entries.with_placeholders();
            let (files, done) = files::user_templates(&inputs.settings, &inputs.templates, &entries);
            done.map(|()| files.into_iter().map(FinishedFile::from).collect::<Vec<_>>())
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

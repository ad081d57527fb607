//! One run: what it is about, and the steps that the commands share, in the order in which they are taken.

use std::cell::RefCell;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::Instant;

use crate::commands::diff::{self, DiffReport};
use crate::commands::publish_index::{self, PublishReport, PublishWay};
use crate::config::env::Env;
use crate::config::settings::{Selection, Settings, StoreChoice};
use crate::convert::left_out::{LeftOut, judge};
use crate::convert::{self, Entries};
use crate::error::{Exit, Failure};
use crate::fetch::answers::{Fetched, all_or_every_failure};
use crate::fetch::resolve::fetch;
use crate::fetch::shared::SharedPolicy;
use crate::model::policy::{Policies, Policy};
use crate::plan::{Plan, Source};
use crate::process::harden::Process;
use crate::process::limits;
use crate::process::signals::Signals;
use crate::process::threads::{on_thread, shared_with_rendering};
use crate::refresh::last_good::{LastGood, Merged};
use crate::render::files::{self, FinishedFile, Rendered};
use crate::render::template::load::Templates;
use crate::report::overdue::Overdue;
use crate::report::summary::Summary;
use crate::report::{left_out, log, progress};
use crate::store::aws::configuration::{Configuration, CredentialSource};
use crate::store::error::StoreError;
use crate::store::secret_store::{IndexStore, SecretStore};
use crate::text::shown;
use crate::write::Change;
use crate::{store, verify, write};

/// What a run is about, and what it has come to.
pub struct Run<'a> {
    pub inputs: Arc<Inputs>,
    pub env: &'a Env,
    /// Where secrets come from AWS.
    aws: Option<Configuration>,
    /// Where the credentials of the first reading came from.
    credentials: Option<CredentialSource>,
    process: Process,
    pub summary: &'a mut Summary,
    pub overdue: Overdue,
    /// What a file can't hold; known once everything has rendered.
    pub not_carried: Vec<LeftOut>,
    pub policies: Policies,
    /// Whether files of this process are in place: what is wrong with the status alone no longer keeps them from being refreshed.
    pub is_later: bool,
    /// Whether a thread still renders: one that took too long is not waited for.
    rendering: Weak<()>,
}

/// What was put in place by a later reading.
pub struct Written {
    /// Why the reading counts as failed all the same.
    pub failure: Option<Failure>,
    /// Whether the accounts were read; else it is what there was, without what was unconfirmed for too long.
    pub is_read: bool,
    pub entries: Arc<Entries>,
    pub merged: Merged,
    pub not_carried: Vec<LeftOut>,
    pub changes: DiffReport,
}

/// What is known before anything is asked.
pub struct Inputs {
    pub settings: Settings,
    pub templates: Templates,
    pub plan: Plan,
}

/// What rendering came to.
pub struct Prepared<'a> {
    /// Every file, as far as it came.
    pub files: Vec<Rendered<'a>>,
    /// What a file can't hold.
    pub not_carried: Vec<LeftOut>,
    /// Of a later reading: templates that can't be rendered, whose files stay as they are.
    pub templates: Result<(), Failure>,
    /// Whether they may be written.
    pub verdict: Result<(), Failure>,
}

impl Prepared<'_> {
    /// The files, if they may be written.
    pub fn finished(self) -> Result<Vec<FinishedFile>, Failure> {
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
        let (not_carried, rendering) = (Vec::new(), Weak::new());
        Self {
            inputs,
            env,
            aws,
            credentials: None,
            process,
            summary,
            overdue,
            not_carried,
            policies,
            is_later: false,
            rendering,
        }
    }

    /// Asks and converts.
    pub async fn resolve(&mut self, signals: &mut Signals) -> Result<Arc<Entries>, Failure> {
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

    /// Reads once more and puts in place what comes of it: of accounts that could not be read, what was there without what was unconfirmed
    /// for too long.
    pub async fn read_again(
        &mut self,
        last: &LastGood,
        max_stale: Option<Duration>,
        signals: &mut Signals,
    ) -> Result<Written, Failure> {
        let inputs = self.inputs.clone();
        let Inputs { settings, plan, .. } = &*inputs;
        if self.rendering.strong_count() > 0 {
            let line = "the rendering of an earlier reading has not ended: look for a template that makes a list of itself many times over";
            return Err(Failure::new(Exit::InvalidData, line));
        }
        self.overdue = Overdue::watch(self.process);
        let selection = Selection { known: last.known(plan), ..settings.selection.clone() };
        let read = self.read(&selection, Duration::ZERO, signals).await;
        let (read_failure, mut entries, mut merged) = match read.and_then(|read| last.of_same_account(read)) {
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
        let must_go = last.must_go(&merged, Instant::now(), max_stale);
        self.policies.empty = if must_go { Policy::Warn } else { settings.policies.empty };
        entries.held = settings.outputs.airflow_env.iter().flat_map(|file| last.held_in(&shown(&file.path))).collect();
        let mut entries = Arc::new(entries);
        let (changes, templates, files) = loop {
            let compared = |prepared: Prepared<'_>| {
                let changes = diff::report(&prepared.files);
                let templates = prepared.templates.clone();
                prepared.finished().map(|files| (changes, templates, files))
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
        let is_read = read_failure.is_none();
        let all = vec![read_failure.map_or(Ok(()), Err), merged.own_account(), templates];
        let failure = all_or_every_failure(all).err();
        Ok(Written { failure, is_read, entries, merged, not_carried, changes })
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
                tracing::warn!("secrets come from the file {}, not from AWS", shown(path));
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
        let source = configuration.source_of_credentials();
        let before = *self.credentials.get_or_insert(source);
        // What names no source that can be used is reported by itself.
        if before.iter().zip(source).any(|(before, now)| before.is_some() && now.is_some() && *before != now) {
            let line = "the credentials would come from another kind of source than at the start: a file, a profile or a variable that named them is gone; put it back, or restart the container where that is meant";
            return Err(Failure::new(Exit::Denied, line));
        }
        store::aws::client::open(settings, plan, &configuration, self.env)
    }

    /// Lists the account and writes its index, inside the deadline.
    pub async fn publish(&mut self, way: PublishWay) -> Result<PublishReport, Failure> {
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
            was_read: self.is_later,
        };
        let failed = RefCell::default();
        let calls = || stores.iter().map(SecretStore::calls).sum::<u64>();
        let rules = convert::rules(&settings.kwargs, settings.target);
        let ahead = convert::reads_ahead(&rules);
        let fetching = tokio::time::timeout_at(end, fetch(plan, stores, selection, shared, &ahead, &failed));
        let message = || format!("reading secrets: {} calls", calls());
        let fetched = progress::beside(log::is_for_people(settings.log_format), fetching, message).await;
        self.summary.api_calls = calls();
        let trouble = plan.accounts.iter().zip(stores);
        let trouble = trouble.filter_map(|(account, store)| Some((&account.source, store.trouble()?)));
        fetched.unwrap_or_else(|_| Err(too_late(settings, (&failed.take(), "every secret was read"), trouble)))
    }

    /// Judges, renders and verifies on a thread of its own, and gives what `finish` makes of it there.
    pub async fn rendered<T: Send + 'static>(
        &mut self,
        entries: &Arc<Entries>,
        signals: &mut Signals,
        finish: impl FnOnce(Prepared<'_>) -> T + Send + 'static,
    ) -> Result<T, Failure> {
        let (inputs, entries, judged_by) = (self.inputs.clone(), entries.clone(), (self.policies, self.is_later));
        let rendering = Arc::new(());
        self.rendering = Arc::downgrade(&rendering);
        let working = on_thread(signals, self.inputs.settings.deadline, move || {
            let prepared = prepare(&inputs, &entries, judged_by);
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

    pub fn report_left_out(&self, entries: &Entries) {
        let settings = &self.inputs.settings;
        left_out::report(entries.left_out.iter().chain(&self.not_carried), &settings.policies);
        left_out::notes(entries);
        left_out::teams(entries, &settings.teams);
        left_out::large_set(entries, settings);
    }
}

/// Judges, renders and verifies.
fn prepare<'a>(inputs: &'a Inputs, entries: &'a Entries, (policies, is_later): (Policies, bool)) -> Prepared<'a> {
    let Inputs { settings, templates, plan } = inputs;
    let (mut files, mut not_carried, mut of_templates) = (Vec::new(), Vec::new(), Ok(()));
    let verdict = entries.judge(&policies, plan).and_then(|()| {
        let all = files::all(settings, templates, entries);
        // Later, one file that can't be written anew, or holds nothing any more, does not hold back the others.
        if is_later {
            of_templates = all.templates;
        } else {
            all.templates?;
        }
        (files, not_carried) = (all.files, all.not_carried);
        if !is_later {
            judge(&not_carried, &policies)?;
            files::refuse_emptied(&files, &not_carried, policies.empty)?;
        }
        files.iter().try_for_each(|file| verify::check(file, settings.target))?;
        let status = settings.refresh.iter().filter(|_| !is_later).map(|refresh| refresh.status_file.as_path());
        write::check_targets(files.iter().map(|file| file.path).chain(status))
    });
    Prepared { files, not_carried, templates: of_templates, verdict }
}

/// Puts the files in place. Nothing is written before everything has rendered.
pub async fn put_in_place(files: &[FinishedFile], signals: &mut Signals) -> Result<Change, Failure> {
    write::remove_leftovers(files.iter().map(|file| file.path.as_path()));
    let stage = |file: &FinishedFile| write::stage(&file.path, &file.bytes, file.mode);
    let staged = files.iter().map(stage).collect::<Result<Vec<_>, _>>()?;
    signals.check().await?;
    write::commit_all(staged)
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

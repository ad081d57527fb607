//! A herd: its conditions, and what came of it.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use airflow_secrets_init::error::{Exit, Failure};
use fastrand::Rng;
use serde_json::{Value, json};
use tokio::task::LocalSet;
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::aws::{Aws, Count};
use crate::floor::{self, Floor};
use crate::network::{Exchange, Network};
use crate::pod::Template;
use crate::quotas::Quotas;

/// A pod that is started again loses its first run within so long a time.
const RESTARTED_WITHIN: Duration = Duration::from_secs(10);

/// What starts, and under which conditions.
#[derive(Clone, Debug)]
pub struct Herd {
    pub pods: usize,
    /// Connections of the own account, and of the shared one, through a role.
    pub own: usize,
    pub shared: usize,
    /// Within how long a time all pods start, evenly.
    pub spread: Duration,
    pub exchange: Exchange,
    /// Whether the credentials of the pod come from STS.
    pub cold: bool,
    /// The quotas times this.
    pub quotas: f64,
    /// How many of the pods are started again, from 0 to 1: killed or not, ten seconds after their start at the latest.
    pub restarted: f64,
    /// Variables of every pod, such as `SECRETS_INIT_JITTER`.
    pub variables: Vec<(String, String)>,
    /// Whether every call goes through the whole SDK, which takes ten times the CPU time, and not only those of STS.
    pub whole_sdk: bool,
    pub seed: u64,
}

/// What came of it.
pub struct Outcome {
    pub pods: usize,
    pub succeeded: usize,
    /// From the start of each pod's last run to its end, ascending, whether it succeeded or not.
    pub walls: Vec<Duration>,
    /// From the first start to the last end.
    pub all: Duration,
    pub calls: BTreeMap<(&'static str, &'static str), Count>,
    pub floor: Floor,
    /// Why pods failed.
    pub reasons: BTreeSet<String>,
}

impl Outcome {
    /// What this share of the pods does not exceed.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "few pods"
    )]
    pub fn percentile(&self, share: f64) -> Duration {
        let place = (self.walls.len() as f64 * share) as usize;
        self.walls.get(place.min(self.walls.len().saturating_sub(1))).copied().unwrap_or_default()
    }

    /// All figures; times in seconds.
    #[must_use]
    pub fn json(&self) -> Value {
        let seconds = |time: Duration| (time.as_secs_f64() * 1000.0).round() / 1000.0;
        let mut calls: BTreeMap<&str, Count> = BTreeMap::new();
        for ((_, operation), count) in &self.calls {
            let sum = calls.entry(operation).or_default();
            sum.answered += count.answered;
            sum.throttled += count.throttled;
        }
        let calls: BTreeMap<_, _> = calls
            .into_iter()
            .map(|(operation, Count { answered, throttled })| {
                (operation, json!({"answered": answered, "throttled": throttled}))
            })
            .collect();
        json!({
            "pods": self.pods,
            "succeeded": self.succeeded,
            "p50": seconds(self.percentile(0.5)),
            "p99": seconds(self.percentile(0.99)),
            "max": seconds(self.percentile(1.0)),
            "all_s": seconds(self.all),
            "floor_s": (self.floor.seconds * 1000.0).round() / 1000.0,
            "floor_by": self.floor.by,
            "calls": calls,
            "reasons": self.reasons,
        })
    }
}

#[derive(Default)]
struct Ended {
    walls: Vec<Duration>,
    succeeded: usize,
    reasons: BTreeSet<String>,
}

impl Herd {
    /// Runs it.
    ///
    /// # Errors
    /// When the program does not take the variables, or this process can't have a file or a runtime.
    pub fn run(&self) -> Result<Outcome, Failure> {
        let io = |error: std::io::Error| Failure::new(Exit::Io, format!("the herd can't start: {error}"));
        let mut token = tempfile::NamedTempFile::new().map_err(io)?;
        token.write_all(b"token").map_err(io)?;
        let file = self.cold.then(|| token.path());
        let template = Rc::new(Template::new((self.own, self.shared), file, &self.variables, self.whole_sdk)?);
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().map_err(io)?;
        // That of the engine, for its waits.
        fastrand::seed(self.seed);
        Ok(LocalSet::new().block_on(&runtime, self.started(template)))
    }

    async fn started(&self, template: Rc<Template>) -> Outcome {
        let quotas = Quotas::published(self.quotas);
        #[expect(clippy::cast_precision_loss, reason = "few pods")]
        let runs = self.pods as f64 * (1.0 + self.restarted);
        let is_named = self.variables.iter().any(|(name, _)| name == "SECRETS_INIT_CONN_IDS");
        let floor = floor::of(runs, (self.own, self.shared), is_named, self.cold, &quotas);
        let network = Arc::new(Network::new(Aws::new(self.own, self.shared, quotas), self.exchange, self.seed));
        let mut random = Rng::with_seed(self.seed);
        let ended = Rc::new(RefCell::new(Ended::default()));
        let begin = Instant::now();
        let tasks: Vec<_> = (0..self.pods)
            .map(|number| {
                let start = begin + self.spread.mul_f64(share(number, self.pods));
                let is_restarted = random.f64() < self.restarted;
                let again = is_restarted.then(|| start + RESTARTED_WITHIN.mul_f64(random.f64()));
                tokio::task::spawn_local(of_pod(start, again, template.clone(), network.clone(), ended.clone()))
            })
            .collect();
        for task in tasks {
            drop(task.await);
        }
        let Ended { mut walls, succeeded, reasons } = ended.take();
        walls.sort_unstable();
        Outcome { pods: self.pods, succeeded, walls, all: begin.elapsed(), calls: network.aws.calls(), floor, reasons }
    }
}

#[expect(clippy::cast_precision_loss, reason = "few pods")]
fn share(number: usize, of: usize) -> f64 {
    number as f64 / of as f64
}

async fn of_pod(
    mut start: Instant,
    again: Option<Instant>,
    template: Rc<Template>,
    network: Arc<Network>,
    ended: Rc<RefCell<Ended>>,
) {
    sleep_until(start).await;
    if let Some(again) = again {
        // Whatever came of the first run is lost.
        drop(timeout_at(again, Box::pin(template.run(&network))).await);
        sleep_until(again).await;
        start = again;
    }
    let outcome = Box::pin(template.run(&network)).await;
    let mut ended = ended.borrow_mut();
    ended.walls.push(start.elapsed());
    match outcome {
        Ok(()) => ended.succeeded += 1,
        Err(failure) => drop(ended.reasons.insert(failure.to_string())),
    }
}

//! What all connections of a server share.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, RwLock};

use crate::faults::Faults;
use crate::log::Log;
use crate::quotas::Buckets;
use crate::scenario::{Fault, Scenario, ScenarioError};
use crate::sessions::Sessions;
use crate::sync::{read, write};
use crate::world::World;

/// State behind the endpoints.
#[derive(Debug)]
pub struct Shared {
    pub world: RwLock<World>,
    pub sessions: Sessions,
    pub faults: Faults,
    pub buckets: Buckets,
    pub log: Arc<Log>,
    requests: AtomicU64,
}

impl Shared {
    pub fn new() -> Self {
        Self {
            world: RwLock::default(),
            sessions: Sessions::default(),
            faults: Faults::default(),
            buckets: Buckets::default(),
            log: Arc::new(Log::new()),
            requests: AtomicU64::new(0),
        }
    }

    /// Adds a scenario to the state.
    pub fn extend(&self, mut scenario: Scenario) -> Result<(), ScenarioError> {
        let faults = std::mem::take(&mut scenario.faults);
        let new_quotas = scenario.settings.quotas.is_some();
        write(&self.world).load(scenario)?;
        if new_quotas {
            self.buckets.reset();
        }
        self.faults.extend(faults, self.seed());
        Ok(())
    }

    /// Puts a scenario in the place of the state. Sessions and the log stay.
    pub fn replace(&self, mut scenario: Scenario) -> Result<(), ScenarioError> {
        let faults = std::mem::take(&mut scenario.faults);
        let mut world = World::default();
        world.load(scenario)?;
        *write(&self.world) = world;
        self.buckets.reset();
        self.faults.replace(faults, self.seed());
        Ok(())
    }

    /// Adds faults to those in force, or replaces them.
    pub fn set_faults(&self, faults: Vec<Fault>, replace: bool) {
        if replace {
            self.faults.replace(faults, self.seed());
        } else {
            self.faults.extend(faults, self.seed());
        }
    }

    fn seed(&self) -> u64 {
        read(&self.world).settings.seed()
    }

    /// A request id in AWS's notation.
    pub fn request_id(&self) -> String {
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        format!("00000000-0000-4000-8000-{number:012x}")
    }
}

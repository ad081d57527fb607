//! Where the `backend_kwargs` come from: a setting, Airflow's variables, a file; with `$NAME` replaced and keys laid over.

use std::collections::BTreeSet;
use std::path::Path;

use crate::config::cli::RawSettings;
use crate::config::expand::{Expanded, expand};
use crate::config::files;
use crate::config::kwargs::BackendKwargs;
use crate::config::kwargs_reader;
use crate::config::values::SettingsReader;
use crate::text::{os_error, printable};

impl SettingsReader<'_> {
    /// The kwargs, or `None` where there is no object.
    pub fn kwargs(&mut self, raw: &RawSettings) -> Option<BackendKwargs> {
        let expand_env = self.boolean("EXPAND_ENV", raw.expand_env.as_deref(), true);
        let mut overlay = self.overlay("AIRFLOW__SECRETS__BACKEND_KWARG__");
        let (place, text) = if let Some(given) = raw.backend_kwargs.as_deref() {
            ("SECRETS_INIT_BACKEND_KWARGS", self.kwargs_text(given)?)
        } else if let Some(text) = self.variable("AIRFLOW__SECRETS__BACKEND_KWARGS") {
            ("AIRFLOW__SECRETS__BACKEND_KWARGS", text)
        } else if let Some(text) = self.variable("AIRFLOW__WORKERS__SECRETS_BACKEND_KWARGS") {
            overlay.extend(self.overlay("AIRFLOW__WORKERS__SECRETS_BACKEND_KWARG__"));
            ("AIRFLOW__WORKERS__SECRETS_BACKEND_KWARGS", text)
        } else if overlay.is_empty() {
            self.no_kwargs();
            return None;
        } else {
            ("AIRFLOW__SECRETS__BACKEND_KWARG__*", "{}".to_owned())
        };
        let as_it_is = Expanded { text: text.clone(), unset: BTreeSet::new() };
        let Ok(expanded) = (if expand_env { expand(&text, self.env) } else { Ok(as_it_is) }) else {
            self.errors.add(place, "holds a $NAME whose value leads back to itself");
            return None;
        };
        let Expanded { text, unset } = expanded;
        let kwargs = kwargs_reader::parse(place, &text, (&overlay, &unset), self.errors)?;
        self.notices.extend(kwargs.notices.iter().cloned());
        Some(kwargs)
    }

    /// The text itself, or that of the file after `@`.
    fn kwargs_text(&mut self, given: &str) -> Option<String> {
        let Some(path) = given.strip_prefix('@') else { return Some(given.to_owned()) };
        match files::read_text(Path::new(path), 1 << 20) {
            Ok(text) => Some(text),
            Err(error) => {
                let problem = format!("can't read the file {}: {}", printable(path), os_error(&error));
                self.wrong("BACKEND_KWARGS", problem);
                None
            }
        }
    }

    /// Airflow 3.2's per-key variables: the key in lower case, the value as raw text (not JSON, not expanded).
    /// Source: Airflow 3.3.2 `airflow/_shared/configuration/parser.py`.
    fn overlay(&mut self, prefix: &str) -> Vec<(String, String)> {
        let names: Vec<String> = self.env.names_with_prefix(prefix).map(str::to_owned).collect();
        names
            .into_iter()
            .filter_map(|name| {
                let value = match self.env.raw(&name) {
                    Some(value) => value.to_owned(),
                    None => self.variable(&name)?,
                };
                Some((name[prefix.len()..].to_lowercase(), value))
            })
            .collect()
    }

    fn no_kwargs(&mut self) {
        let places = "AIRFLOW__SECRETS__BACKEND_KWARGS";
        for (form, why) in [
            ("_CMD", "runs a command, which this container has no shell for"),
            ("_SECRET", "would ask the secrets backend for its own configuration"),
        ] {
            for place in [places, "AIRFLOW__WORKERS__SECRETS_BACKEND_KWARGS"] {
                let name = format!("{place}{form}");
                if self.env.get(&name) != Ok(None) {
                    self.errors.add(&name, format!("is not supported: it {why}; give the JSON object itself"));
                    return;
                }
            }
        }
        self.errors.add(
            places,
            "is not set; give the init container the JSON object that Airflow's AWS secrets backend takes ('{}' takes \
             the defaults). Helm charts do not pass it on to extra init containers by themselves",
        );
    }
}

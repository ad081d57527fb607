//! What a secret is to Airflow: a connection, a variable, or the value of a config option.

use std::ops::{Index, IndexMut};

/// One of the three things that Airflow asks a secrets backend for (Airflow 2.8.1 `airflow/secrets/base_secrets.py`:
/// `get_connection`, `get_variable`, `get_config`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    Connection,
    Variable,
    /// The value of a config option, by the key that its `_SECRET` form names.
    Config,
}

impl Kind {
    /// All of them, in the order in which they are reported.
    pub const ALL: [Self; 3] = [Self::Connection, Self::Variable, Self::Config];

    /// What one is called in front of its name: `conn_id my_db`, `variable region`.
    pub const fn noun(self) -> &'static str {
        match self {
            Self::Connection => "conn_id",
            Self::Variable => "variable",
            Self::Config => "config key",
        }
    }

    /// What one is called by itself.
    pub const fn thing(self) -> &'static str {
        match self {
            Self::Connection => "connection",
            Self::Variable => "variable",
            Self::Config => "config value",
        }
    }

    /// The key of `backend_kwargs` with the prefix of their secrets.
    pub const fn prefix_key(self) -> &'static str {
        match self {
            Self::Connection => "connections_prefix",
            Self::Variable => "variables_prefix",
            Self::Config => "config_prefix",
        }
    }

    /// The key of `backend_kwargs` with the pattern of the ids that the own account is asked for.
    pub const fn pattern_key(self) -> &'static str {
        match self {
            Self::Connection => "connections_lookup_pattern",
            Self::Variable => "variables_lookup_pattern",
            Self::Config => "config_lookup_pattern",
        }
    }

    /// The setting that names them one by one.
    pub const fn names_setting(self) -> &'static str {
        match self {
            Self::Connection => "SECRETS_INIT_CONN_IDS",
            Self::Variable => "SECRETS_INIT_VARIABLE_KEYS",
            Self::Config => "SECRETS_INIT_CONFIG_KEYS",
        }
    }
}

/// One value for each kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ByKind<T>([T; 3]);

impl<T> ByKind<T> {
    /// A value for each, made in order.
    pub fn from_fn(mut make: impl FnMut(Kind) -> T) -> Self {
        Self(Kind::ALL.map(&mut make))
    }

    /// Each kind with its value.
    pub fn iter(&self) -> impl Iterator<Item = (Kind, &T)> {
        Kind::ALL.into_iter().zip(&self.0)
    }
}

impl<T> IntoIterator for ByKind<T> {
    type Item = (Kind, T);
    type IntoIter = std::iter::Zip<std::array::IntoIter<Kind, 3>, std::array::IntoIter<T, 3>>;

    fn into_iter(self) -> Self::IntoIter {
        Kind::ALL.into_iter().zip(self.0)
    }
}

impl<T> Index<Kind> for ByKind<T> {
    type Output = T;

    fn index(&self, kind: Kind) -> &T {
        &self.0[kind as usize]
    }
}

impl<T> IndexMut<Kind> for ByKind<T> {
    fn index_mut(&mut self, kind: Kind) -> &mut T {
        &mut self.0[kind as usize]
    }
}

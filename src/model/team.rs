//! Whose secrets a run renders where Airflow runs with teams.
//!
//! Rules: Amazon provider 9.39.0 `airflow/providers/amazon/aws/secrets/secrets_manager.py`. With `[core] multi_team`, a lookup of
//! `x` for a task of team `T` asks for `T--x` first, then for `x` (`_get_secret`); an id that holds `--` is refused by every getter
//! (`_names_a_team_namespace`). Options know no team (`get_config`), and a team is not tried under an empty prefix.

/// What stands between a team and an id (`TEAM_SEP`).
pub const SEPARATOR: &str = "--";

/// How names that hold [`SEPARATOR`] are read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Teams {
    /// As ids like any other: Airflow runs without teams.
    #[default]
    Off,
    /// Not at all: they are teams' secrets, and the files are no team's.
    Nobody,
    /// Those of this team as the ids behind its name, before the ids without a team; others not at all.
    Of(String),
}

/// What the part of a name that comes after the prefix stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning<'a> {
    /// This id, without a team.
    Id(&'a str),
    /// This id of the run's own team.
    OfTeam(&'a str),
    /// No id of this run.
    OfOthers,
}

impl Teams {
    /// What a name without its prefix stands for.
    pub fn meaning<'a>(&self, name: &'a str) -> Meaning<'a> {
        if *self == Self::Off || !name.contains(SEPARATOR) {
            return Meaning::Id(name);
        }
        let Self::Of(team) = self else { return Meaning::OfOthers };
        // Never parsed for a team, which can hold the separator too: only the own team's name is ever put before an id.
        match name.strip_prefix(team.as_str()).and_then(|rest| rest.strip_prefix(SEPARATOR)) {
            Some(id) if !id.is_empty() && !id.contains(SEPARATOR) => Meaning::OfTeam(id),
            _ => Meaning::OfOthers,
        }
    }

    /// Whether Airflow looks this id up at all.
    pub fn take(&self, id: &str) -> bool {
        *self == Self::Off || !id.contains(SEPARATOR)
    }
}

/// Whether a text can be a team's name (Airflow 3.3.2 `airflow/cli/commands/team_command.py` `_extract_team_name`).
pub fn is_team(name: &str) -> bool {
    (3..=50).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_of_the_own_team_of_nobody_or_no_id_at_all() {
        use Meaning::{Id, OfOthers, OfTeam};
        let of = |team: &str| Teams::Of(team.to_owned());
        for (teams, name, meaning) in [
            (Teams::Off, "team_a--x", Id("team_a--x")),
            (Teams::Nobody, "team_a--x", OfOthers),
            (Teams::Nobody, "x-y", Id("x-y")),
            (of("team_a"), "x", Id("x")),
            (of("team_a"), "team_a", Id("team_a")),
            (of("team_a"), "team_a--x", OfTeam("x")),
            (of("team_a"), "team_a--", OfOthers),
            (of("team_a"), "team_a---x", OfTeam("-x")),
            (of("team_a"), "team_b--x", OfOthers),
            (of("team_a"), "Team_a--x", OfOthers),
            (of("team_a"), "team_a--b--x", OfOthers),
            (of("team_a--b"), "team_a--b--x", OfTeam("x")),
            (of("team_a--b"), "team_a--x", OfOthers),
            (of("team"), "team_a--x", OfOthers),
            (of("team_a-"), "team_a---x", OfTeam("x")),
        ] {
            assert_eq!(teams.meaning(name), meaning, "{teams:?} {name}");
        }
        assert!(is_team("a-B_1") && !is_team("ab") && !is_team("a b c") && !is_team(&"a".repeat(51)));
    }
}

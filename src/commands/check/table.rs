//! What was found, as a table for people.

use super::rows::{FoundRow, SecretPlace};
use crate::text::printable;

/// The colour of what is wrong.
pub const RED: &str = "31";
/// The colour of what is odd.
pub const YELLOW: &str = "33";

/// A text in a colour, on a terminal.
pub fn paint(text: &str, with: &str, colour: bool) -> String {
    if colour { format!("\u{1b}[{with}m{text}\u{1b}[0m") } else { text.to_owned() }
}

/// A line for each row, under the names of the columns that have something.
pub fn table(id: &str, rows: &[FoundRow], colour: bool) -> String {
    let has = |is: fn(&FoundRow) -> bool| rows.iter().any(is);
    let places = |places: &[SecretPlace]| places.iter().map(SecretPlace::short).collect::<Vec<_>>().join(", ");
    let mut columns: Vec<(&str, Vec<String>)> = vec![
        (id, rows.iter().map(|row| printable(&row.id)).collect()),
        ("from", rows.iter().map(|row| row.from.short()).collect()),
    ];
    let mut add = |title, cell: &dyn Fn(&FoundRow) -> Option<String>| {
        columns.push((title, rows.iter().map(|row| cell(row).unwrap_or_else(|| "-".to_owned())).collect()));
    };
    if has(|row| !row.also_in.is_empty()) {
        add("also in", &|row| Some(places(&row.also_in)).filter(|text| !text.is_empty()));
    }
    if has(|row| row.form.is_some()) {
        add("conn_type", &|row| row.conn_type.clone());
        add("form", &|row| row.form.map(str::to_owned));
    }
    add("bytes", &|row| row.bytes.map(|bytes| bytes.to_string()));
    if has(|row| row.changed.is_some()) {
        add("changed", &|row| row.changed.clone());
    }
    if has(|row| row.problem.is_some()) {
        add("problem", &|row| row.problem.map(str::to_owned));
    }
    if has(|row| row.note.is_some()) {
        add("note", &|row| row.note.clone());
    }
    let widths: Vec<usize> = columns
        .iter()
        .map(|(title, cells)| cells.iter().map(|cell| cell.chars().count()).max().unwrap_or(0).max(title.len()))
        .collect();
    let mut out = String::new();
    let mut line = |cells: &[&str], with: Option<&str>| {
        let padded: Vec<String> = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        let line = padded.join("  ");
        let line = line.trim_end();
        out.push_str(&with.map_or_else(|| line.to_owned(), |with| paint(line, with, colour)));
        out.push('\n');
    };
    line(&columns.iter().map(|(title, _)| *title).collect::<Vec<_>>(), Some("1"));
    for (position, row) in rows.iter().enumerate() {
        let cells: Vec<&str> =
            columns.iter().filter_map(|(_, cells)| cells.get(position).map(String::as_str)).collect();
        let is_odd = !row.also_in.is_empty() || row.note.is_some();
        let with = row.problem.map(|_| RED).or(is_odd.then_some(YELLOW));
        line(&cells, with);
    }
    out
}

//! The policies as Terraform: a variable for each slot, a data source `aws_iam_policy_document` for each policy, and what is to
//! be said of a statement as a comment above it. Laid out as `terraform fmt` does it.

use super::document::{Condition, IamPolicies, OnlyWith, PolicyDocument, Statement, Text, special_characters};

/// Where comments are broken.
const WIDTH: usize = 110;

/// The whole file.
pub fn text(policies: &IamPolicies) -> String {
    let mut blocks: Vec<String> = policies.slots().into_iter().map(|(name, what)| variable(name, what)).collect();
    blocks.extend(policies.documents.iter().map(document));
    blocks.join("\n")
}

fn variable(name: &str, what: &str) -> String {
    let (name, what) = (quoted(&name.to_lowercase()), quoted(&template_literal(what)));
    format!("variable {name} {{\n  description = {what}\n  type        = string\n}}\n")
}

fn document(document: &PolicyDocument) -> String {
    let mut out = String::new();
    comment(&mut out, 0, &format!("Attach to: {}", document.attach_to.in_words()));
    comment(&mut out, 0, &document.why);
    line(&mut out, &format!("data \"aws_iam_policy_document\" \"{}\" {{", document.name));
    for (position, one) in document.statements.iter().enumerate() {
        if position > 0 {
            out.push('\n');
        }
        statement(&mut out, one);
    }
    out.push_str("}\n");
    out
}

fn statement(out: &mut String, statement: &Statement) {
    comment(out, 2, &format!("Needed for: {}", statement.needed_for));
    comment(out, 2, &format!("Without it: {}", statement.without_it));
    if !statement.only_with.is_empty() {
        let only: Vec<&str> = statement.only_with.iter().copied().map(OnlyWith::words).collect();
        comment(out, 2, &format!("Only with {}.", only.join(" and ")));
    }
    out.push_str("  statement {\n");
    let attributes = vec![("sid", quoted(&statement.sid)), ("actions", format!("[{}]", quoted(statement.action)))];
    columns(out, "    ", attributes, ("resources", &statement.resources));
    if !statement.principals.is_empty() {
        let of_type = ("type", quoted(statement.principal_type));
        block(out, "principals", &[of_type], ("identifiers", &statement.principals));
    }
    for Condition { operator, key, values } in &statement.conditions {
        block(out, "condition", &[("test", quoted(operator)), ("variable", quoted(&in_hcl(key)))], ("values", values));
    }
    out.push_str("  }\n");
}

fn block(out: &mut String, name: &str, first: &[(&str, String)], (last, texts): (&str, &[Text])) {
    line(out, &format!("\n    {name} {{"));
    columns(out, "      ", first.to_vec(), (last, texts));
    out.push_str("    }\n");
}

/// Attributes in one column. A list that takes several lines is no part of it; one of nothing is left out.
fn columns<'a>(
    out: &mut String,
    indent: &str,
    mut attributes: Vec<(&'a str, String)>,
    (last, texts): (&'a str, &[Text]),
) {
    if let [one] = texts {
        attributes.push((last, format!("[{}]", quoted(&in_hcl(one)))));
    }
    let widest = attributes.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    for (name, value) in attributes {
        line(out, &format!("{indent}{name:widest$} = {value}"));
    }
    if texts.len() > 1 {
        line(out, &format!("{indent}{last} = ["));
        for text in texts {
            line(out, &format!("{indent}  {},", quoted(&in_hcl(text))));
        }
        line(out, &format!("{indent}]"));
    }
}

fn line(out: &mut String, text: &str) {
    out.push_str(text);
    out.push('\n');
}

/// The text within quotes. What IAM writes `${*}` is written `&{*}` in this data source (AWS provider,
/// `aws_iam_policy_document`, "Context Variable Interpolation").
fn in_hcl(text: &Text) -> String {
    let literal = |text: &str| template_literal(&special_characters(text, '&'));
    text.written(literal, |slot| format!("${{var.{}}}", slot.to_lowercase()))
}

/// A literal within a quoted template (HCL native syntax, "Template Expressions").
fn template_literal(text: &str) -> String {
    let written = text.chars().map(|c| match c {
        '"' => "\\\"".to_owned(),
        '\\' => "\\\\".to_owned(),
        c if c.is_control() => format!("\\u{:04x}", u32::from(c)),
        c => c.to_string(),
    });
    written.collect::<String>().replace("${", "$${").replace("%{", "%%{")
}

fn quoted(template: &str) -> String {
    format!("\"{template}\"")
}

fn comment(out: &mut String, indent: usize, text: &str) {
    let mut words = String::new();
    for word in text.split_whitespace() {
        if !words.is_empty() && words.len() + 1 + word.len() > WIDTH {
            line(out, &format!("{:indent$}# {words}", ""));
            words.clear();
        }
        if !words.is_empty() {
            words.push(' ');
        }
        words.push_str(word);
    }
    line(out, &format!("{:indent$}# {words}", ""));
}

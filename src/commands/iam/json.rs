//! The policies as one JSON document. Each `policy` in it is an IAM policy by itself; JSON has no comments, so what is to be
//! said of its statements stands beside it, by `Sid`.

use serde_json::{Map, Value, json};

use super::{Condition, Document, Policies, Statement, Text};

/// The whole document, with a line end.
#[must_use]
pub fn text(policies: &Policies) -> String {
    let placeholders: Map<String, Value> =
        policies.slots().into_iter().map(|slot| (slot.name.clone(), Value::from(slot.what.as_str()))).collect();
    let documents: Vec<Value> = policies.documents.iter().map(document).collect();
    let whole = json!({"version": 1, "placeholders": placeholders, "documents": documents});
    format!("{whole:#}\n")
}

fn document(document: &Document) -> Value {
    let statements: Vec<Value> = document.statements.iter().map(about).collect();
    json!({
        "name": document.name,
        "form": document.form.word(),
        "attach_to": document.attach_to.in_words(),
        "why": document.why,
        "policy": policy(document),
        "statements": statements,
    })
}

/// The policy as IAM takes it.
#[must_use]
pub fn policy(document: &Document) -> Value {
    let statements: Vec<Value> = document.statements.iter().map(statement).collect();
    json!({"Version": "2012-10-17", "Statement": statements})
}

fn about(statement: &Statement) -> Value {
    let mut about = json!({
        "sid": statement.sid,
        "needed_for": statement.needed_for,
        "without_it": statement.without_it,
        "impact": statement.impact.word(),
    });
    if !statement.only_with.is_empty() {
        about["only_with"] = statement.only_with.iter().map(|only| only.word()).collect();
    }
    about
}

fn statement(statement: &Statement) -> Value {
    let mut object = json!({"Sid": statement.sid, "Effect": "Allow"});
    if !statement.principals.is_empty() {
        object["Principal"] = principals(statement);
    }
    object["Action"] = statement.action.into();
    if !statement.resources.is_empty() {
        object["Resource"] = one_or_many(&statement.resources);
    }
    for Condition { operator, key, values } in &statement.conditions {
        object["Condition"][operator][key.in_json()] = one_or_many(values);
    }
    object
}

fn principals(statement: &Statement) -> Value {
    let types = statement.principals_by_type();
    if types.iter().any(|(word, _)| *word == "*") {
        return "*".into();
    }
    types.into_iter().map(|(word, who)| (word.to_owned(), one_or_many(&who))).collect::<Map<_, _>>().into()
}

fn one_or_many(texts: &[Text]) -> Value {
    match texts {
        [one] => one.in_json().into(),
        many => many.iter().map(Text::in_json).collect(),
    }
}

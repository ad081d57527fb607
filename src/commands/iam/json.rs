//! The policies as one JSON document. Each `policy` in it is an IAM policy by itself; JSON has no comments, so what is to be
//! said of its statements stands beside it, by `Sid`.

use serde_json::{Map, Value, json};

use super::document::{Condition, IamPolicies, PolicyDocument, Statement, Text};

/// The whole document, with a line end.
pub fn text(policies: &IamPolicies) -> String {
    let placeholders: Map<String, Value> =
        policies.slots().into_iter().map(|(name, what)| (name.to_owned(), what.into())).collect();
    let documents: Vec<Value> = policies.documents.iter().map(document).collect();
    format!("{:#}\n", json!({"version": 1, "placeholders": placeholders, "documents": documents}))
}

fn document(document: &PolicyDocument) -> Value {
    json!({
        "name": document.name,
        "form": document.form,
        "attach_to": document.attach_to.in_words(),
        "why": document.why,
        "policy": policy(document),
        "statements": document.statements.iter().map(about).collect::<Vec<_>>(),
    })
}

/// The policy as IAM takes it.
pub fn policy(document: &PolicyDocument) -> Value {
    let statements: Vec<Value> = document.statements.iter().map(statement).collect();
    json!({"Version": "2012-10-17", "Statement": statements})
}

fn about(statement: &Statement) -> Value {
    let mut about = json!({
        "sid": statement.sid,
        "needed_for": statement.needed_for,
        "without_it": statement.without_it,
        "impact": statement.impact,
    });
    if !statement.only_with.is_empty() {
        about["only_with"] = json!(statement.only_with);
    }
    about
}

fn statement(statement: &Statement) -> Value {
    let mut object = json!({"Sid": statement.sid, "Effect": "Allow"});
    match statement.principal_type {
        _ if statement.principals.is_empty() => {}
        "*" => object["Principal"] = "*".into(),
        of_type => object["Principal"][of_type] = one_or_many(&statement.principals),
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

fn one_or_many(texts: &[Text]) -> Value {
    match texts {
        [one] => one.in_json().into(),
        many => many.iter().map(Text::in_json).collect(),
    }
}

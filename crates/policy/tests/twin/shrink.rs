//! Makes a failing case small before it is printed: leaves out what the disagreement does not need.

use serde_json::Value;

/// Leaves out policies, statements, list members, conditions and keys as long as `still_fails` says so.
pub(crate) fn shrink(policies: &[Value], still_fails: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    let mut smallest = policies.to_vec();
    while let Some(smaller) = one_step(&Value::Array(smallest.clone()))
        .into_iter()
        .filter_map(|value| value.as_array().cloned())
        .find(|candidate| still_fails(candidate))
    {
        smallest = smaller;
    }
    smallest
}

/// Everything that is one member of a list, or one `Condition`, operator or key, less.
fn one_step(value: &Value) -> Vec<Value> {
    let mut smaller = Vec::new();
    match value {
        Value::Array(members) => {
            for (index, member) in members.iter().enumerate() {
                let mut without = members.clone();
                without.remove(index);
                if !without.is_empty() {
                    smaller.push(Value::Array(without));
                }
                for step in one_step(member) {
                    let mut replaced = members.clone();
                    replaced[index] = step;
                    smaller.push(Value::Array(replaced));
                }
            }
        }
        Value::Object(members) => {
            let statement = members.contains_key("Effect");
            let document = members.contains_key("Statement");
            for (name, member) in members {
                let mut without = members.clone();
                without.remove(name);
                let droppable = if statement {
                    name == "Condition"
                } else {
                    !document
                };
                if droppable && !without.is_empty() {
                    smaller.push(Value::Object(without));
                }
                for step in one_step(member) {
                    let mut replaced = members.clone();
                    replaced.insert(name.clone(), step);
                    smaller.push(Value::Object(replaced));
                }
            }
        }
        _ => {}
    }
    smaller
}

//! Conditions that do not compare what they seem to (`TW-P026`, `TW-P028`).

use alloc::format;

use super::{Linter, rules};

impl Linter<'_> {
    pub(super) fn conditions(&mut self) {
        for condition in self
            .statements
            .iter()
            .flat_map(|statement| &statement.conditions)
        {
            let name = condition.operator.as_str();
            let plain = name
                .strip_prefix("ForAllValues:")
                .or_else(|| name.strip_prefix("ForAnyValue:"));
            let is_set = plain.is_some();
            let test = plain.unwrap_or(name);
            let test = test.strip_suffix("IfExists").unwrap_or(test);
            if matches!(
                test,
                "StringEquals"
                    | "StringNotEquals"
                    | "StringEqualsIgnoreCase"
                    | "StringNotEqualsIgnoreCase"
            ) {
                for value in &condition.values {
                    let wild = value.text.replace("${*}", "").replace("${?}", "");
                    if wild.contains(['*', '?']) {
                        let like = if test.contains("Not") {
                            "StringNotLike"
                        } else {
                            "StringLike"
                        };
                        self.add_at(
                            &rules::EXACT_WILDCARD,
                            value,
                            format!("`{}` is compared character by character", value.text),
                            format!("use `{like}` if the wildcard is meant"),
                            None,
                        );
                    }
                }
            }
            if condition.key.eq_ignore_ascii_case("iot:ConnectAttributes")
                && !is_set
                && test != "Null"
            {
                let range = condition.offset
                    ..condition
                        .offset
                        .saturating_add(condition.key.len())
                        .saturating_add(2);
                self.add(
                    &rules::SET_OPERATOR,
                    range,
                    &condition.path,
                    format!("`{name}` compares a single value"),
                    format!("use `ForAllValues:{name}` or `ForAnyValue:{name}`"),
                    None,
                );
            }
        }
    }
}

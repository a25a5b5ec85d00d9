//! Conditions that do not compare what they seem to (`TW-P026`, `TW-P028`, `TW-P029`).

use alloc::format;
use alloc::string::String;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

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
            if matches!(test, "IpAddress" | "NotIpAddress") {
                for value in &condition.values {
                    let Some(network) =
                        network(&value.text).filter(|network| *network != value.text)
                    else {
                        continue;
                    };
                    let edit = self.edit(value, 0..value.text.len(), &network);
                    self.add_at(
                        &rules::HOST_BITS,
                        value,
                        format!("`{}` is read as `{network}`", value.text),
                        format!("write `{network}`, or `/32` for one address"),
                        edit,
                    );
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

/// The range that a text such as `192.0.2.7/24` stands for: `192.0.2.0/24`; `None` if it has no length.
fn network(text: &str) -> Option<String> {
    let (address, length) = text.split_once('/')?;
    let length: u32 = length.parse().ok()?;
    let network: IpAddr = match address.parse().ok()? {
        IpAddr::V4(address) => {
            let mask = u32::MAX
                .checked_shl(32_u32.checked_sub(length)?)
                .unwrap_or(0);
            Ipv4Addr::from_bits(address.to_bits() & mask).into()
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX
                .checked_shl(128_u32.checked_sub(length)?)
                .unwrap_or(0);
            Ipv6Addr::from_bits(address.to_bits() & mask).into()
        }
    };
    // Another spelling of the same address is no mistake.
    if address.parse() == Ok(network) {
        return None;
    }
    Some(format!("{network}/{length}"))
}

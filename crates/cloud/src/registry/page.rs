//! Pages of a list, and the tokens between them (`G-22`).
//!
//! A token is the hexadecimal text of the list's name and the key of the last item shown, so it stays valid
//! while other items come and go, and a token of another list is recognised. It is not secret.

use thingwire_contract::limit::PAGE_ITEMS;

use super::RegistryError;

/// Items of a page when the caller names no number. AWS documents none for these lists (unsure).
pub const DEFAULT_PAGE_SIZE: usize = 25;

/// Which page of a list.
#[derive(Clone, Debug)]
pub struct PageRequest {
    /// The token of the page before, or none for the first page.
    pub token: Option<String>,
    /// Most items, 1 to 250 (`G-22`).
    pub size: usize,
}

impl Default for PageRequest {
    fn default() -> Self {
        Self {
            token: None,
            size: DEFAULT_PAGE_SIZE,
        }
    }
}

/// A page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The items, in the list's order.
    pub items: Vec<T>,
    /// The token of the next page; none when this is the last.
    pub next: Option<String>,
}

impl PageRequest {
    /// The key after which the page begins.
    ///
    /// # Errors
    /// Invalid when the token is not one of this list.
    pub(super) fn after(&self, list: &str) -> Result<Option<String>, RegistryError> {
        let Some(token) = self.token.as_deref() else {
            return Ok(None);
        };
        decode(token)
            .as_deref()
            .and_then(|text| text.strip_prefix(list))
            .and_then(|rest| rest.strip_prefix('\n'))
            .map(|key| Some(key.to_owned()))
            .ok_or_else(foreign_token)
    }

    /// The same for a list whose keys are numbers.
    pub(super) fn after_number(&self, list: &str) -> Result<Option<u64>, RegistryError> {
        match self.after(list)? {
            None => Ok(None),
            Some(key) => key.parse().map(Some).map_err(|_| foreign_token()),
        }
    }

    /// Takes a page from items that begin after [`Self::after`], each with its key.
    pub(super) fn take<T>(
        &self,
        list: &str,
        mut items: impl Iterator<Item = (String, T)>,
    ) -> Page<T> {
        let mut page = Page {
            items: Vec::new(),
            next: None,
        };
        let mut last = String::new();
        for (key, item) in items.by_ref().take(self.size.clamp(1, PAGE_ITEMS)) {
            page.items.push(item);
            last = key;
        }
        if items.next().is_some() {
            page.next = Some(encode(&format!("{list}\n{last}")));
        }
        page
    }
}

fn foreign_token() -> RegistryError {
    RegistryError::Invalid("The token or marker is not one that this list gave out".to_owned())
}

/// AWS's pattern of a marker is that of base64 (`[A-Za-z0-9+/]+={0,2}`); hexadecimal text is within it.
fn encode(text: &str) -> String {
    crate::pki::hex(text.as_bytes())
}

fn decode(token: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(token.len() / 2);
    let mut digits = token.chars();
    while let Some(high) = digits.next() {
        let high = high.to_digit(16)?;
        let low = digits.next()?.to_digit(16)?;
        bytes.push(u8::try_from(high << 4 | low).ok()?);
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(request: &PageRequest) -> Result<Page<u32>, RegistryError> {
        let after: u32 = request
            .after("numbers")?
            .map_or(0, |key| key.parse().unwrap_or_default());
        Ok(request.take(
            "numbers",
            (after + 1..=7).map(|number| (number.to_string(), number)),
        ))
    }

    /// `G-22`: the pages together are the list, each item once.
    #[test]
    fn pages_follow_each_other() {
        let mut request = PageRequest {
            token: None,
            size: 3,
        };
        let mut seen = Vec::new();
        loop {
            let page = numbers(&request).expect("own token");
            seen.push(page.items);
            match page.next {
                Some(token) => request.token = Some(token),
                None => break,
            }
        }
        assert_eq!(seen, [vec![1, 2, 3], vec![4, 5, 6], vec![7]]);
    }

    #[test]
    fn a_full_last_page_has_no_token() {
        let request = PageRequest {
            token: None,
            size: 7,
        };
        assert_eq!(numbers(&request).expect("first page").next, None);
    }

    /// `G-22`: an unknown token is an invalid request.
    #[test]
    fn a_foreign_token_is_refused() {
        for token in [
            "",
            "zz",
            "6e",
            "6",
            "ß",
            &encode("letters\n3"),
            &encode("numbers"),
        ] {
            let request = PageRequest {
                token: Some(token.to_owned()),
                size: 3,
            };
            assert!(
                matches!(numbers(&request), Err(RegistryError::Invalid(_))),
                "`{token}` was taken"
            );
        }
    }
}

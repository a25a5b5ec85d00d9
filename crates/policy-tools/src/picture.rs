//! An explanation as a picture for the terminal: what was asked, each statement with its mark, the character in
//! which the nearest one differs, what the variables became, and what would allow it.

use alloc::format;
use alloc::string::String;

use crate::explain::{Cure, Difference, Explained, StatementView, Verdict};
use crate::one_line::one_line;

/// What stands before and behind coloured text. [`Palette::PLAIN`] has nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Palette {
    /// It is allowed.
    pub good: (String, String),
    /// It is denied.
    pub bad: (String, String),
    /// Look here.
    pub look: (String, String),
    /// Headings.
    pub strong: (String, String),
    /// Side remarks.
    pub faint: (String, String),
}

impl Palette {
    /// No colours.
    pub const PLAIN: Self = Self {
        good: (String::new(), String::new()),
        bad: (String::new(), String::new()),
        look: (String::new(), String::new()),
        strong: (String::new(), String::new()),
        faint: (String::new(), String::new()),
    };
}

fn paint((before, behind): &(String, String), text: &str) -> String {
    format!("{before}{text}{behind}")
}

/// Draws it; `who` is the client or the device that asks.
#[must_use]
pub fn draw(explained: &Explained, who: &str, palette: &Palette) -> String {
    let mut text = String::new();
    let (decision, colour) = match explained.decision {
        "ALLOWED" => ("ALLOWED", &palette.good),
        "EXPLICIT_DENY" => ("DENIED by an explicit Deny", &palette.bad),
        _ => ("DENIED: nothing allows it", &palette.bad),
    };
    let line = |text: &mut String, content: &str| {
        text.push_str(content.trim_end());
        text.push('\n');
    };
    line(&mut text, &format!("{}  {}", paint(colour, decision), ""));
    line(
        &mut text,
        &format!(
            "  {} asks for {} on {}",
            one_line(who),
            paint(&palette.strong, explained.action),
            paint(&palette.strong, &one_line(&explained.resource))
        ),
    );
    let mut policy: Option<&str> = None;
    for (index, view) in explained.statements.iter().enumerate() {
        if policy != Some(&view.policy) {
            policy = Some(&view.policy);
            line(&mut text, "");
            line(
                &mut text,
                &format!(
                    "  policy {}",
                    paint(&palette.strong, &one_line(&view.policy))
                ),
            );
        }
        statement(&mut text, view, explained.nearest == Some(index), palette);
    }
    if explained.statements.is_empty() {
        line(&mut text, "");
        line(
            &mut text,
            "  no policy applies to this certificate, so nothing is allowed",
        );
    }
    if !explained.variables.is_empty() {
        line(&mut text, "");
        line(&mut text, "  variables");
        for variable in &explained.variables {
            let became = match (&variable.value, &variable.reason) {
                (Some(value), _) => format!("= {}", one_line(value)),
                (None, reason) => format!(
                    "{} {}",
                    paint(&palette.bad, "has no value:"),
                    one_line(reason.as_deref().unwrap_or("unknown"))
                ),
            };
            line(
                &mut text,
                &format!("    ${{{}}} {became}", one_line(&variable.name)),
            );
        }
    }
    if let Some(view) = explained
        .nearest
        .and_then(|nearest| explained.statements.get(nearest))
    {
        let what = match view.verdict {
            Verdict::Unresolved {
                would_match: true, ..
            } => Some("its variable had a value"),
            Verdict::Condition { .. } => Some("its condition held"),
            _ => None,
        };
        if let Some(what) = what {
            line(&mut text, "");
            line(
                &mut text,
                &format!(
                    "  statement {} of policy {} would allow it if {what}",
                    view.number,
                    one_line(&view.policy)
                ),
            );
        }
    }
    cure(&mut text, &explained.cure, palette);
    text
}

fn statement(text: &mut String, view: &StatementView, nearest: bool, palette: &Palette) {
    let (mark, colour) = match &view.verdict {
        Verdict::Allows => ("✓", &palette.good),
        Verdict::Denies => ("✗", &palette.bad),
        _ if nearest => ("~", &palette.look),
        _ => ("·", &palette.faint),
    };
    let head = format!(
        "{:>3} {:<5} {} on {}",
        view.number,
        view.effect,
        one_line(&view.actions),
        one_line(&view.resources)
    );
    let head = match view.verdict {
        Verdict::Allows | Verdict::Denies => paint(colour, &head),
        Verdict::OtherAction => paint(&palette.faint, &head),
        _ => head,
    };
    text.push_str(&format!("  {} {head}\n", paint(colour, mark)));
    let note = match &view.verdict {
        Verdict::Allows => paint(&palette.good, "allows it"),
        Verdict::Denies => paint(&palette.bad, "denies it, whatever allows it"),
        Verdict::OtherAction => return,
        Verdict::OtherResource(difference) if nearest => {
            return drawn_difference(text, difference, palette);
        }
        Verdict::OtherResource(_) => "another resource".into(),
        Verdict::Excluded => "speaks of everything but this resource".into(),
        Verdict::Elsewhere { resource } => format!(
            "another region or account (placeholders left?): {}",
            one_line(resource)
        ),
        Verdict::Unresolved { reason, .. } => one_line(reason),
        Verdict::Condition { reason } => {
            format!("its condition does not hold: {}", one_line(reason))
        }
    };
    text.push_str(&format!("              {note}\n"));
}

/// Both resources, one above the other, with a mark under the first character that differs.
fn drawn_difference(text: &mut String, difference: &Difference, palette: &Palette) {
    let before: String = difference
        .asked
        .chars()
        .take(difference.character.saturating_sub(1))
        .collect();
    let before = one_line(&before).chars().count();
    let asked = one_line(&difference.asked);
    let resource = one_line(&difference.resource);
    text.push_str(&format!("              asked:  {asked}\n"));
    text.push_str(&format!("              policy: {resource}\n"));
    let found = match difference.found {
        Some(character) => format!("`{}`", one_line(&String::from(character))),
        None => "the end".into(),
    };
    let wanted = match &difference.wanted {
        Some(wanted) => format!("`{}`", one_line(wanted)),
        None => "the end".into(),
    };
    // The mark stands under the asked text; with a `*` before it, the policy's own line is out of step.
    let place = format!("{}^", " ".repeat(before));
    text.push_str(&format!(
        "                      {} character {}: {found} was asked, the policy has {wanted}\n",
        paint(&palette.look, &place),
        difference.character
    ));
    if let Some(hint) = difference.hint {
        text.push_str(&format!("              {}\n", paint(&palette.look, hint)));
    }
}

fn cure(text: &mut String, cure: &Cure, palette: &Palette) {
    match cure {
        Cure::None => {}
        Cure::Add { statement } => {
            text.push_str(&format!(
                "\n  {}\n",
                paint(
                    &palette.strong,
                    "the smallest statement that would allow it"
                )
            ));
            for line in statement.lines() {
                text.push_str(&format!("    {}\n", one_line(line)));
            }
        }
        Cure::Narrow { statements } => {
            text.push_str(&format!(
                "\n  {}\n",
                paint(
                    &palette.strong,
                    "no Allow helps against a Deny; to allow it, narrow or remove"
                )
            ));
            for statement in statements {
                text.push_str(&format!("    {}\n", one_line(statement)));
            }
        }
        Cure::Elsewhere => {
            text.push_str(
                "\n  no statement can allow it: the resource is not one of this cloud's\n",
            );
        }
    }
}

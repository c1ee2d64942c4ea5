//! Values that are alike, as a table.

use crate::markdown;

use super::Data;

/// The longest text in a cell. Longer ones deserve paragraphs.
const LONGEST: usize = 120;

/// The most columns of a table.
const WIDEST: usize = 24;

/// Returns a table of objects that have nearly all the same names, or of lists that are equally long; `None` if the
/// values are not so.
pub(super) fn of(items: &[Data]) -> Option<String> {
    if items.len() < 2 {
        return None;
    }
    if items.iter().all(|item| matches!(item, Data::Object(_))) {
        return of_objects(items);
    }
    of_lists(items)
}

fn of_objects(items: &[Data]) -> Option<String> {
    let mut names = Vec::<&str>::new();
    let mut values = 0_usize;
    for item in items {
        let Data::Object(members) = item else { return None };
        for (place, (name, value)) in members.iter().enumerate() {
            value.as_short(LONGEST)?;
            if members.iter().take(place).any(|(before, _)| before == name) {
                return None;
            }
            if !names.contains(&name.as_str()) {
                names.push(name);
            }
            if names.len() > WIDEST {
                return None;
            }
        }
        values += members.len();
    }
    // A table of which a third is empty is none.
    if names.len() < 2 || values * 3 < names.len() * items.len() * 2 {
        return None;
    }

    let mut rows = vec![names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()];
    for item in items {
        let cell = |name: &&str| item.get(name).and_then(|value| value.as_short(LONGEST)).unwrap_or_default();
        rows.push(names.iter().map(cell).map(str::to_owned).collect());
    }
    Some(markdown::table(&rows))
}

fn of_lists(items: &[Data]) -> Option<String> {
    let width = items.first()?.items().len();
    if !(2..=WIDEST).contains(&width) {
        return None;
    }
    let mut rows = vec![vec![String::new(); width]];
    for item in items {
        let Data::List(values) = item else { return None };
        if values.len() != width {
            return None;
        }
        let cells = values.iter().map(|value| value.as_short(LONGEST).map(str::to_owned));
        rows.push(cells.collect::<Option<_>>()?);
    }
    Some(markdown::table(&rows))
}

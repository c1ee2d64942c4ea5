//! Facts about an expression, before it is compiled.

use fancy_regex::Expr;

/// Returns the expressions that this one is made of.
fn children(expression: &Expr) -> Vec<&Expr> {
    match expression {
        Expr::Concat(children) | Expr::Alt(children) => children.iter().collect(),
        Expr::Group(child)
        | Expr::LookAround(child, _)
        | Expr::Repeat { child, .. }
        | Expr::AtomicGroup(child) => vec![child],
        Expr::Conditional { condition, true_branch, false_branch } => {
            vec![condition, true_branch, false_branch]
        }
        _ => Vec::new(),
    }
}

/// Returns the number of groups that capture.
pub(super) fn count_groups(expression: &Expr) -> usize {
    let own = usize::from(matches!(expression, Expr::Group(_)));
    own + children(expression).into_iter().map(count_groups).sum::<usize>()
}

/// Returns the number of characters that all matches have; `None` if they differ.
pub(super) fn width(expression: &Expr) -> Option<usize> {
    match expression {
        Expr::Empty | Expr::Assertion(_) | Expr::LookAround(..) | Expr::BackrefExistsCondition(_) => Some(0),
        Expr::Any { .. } | Expr::Delegate { .. } => Some(1),
        Expr::Literal { val, .. } => Some(val.chars().count()),
        Expr::Concat(children) => {
            children.iter().try_fold(0_usize, |sum, child| sum.checked_add(width(child)?))
        }
        Expr::Alt(children) => equal(children.iter().map(width)),
        Expr::Group(child) | Expr::AtomicGroup(child) => width(child),
        Expr::Repeat { child, lo, hi, .. } if lo == hi => width(child)?.checked_mul(*lo),
        Expr::Conditional { true_branch, false_branch, .. } => {
            equal([width(true_branch), width(false_branch)].into_iter())
        }
        _ => None,
    }
}

/// Returns the width that all have; `None` if they differ, or one has none.
fn equal(mut widths: impl Iterator<Item = Option<usize>>) -> Option<usize> {
    let first = widths.next()??;
    widths.all(|width| width == Some(first)).then_some(first)
}

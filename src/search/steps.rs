//! The steps of a search, noted for whoever asks how it went.

use std::cell::RefCell;
use std::time::Instant;

use serde_json::{Map, Value};

use crate::pg::error::PgError;

/// The step in which definitions are read, tables locked and statements written.
const PREPARATION: &str = "prepare";

/// A step of a search.
#[derive(Debug, Clone, Default)]
pub struct Step {
    /// The name of the vectorizer; `None` for a step that concerns several.
    pub vectorizer: Option<String>,
    /// Its name.
    pub name: &'static str,
    /// The number of chunks that it looked at, as far as it is known.
    pub candidates: Option<usize>,
    /// The number of chunks that it has left for the next one.
    pub rows: Option<usize>,
    /// The names of the indexes that were used.
    pub index: Option<String>,
    /// The model that was asked.
    pub model: Option<String>,
    /// The tokens that were spent, by estimate.
    pub tokens: Option<u64>,
    /// The time that it took.
    pub milliseconds: f64,
    /// All else that is to be told.
    pub details: Map<String, Value>,
}

impl Step {
    /// Adds a detail.
    pub fn detail(&mut self, name: &str, value: impl Into<Value>) {
        self.details.insert(name.to_owned(), value.into());
    }

    /// Says that a model was asked: by its name, or if its server has one model only, by that of the provider.
    pub fn ask(&mut self, provider: &str, model: Option<&str>, tokens: u64) {
        self.model = Some(model.unwrap_or(provider).to_owned());
        self.tokens = Some(tokens);
        self.detail("provider", provider);
    }
}

/// The steps of a search, as far as they are noted. Each takes the time since the one before.
pub struct Steps(Option<RefCell<Noted>>);

struct Noted {
    steps: Vec<Step>,
    vectorizer: Option<String>,
    since: Instant,
}

impl Steps {
    /// Returns steps of which nobody asks.
    pub fn unnoted() -> Steps {
        Steps(None)
    }

    /// Returns steps that are noted from now on.
    pub fn noted() -> Steps {
        Steps(Some(RefCell::new(Noted { steps: Vec::new(), vectorizer: None, since: Instant::now() })))
    }

    /// Begins with a vectorizer.
    pub fn begin(&self, vectorizer: &str) {
        if let Some(noted) = &self.0 {
            noted.borrow_mut().vectorizer = Some(vectorizer.to_owned());
        }
    }

    /// Begins with what concerns all vectorizers.
    pub fn begin_for_all(&self) {
        if let Some(noted) = &self.0 {
            noted.borrow_mut().vectorizer = None;
        }
    }

    /// Notes a step that has been taken, which `describe` describes. Describing it takes none of the time of the next.
    pub fn note(
        &self,
        name: &'static str,
        describe: impl FnOnce(&mut Step) -> Result<(), PgError>,
    ) -> Result<(), PgError> {
        let Some(noted) = &self.0 else { return Ok(()) };
        let mut step = Step { name, milliseconds: noted.borrow().milliseconds(), ..Step::default() };
        describe(&mut step)?;

        let mut noted = noted.borrow_mut();
        step.vectorizer = noted.vectorizer.clone();
        noted.steps.push(step);
        noted.since = Instant::now();
        Ok(())
    }

    /// Notes that something was prepared. What is prepared of a vectorizer is one step.
    pub fn note_preparation(&self) {
        let Some(noted) = &self.0 else { return };
        let mut noted = noted.borrow_mut();
        let milliseconds = noted.milliseconds();
        let vectorizer = noted.vectorizer.clone();
        noted.since = Instant::now();

        let before =
            noted.steps.iter_mut().find(|step| step.name == PREPARATION && step.vectorizer == vectorizer);
        match before {
            Some(step) => step.milliseconds += milliseconds,
            None => {
                noted.steps.push(Step { vectorizer, name: PREPARATION, milliseconds, ..Step::default() });
            }
        }
    }

    /// Returns the steps that were noted, in their order.
    pub fn all(&self) -> Vec<Step> {
        self.0.as_ref().map(|noted| noted.borrow().steps.clone()).unwrap_or_default()
    }
}

impl Noted {
    /// Returns the milliseconds since the last step.
    fn milliseconds(&self) -> f64 {
        // To the microsecond, as Postgres shows times.
        (self.since.elapsed().as_secs_f64() * 1e6).round() / 1e3
    }
}

//! The arguments of a call of `ai.search` or `ai.explain_search`.

use pgrx::{FromDatum, fcinfo, pg_sys};

use crate::pg::json::Json;
use crate::pg::vector::Vector;
use crate::search::known::Named;

impl From<i32> for Named {
    fn from(id: i32) -> Self {
        Named::Id(id)
    }
}

impl From<String> for Named {
    fn from(name: String) -> Self {
        Named::Name(name)
    }
}

/// The question of a search, as the caller gives it.
pub enum Question {
    Text(String),
    Vector(Vec<f32>),
}

/// A type of the argument `query`.
pub trait AsQuestion: FromDatum {
    /// True if there is an argument for the words beside it.
    const HAS_WORDS: bool;

    /// Returns it as a question.
    fn question(self) -> Question;
}

impl AsQuestion for String {
    const HAS_WORDS: bool = false;

    fn question(self) -> Question {
        Question::Text(self)
    }
}

impl AsQuestion for Vector {
    const HAS_WORDS: bool = true;

    fn question(self) -> Question {
        Question::Vector(self.0)
    }
}

/// The arguments of a search in one vectorizer.
pub struct InOne {
    /// The vectorizer.
    pub vectorizer: Option<Named>,
    /// The question.
    pub question: Option<Question>,
    /// All others.
    pub options: Options,
}

/// The arguments of a search in several vectorizers.
pub struct InSeveral {
    /// The names of the vectorizers.
    pub vectorizers: Option<Vec<Option<String>>>,
    /// The question.
    pub question: Option<Question>,
    /// All others.
    pub options: Options,
}

/// The arguments beside vectorizer and question.
pub struct Options {
    pub k: Option<i32>,
    pub filter: Option<String>,
    pub filter_args: Option<Vec<Option<String>>>,
    pub min_score: Option<f64>,
    pub per_document: Option<i32>,
    pub diversity: Option<f64>,
    pub exact: Option<bool>,
    pub mode: Option<String>,
    pub vector_weight: Option<f64>,
    pub text_weight: Option<f64>,
    pub fusion: Option<String>,
    /// The text whose words are looked for beside a vector.
    pub words: Option<String>,
    /// The config of a model that ranks what is found.
    pub rerank: Option<Json>,
}

impl InOne {
    /// Reads the arguments of a call.
    ///
    /// # Safety
    ///
    /// A call record of a search in one vectorizer, which is named by a `V`, and whose question is a `Q`.
    pub unsafe fn read<V, Q>(call: pg_sys::FunctionCallInfo) -> InOne
    where
        V: FromDatum + Into<Named>,
        Q: AsQuestion,
    {
        // SAFETY: by the caller.
        unsafe {
            let mut arguments = Arguments { call, next: 0 };
            InOne {
                vectorizer: arguments.take::<V>().map(Into::into),
                question: arguments.take::<Q>().map(Q::question),
                options: Options::read(&mut arguments, true, Q::HAS_WORDS),
            }
        }
    }
}

impl InSeveral {
    /// Reads the arguments of a call.
    ///
    /// # Safety
    ///
    /// A call record of a search in several vectorizers.
    pub unsafe fn read(call: pg_sys::FunctionCallInfo) -> InSeveral {
        // SAFETY: by the caller.
        unsafe {
            let mut arguments = Arguments { call, next: 0 };
            InSeveral {
                vectorizers: arguments.take(),
                question: arguments.take().map(Question::Text),
                options: Options::read(&mut arguments, false, false),
            }
        }
    }
}

impl Options {
    /// Reads them, in the order of the SQL signatures, of which not all have `diversity` and `words`.
    ///
    /// # Safety
    ///
    /// Those of a search, of which vectorizer and question have been taken.
    unsafe fn read(arguments: &mut Arguments, has_diversity: bool, has_words: bool) -> Options {
        // SAFETY: by the caller; the fields are written, and so taken, in the order of the SQL signatures.
        unsafe {
            Options {
                k: arguments.take(),
                filter: arguments.take(),
                filter_args: arguments.take(),
                min_score: arguments.take(),
                per_document: arguments.take(),
                diversity: if has_diversity { arguments.take() } else { None },
                exact: arguments.take(),
                mode: arguments.take(),
                vector_weight: arguments.take(),
                text_weight: arguments.take(),
                fusion: arguments.take(),
                words: if has_words { arguments.take() } else { None },
                rerank: arguments.take(),
            }
        }
    }
}

/// The arguments of a call, taken one after the other.
struct Arguments {
    call: pg_sys::FunctionCallInfo,
    next: usize,
}

impl Arguments {
    /// Takes the next one; `None` if it is NULL.
    ///
    /// # Safety
    ///
    /// The call has one more, of this type.
    unsafe fn take<T: FromDatum>(&mut self) -> Option<T> {
        self.next += 1;
        // SAFETY: by the caller.
        unsafe { fcinfo::pg_getarg(self.call, self.next - 1) }
    }
}

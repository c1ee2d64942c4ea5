//! The numbers that an answer says beside its vectors, such as the tokens that are billed.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// The depth of objects down to which numbers are read: `{"billed_units": {"input_tokens": 1}}`.
const DEEPEST: u8 = 2;

/// The largest number of entries of an object that are kept. What a server says here is for it to choose, and would take many times
/// its bytes if all of it were kept.
const MOST_ENTRIES: usize = 32;

/// A number, or an object with some; all else that JSON can say is passed over.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in crate::embed) enum Said {
    /// Neither.
    #[default]
    Nothing,
    /// A whole number from 0 on.
    Whole(u64),
    /// Any other number.
    Number(f64),
    /// An object.
    Object(BTreeMap<String, Said>),
}

impl Said {
    /// Returns the value at the end of a path of names; `Nothing` if there is none.
    pub(in crate::embed) fn at(&self, path: &[&str]) -> &Said {
        path.iter().fold(self, |said, name| match said {
            Said::Object(entries) => entries.get(*name).unwrap_or(&Said::Nothing),
            Said::Nothing | Said::Whole(_) | Said::Number(_) => &Said::Nothing,
        })
    }

    /// Returns the number if it is whole and not less than 0.
    pub(in crate::embed) fn as_u64(&self) -> Option<u64> {
        match self {
            Said::Whole(number) => Some(*number),
            Said::Nothing | Said::Number(_) | Said::Object(_) => None,
        }
    }

    /// Returns the number.
    pub(in crate::embed) fn as_f64(&self) -> Option<f64> {
        match self {
            Said::Whole(number) => Some(*number as f64),
            Said::Number(number) => Some(*number),
            Said::Nothing | Said::Object(_) => None,
        }
    }
}

impl<'de> Deserialize<'de> for Said {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Reader { depth: DEEPEST }.deserialize(deserializer)
    }
}

/// Reads a value with objects in so many levels.
#[derive(Clone, Copy)]
struct Reader {
    depth: u8,
}

impl<'de> DeserializeSeed<'de> for Reader {
    type Value = Said;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Said, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader {
    type Value = Said;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_u64<E>(self, number: u64) -> Result<Said, E> {
        Ok(Said::Whole(number))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Said, E> {
        Ok(u64::try_from(number).map_or(Said::Number(number as f64), Said::Whole))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Said, E> {
        Ok(Said::Number(number))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Said, E> {
        Ok(Said::Nothing)
    }

    fn visit_str<E>(self, _: &str) -> Result<Said, E> {
        Ok(Said::Nothing)
    }

    fn visit_unit<E>(self) -> Result<Said, E> {
        Ok(Said::Nothing)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Said, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Said::Nothing)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Said, A::Error> {
        let Some(depth) = self.depth.checked_sub(1) else {
            while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            return Ok(Said::Nothing);
        };

        let mut kept = BTreeMap::new();
        while let Some(name) = entries.next_key::<String>()? {
            if kept.len() < MOST_ENTRIES {
                kept.insert(name, entries.next_value_seed(Reader { depth })?);
            } else {
                entries.next_value::<IgnoredAny>()?;
            }
        }
        Ok(Said::Object(kept))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(json: &str) -> Said {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_number_is_read_wherever_it_is_said() {
        let meta = said(
            r#"{"api_version": {"version": "2"}, "billed_units": {"input_tokens": 3.0}, "x": [1], "total": 7}"#,
        );
        assert_eq!(meta.at(&["billed_units", "input_tokens"]).as_f64(), Some(3.0));
        assert_eq!(meta.at(&["billed_units", "input_tokens"]).as_u64(), None);
        assert_eq!(meta.at(&["total"]).as_u64(), Some(7));
        for path in [["x"].as_slice(), &["api_version", "version"], &["total", "of"], &["none"]] {
            assert_eq!(meta.at(path).as_f64(), None, "{path:?}");
        }
        assert_eq!((said("-1").as_u64(), said("-1").as_f64()), (None, Some(-1.0)));
    }

    #[test]
    fn what_is_no_number_is_nothing() {
        for json in ["null", "true", r#""7""#, "[7]", r#"[{"a": [[]]}]"#] {
            assert_eq!(said(json), Said::Nothing, "{json}");
        }
    }

    #[test]
    fn no_more_is_kept_than_a_provider_has_to_say() {
        let many: Vec<String> = (0..1000).map(|n| format!(r#""{n:04}": {{"a": {{"b": 1}}}}"#)).collect();
        let Said::Object(kept) = said(&format!("{{{}}}", many.join(","))) else { panic!("it is an object") };
        assert_eq!(kept.len(), MOST_ENTRIES);
        assert_eq!(kept["0000"].at(&["a"]), &Said::Nothing);
    }
}

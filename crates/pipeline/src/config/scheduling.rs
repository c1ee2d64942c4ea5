//! The times at which a vectorizer is worked on.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// `ai.scheduling_*`, resolved. Whatever is not known is no schedule.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(tag = "implementation", rename_all = "snake_case")]
pub enum Scheduling {
    /// The vectorizer is worked on whenever there is work.
    #[default]
    None,
    /// The vectorizer is worked on by the clock.
    Timescaledb(Timetable),
}

/// A schedule as its author declared it. Postgres reads its texts; those that are missing, or that are no
/// texts, are `None`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Timetable {
    /// The time from one run to the next; a schedule without it is invalid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule_interval: Option<String>,
    /// The first time; `None` means the time when the worker first sees the vectorizer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initial_start: Option<String>,
    /// The time zone in which days are counted; `None` means the session's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    /// `true` if times count from the first one; `false` if an interval begins when a run ends.
    pub fixed_schedule: bool,
}

impl Scheduling {
    fn read(stored: &Value) -> Self {
        if stored["implementation"] != "timescaledb" {
            return Scheduling::None;
        }
        let text = |key: &str| stored[key].as_str().map(str::to_owned);
        Scheduling::Timescaledb(Timetable {
            schedule_interval: text("schedule_interval"),
            initial_start: text("initial_start"),
            timezone: text("timezone"),
            fixed_schedule: stored["fixed_schedule"].as_bool().unwrap_or(true),
        })
    }
}

impl<'de> Deserialize<'de> for Scheduling {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Value::deserialize(deserializer).map(|stored| Scheduling::read(&stored))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(stored: Value) -> Scheduling {
        serde_json::from_value(stored).unwrap()
    }

    #[test]
    fn a_schedule_is_read_as_pgai_stores_it() {
        let stored = json!({
            "config_type": "scheduling", "implementation": "timescaledb", "schedule_interval": "00:05:00",
            "timezone": "Europe/Berlin", "fixed_schedule": false, "job_id": 7,
        });
        let timetable = Timetable {
            schedule_interval: Some("00:05:00".to_owned()),
            initial_start: None,
            timezone: Some("Europe/Berlin".to_owned()),
            fixed_schedule: false,
        };
        assert_eq!(read(stored), Scheduling::Timescaledb(timetable));
    }

    #[test]
    fn a_missing_key_has_pgais_default() {
        let Scheduling::Timescaledb(timetable) = read(json!({"implementation": "timescaledb"})) else {
            panic!()
        };
        assert!(timetable.fixed_schedule);
        assert_eq!(timetable.schedule_interval, None);
    }

    #[test]
    fn whatever_is_not_known_is_no_schedule() {
        for stored in
            [json!(null), json!([]), json!({"implementation": "cron"}), json!({"implementation": 1})]
        {
            assert_eq!(read(stored), Scheduling::None);
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let read_once = read(json!({"implementation": "timescaledb", "schedule_interval": "1 day"}));
        assert_eq!(read(serde_json::to_value(&read_once).unwrap()), read_once);
    }
}

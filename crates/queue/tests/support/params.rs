//! Parameters and columns as a client sends and reads them.

use std::error::Error;

use pgai_rs_queue::session::Param;
use postgres::types::private::BytesMut;
use postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

type Encoded = Result<IsNull, Box<dyn Error + Sync + Send>>;

/// Returns a parameter, with the type that it is declared with.
pub fn encoded<'a>(param: &Param<'a>) -> (Type, Box<dyn ToSql + Sync + 'a>) {
    match *param {
        Param::Bool(value) => (Type::BOOL, Box::new(value)),
        Param::Int4(value) => (Type::INT4, Box::new(value)),
        Param::Int8(value) | Param::Limit(value) => (Type::INT8, Box::new(value)),
        Param::Float8(value) => (Type::FLOAT8, Box::new(value)),
        Param::Oid(value) => (Type::OID, Box::new(value)),
        Param::Text(value) => (Type::TEXT, Box::new(value)),
        Param::Jsonb(value) => (Type::JSONB, Box::new(Jsonb(value.to_string()))),
        Param::Int4s(values) => (Type::INT4_ARRAY, Box::new(values)),
        Param::Int8s(values) => (Type::INT8_ARRAY, Box::new(values)),
        Param::Texts(values) => (Type::TEXT_ARRAY, Box::new(values)),
        Param::OptionalTexts(values) => (Type::TEXT_ARRAY, Box::new(values)),
        Param::OptionalBytes(values) => (Type::BYTEA_ARRAY, Box::new(values)),
        Param::Uuids(values) => {
            (Type::UUID_ARRAY, Box::new(values.iter().map(|id| Uuid(*id)).collect::<Vec<_>>()))
        }
        // The statement says of which type they are.
        Param::Vectors(values) => {
            (Type::UNKNOWN, Box::new(values.iter().map(|v| Vector(v)).collect::<Vec<_>>()))
        }
    }
}

/// A `jsonb`: a version, and the text.
#[derive(Debug)]
struct Jsonb(String);

impl ToSql for Jsonb {
    fn to_sql(&self, _type: &Type, out: &mut BytesMut) -> Encoded {
        out.extend_from_slice(&[1]);
        out.extend_from_slice(self.0.as_bytes());
        Ok(IsNull::No)
    }

    fn accepts(kind: &Type) -> bool {
        *kind == Type::JSONB
    }

    to_sql_checked!();
}

/// A `uuid`.
#[derive(Debug)]
pub struct Uuid(pub [u8; 16]);

impl ToSql for Uuid {
    fn to_sql(&self, _type: &Type, out: &mut BytesMut) -> Encoded {
        out.extend_from_slice(&self.0);
        Ok(IsNull::No)
    }

    fn accepts(kind: &Type) -> bool {
        *kind == Type::UUID
    }

    to_sql_checked!();
}

impl<'a> FromSql<'a> for Uuid {
    fn from_sql(_type: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Uuid(raw.try_into()?))
    }

    fn accepts(kind: &Type) -> bool {
        *kind == Type::UUID
    }
}

/// pgvector's `vector`: the number of dimensions, an unused number, and the numbers.
#[derive(Debug)]
struct Vector<'a>(&'a [f32]);

impl ToSql for Vector<'_> {
    fn to_sql(&self, _type: &Type, out: &mut BytesMut) -> Encoded {
        out.extend_from_slice(&i16::try_from(self.0.len())?.to_be_bytes());
        out.extend_from_slice(&[0; 2]);
        for number in self.0 {
            out.extend_from_slice(&number.to_be_bytes());
        }
        Ok(IsNull::No)
    }

    fn accepts(kind: &Type) -> bool {
        kind.name() == "vector"
    }

    to_sql_checked!();
}

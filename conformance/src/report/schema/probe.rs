//! Reports in which every field is there, made from what their types tell serde of themselves: so a
//! field that is added to a type is in them without being added here.

use std::collections::BTreeMap;

use serde::de::value::{Error, StrDeserializer};
use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;

/// What is known of the types that were asked.
#[derive(Debug, Default)]
pub(super) struct Types {
    /// The fields of each type with fields.
    pub(super) fields: BTreeMap<&'static str, &'static [&'static str]>,
    /// The values of each enumeration.
    pub(super) variants: BTreeMap<&'static str, &'static [&'static str]>,
}

/// A value of this type. What may be absent is there, lists have one entry, numbers are the largest
/// that fit, and enumerations have their value number `turn`, from the beginning again after the
/// last.
pub(super) fn probe<T: DeserializeOwned>(turn: usize, types: &mut Types) -> T {
    T::deserialize(Probe { turn, types }).expect("it takes what it asked for")
}

struct Probe<'a> {
    turn: usize,
    types: &'a mut Types,
}

impl<'de> Deserializer<'de> for Probe<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        panic!("a report has a type that the probe does not know: teach it")
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_bool(true)
    }

    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_i64(i64::MIN)
    }

    fn deserialize_u16<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_u16(u16::MAX)
    }

    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_u32(u32::MAX)
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_u64(u64::MAX)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_str("text")
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_seq(One(Some(self)))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let known = self.types.fields.insert(name, fields);
        assert!(known.is_none_or(|it| it == fields), "two types are called {name}");
        visitor.visit_map(Fields { left: fields, probe: self })
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let known = self.types.variants.insert(name, variants);
        assert!(known.is_none_or(|it| it == variants), "two types are called {name}");
        visitor.visit_enum(StrDeserializer::new(variants[self.turn % variants.len()]))
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i128 u8 u128 f32 f64 char str bytes byte_buf unit unit_struct newtype_struct
        tuple tuple_struct map identifier ignored_any
    }
}

struct One<'a>(Option<Probe<'a>>);

impl<'de> SeqAccess<'de> for One<'_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Error> {
        self.0.take().map(|probe| seed.deserialize(probe)).transpose()
    }
}

struct Fields<'a> {
    left: &'static [&'static str],
    probe: Probe<'a>,
}

impl<'de> MapAccess<'de> for Fields<'_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Error> {
        let next = self.left.first();
        next.map(|name| seed.deserialize(StrDeserializer::new(name))).transpose()
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        self.left = &self.left[1..];
        seed.deserialize(Probe { turn: self.probe.turn, types: self.probe.types })
    }
}

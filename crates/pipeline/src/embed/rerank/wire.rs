//! Requests and answers of each protocol.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::config::RerankProtocol;
use crate::embed::error::EmbedError;
use crate::embed::limits::pack::Limits;
use crate::embed::request::answer::tokens_of;
use crate::embed::request::said::Said;
use crate::json_items::JsonItems;

impl RerankProtocol {
    /// Returns the path that is added to the base URL.
    pub(super) fn path(self) -> &'static str {
        match self {
            RerankProtocol::Cohere => "v2/rerank",
            RerankProtocol::Voyageai | RerankProtocol::Jina | RerankProtocol::Tei => "rerank",
        }
    }

    /// Returns the most that the provider takes in a request to this model, where it says so.
    ///
    /// * Cohere recommends at most 1,000 texts: <https://docs.cohere.com/reference/rerank>.
    /// * Voyage AI takes as many, and tokens where the question counts with each text:
    ///   <https://docs.voyageai.com/reference/reranker-api>.
    /// * Jina AI publishes no limit, and servers that speak its protocol have one of their own.
    /// * Text Embeddings Inference takes as many texts as its `--max-client-batch-size`, by default 32:
    ///   <https://huggingface.co/docs/text-embeddings-inference/cli_arguments>.
    ///
    /// A server that takes less says so, and is asked for less.
    pub(super) fn limits(self, model: &str) -> Limits {
        match self {
            RerankProtocol::Cohere => Limits { inputs: 1_000, ..Limits::NONE },
            RerankProtocol::Voyageai if matches!(model, "rerank-1" | "rerank-lite-1") => {
                Limits { inputs: 1_000, tokens: 300_000 }
            }
            RerankProtocol::Voyageai => Limits { inputs: 1_000, tokens: 600_000 },
            RerankProtocol::Jina => Limits::NONE,
            RerankProtocol::Tei => Limits { inputs: 32, ..Limits::NONE },
        }
    }
}

/// The body of a request. Texts that are too long for the model are cut: Cohere and Jina AI do so always, Voyage AI by default,
/// and Text Embeddings Inference if it is told to.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Body<'a> {
    /// Cohere's. It never returns the texts.
    Cohere { model: &'a str, query: &'a str, documents: &'a [Arc<str>] },
    /// Voyage AI's, and Jina AI's, whose server returns the texts unless it is told not to.
    Documents { model: &'a str, query: &'a str, documents: &'a [Arc<str>], return_documents: bool },
    /// The request of Text Embeddings Inference.
    Texts { query: &'a str, texts: &'a [Arc<str>], truncate: bool },
}

impl<'a> Body<'a> {
    /// Returns the body that asks for the relevance of all texts.
    pub(super) fn new(
        protocol: RerankProtocol,
        model: &'a str,
        query: &'a str,
        texts: &'a [Arc<str>],
    ) -> Body<'a> {
        match protocol {
            RerankProtocol::Cohere => Body::Cohere { model, query, documents: texts },
            RerankProtocol::Voyageai | RerankProtocol::Jina => {
                Body::Documents { model, query, documents: texts, return_documents: false }
            }
            RerankProtocol::Tei => Body::Texts { query, texts, truncate: true },
        }
    }
}

/// The largest number of items of JSON in an answer for each text, which some servers repeat with what they know of it, and beside
/// all of them.
const ITEMS_PER_TEXT: usize = 64;
const ITEMS_BESIDE: usize = 1_000;

/// The relevance of one text.
#[derive(Debug, Deserialize)]
struct Scored {
    /// The place of the text in the request, counted from 0.
    index: usize,
    #[serde(alias = "score")]
    relevance_score: f64,
}

/// The answer of all but Text Embeddings Inference, whose answer is the list alone.
#[derive(Debug, Deserialize)]
struct Answer {
    #[serde(alias = "data")]
    results: Vec<Scored>,
}

/// The part of an answer that tells what it costs.
#[derive(Deserialize)]
struct Costs {
    #[serde(default)]
    usage: Said,
    #[serde(default)]
    meta: Said,
}

/// Returns the number of tokens that an answer says are billed: Voyage AI's, Jina AI's, and Cohere's for models that it sells by
/// the token.
pub(super) fn billed_tokens(body: &[u8]) -> Option<u64> {
    let Costs { usage, meta } = serde_json::from_slice(body).ok()?;
    let of_cohere = meta.at(&["billed_units", "input_tokens"]).as_f64();
    tokens_of(&usage).or(of_cohere.map(|tokens| tokens as u64))
}

/// Returns the relevance of each of so many texts, in their order.
///
/// # Errors
///
/// `Unavailable` if the answer breaks off, `BadResponse` if it is another than was asked for.
pub(super) fn read(protocol: RerankProtocol, body: &[u8], texts: usize) -> Result<Vec<f64>, EmbedError> {
    if JsonItems::default().count(body) > texts * ITEMS_PER_TEXT + ITEMS_BESIDE {
        return Err(EmbedError::BadResponse("it has more scores than were requested".to_owned()));
    }

    let scored = match protocol {
        RerankProtocol::Tei => serde_json::from_slice::<Vec<Scored>>(body),
        RerankProtocol::Cohere | RerankProtocol::Voyageai | RerankProtocol::Jina => {
            serde_json::from_slice::<Answer>(body).map(|answer| answer.results)
        }
    };
    // serde's own text may repeat what it found.
    let scored = scored.map_err(|error| match error.is_eof() {
        true => EmbedError::Unavailable("its response ended prematurely".to_owned()),
        false => EmbedError::BadResponse("it is not the expected JSON".to_owned()),
    })?;
    in_order(&scored, texts).map_err(EmbedError::BadResponse)
}

/// Returns the scores in the order of the texts, or says what is wrong with them.
fn in_order(scored: &[Scored], texts: usize) -> Result<Vec<f64>, String> {
    if scored.len() != texts {
        return Err(format!("it has {} scores for {texts} texts", scored.len()));
    }

    let mut scores = vec![None; texts];
    for Scored { index, relevance_score } in scored {
        let place = scores.get_mut(*index).ok_or_else(|| format!("it has a score for text {index}"))?;
        if place.is_some() {
            return Err(format!("it has two scores for text {index}"));
        }
        if !relevance_score.is_finite() {
            return Err(format!("the score of text {index} is not finite"));
        }
        *place = Some(*relevance_score);
    }
    scores.into_iter().collect::<Option<_>>().ok_or_else(|| "a text has no score".to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const ALL: [RerankProtocol; 4] =
        [RerankProtocol::Cohere, RerankProtocol::Voyageai, RerankProtocol::Jina, RerankProtocol::Tei];

    fn body(protocol: RerankProtocol) -> Value {
        let texts: [Arc<str>; 2] = ["a".into(), "b".into()];
        serde_json::to_value(Body::new(protocol, "m", "q", &texts)).unwrap()
    }

    #[test]
    fn each_is_asked_as_it_wants_to_be_asked() {
        let documents = json!(["a", "b"]);
        let cohere = json!({"model": "m", "query": "q", "documents": documents});
        let others = json!({"model": "m", "query": "q", "documents": documents, "return_documents": false});
        let tei = json!({"query": "q", "texts": documents, "truncate": true});
        assert_eq!(ALL.map(body), [cohere, others.clone(), others, tei]);
    }

    #[test]
    fn an_answer_of_more_items_than_its_scores_can_have_is_not_read() {
        let scored = [(0, json!(0.5)), (1, json!(0.25))];
        let beside = |items: usize| {
            let mut answer: Value = serde_json::from_slice(&answer(RerankProtocol::Cohere, &scored)).unwrap();
            answer["meta"] = json!({"warnings": vec![0; items]});
            read(RerankProtocol::Cohere, answer.to_string().as_bytes(), 2)
        };
        assert_eq!(beside(500).unwrap(), [0.5, 0.25]);
        assert!(matches!(beside(5_000), Err(EmbedError::BadResponse(_))));
    }

    fn answer(protocol: RerankProtocol, scored: &[(i64, Value)]) -> Vec<u8> {
        let name = if protocol == RerankProtocol::Tei { "score" } else { "relevance_score" };
        let items: Vec<Value> =
            scored.iter().map(|(index, score)| json!({"index": index, name: score})).collect();
        let answer = match protocol {
            RerankProtocol::Tei => json!(items),
            RerankProtocol::Voyageai => json!({"object": "list", "data": items, "model": "m"}),
            RerankProtocol::Cohere | RerankProtocol::Jina => json!({"id": "x", "results": items}),
        };
        answer.to_string().into_bytes()
    }

    #[test]
    fn scores_come_in_the_order_of_the_texts() {
        for protocol in ALL {
            let body = answer(protocol, &[(2, json!(0.9)), (0, json!(0.5)), (1, json!(-3))]);
            assert_eq!(read(protocol, &body, 3), Ok(vec![0.5, -3.0, 0.9]), "{protocol:?}");
        }
    }

    #[test]
    fn an_answer_to_something_else_is_refused() {
        for protocol in ALL {
            for scored in [
                vec![(0, json!(0.5))],
                vec![(0, json!(0.5)), (1, json!(0.5)), (2, json!(0.5))],
                vec![(0, json!(0.5)), (0, json!(0.4))],
                vec![(0, json!(0.5)), (2, json!(0.4))],
                vec![(0, json!(0.5)), (-1, json!(0.4))],
                vec![(0, json!(0.5)), (1, json!(null))],
                vec![(0, json!(0.5)), (1, json!("much"))],
            ] {
                let read = read(protocol, &answer(protocol, &scored), 2);
                assert!(matches!(read, Err(EmbedError::BadResponse(_))), "{protocol:?} {scored:?} {read:?}");
            }
        }
    }

    #[test]
    fn an_answer_tells_what_is_billed_or_nothing() {
        let billed = |costs: Value| billed_tokens(costs.to_string().as_bytes());
        assert_eq!(billed(json!({"results": [], "usage": {"total_tokens": 26}})), Some(26));
        assert_eq!(billed(json!({"results": [], "meta": {"billed_units": {"input_tokens": 5.0}}})), Some(5));
        assert_eq!(billed(json!({"results": [], "meta": {"billed_units": {"search_units": 1}}})), None);
        assert_eq!(billed(json!([{"index": 0, "score": 0.5}])), None);
    }

    #[test]
    fn a_score_that_is_no_number_is_refused() {
        for score in ["NaN", "Infinity", "1e999"] {
            let body = format!(r#"[{{"index": 0, "score": {score}}}]"#);
            let read = read(RerankProtocol::Tei, body.as_bytes(), 1);
            assert!(matches!(read, Err(EmbedError::BadResponse(_))), "{score} {read:?}");
        }
        assert!(in_order(&[Scored { index: 0, relevance_score: f64::NAN }], 1).is_err());
    }

    #[test]
    fn a_broken_off_answer_is_no_wrong_answer() {
        let whole = answer(RerankProtocol::Cohere, &[(0, json!(0.5))]);
        let read = read(RerankProtocol::Cohere, &whole[..whole.len() / 2], 1);
        assert!(matches!(read, Err(EmbedError::Unavailable(_))), "{read:?}");
    }
}

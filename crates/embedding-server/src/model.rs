//! The network: six BERT layers, mean pooling, vectors of length 1.
//!
//! The sequences of a batch are concatenated without padding. Everything but attention treats each token
//! separately, so it runs over all of them as one matrix; attention runs one sequence at a time and needs no
//! mask. A short text next to a long one therefore costs only its own tokens, and its vector does not depend
//! on its neighbours.
//!
//! Shapes in comments: T tokens in the batch, L tokens in one sequence.

use crate::checkpoint::{LoadError, Tensors};
use crate::kernels::{self, View};

/// The length of an embedding.
pub const DIMENSIONS: usize = 384;
/// The longest sequence that the model was trained for, in tokens, with `[CLS]` and `[SEP]`.
pub const MAX_TOKENS: usize = 256;

const LAYERS: usize = 6;
const HEADS: usize = 12;
const HEAD: usize = DIMENSIONS / HEADS;
const INNER: usize = 4 * DIMENSIONS;
const VOCABULARY: usize = 30_522;
/// The number of rows of the position table; half of them are used.
const POSITIONS: usize = 512;

/// A weight matrix [inputs, outputs] and a bias.
struct Linear {
    weight: Vec<f32>,
    bias: Vec<f32>,
}

struct Norm {
    weight: Vec<f32>,
    bias: Vec<f32>,
}

struct Layer {
    /// Query, key and value side by side: 3 × 384 outputs of one product.
    query_key_value: Linear,
    attention_out: Linear,
    attention_norm: Norm,
    inner: Linear,
    outer: Linear,
    outer_norm: Norm,
}

/// all-MiniLM-L6-v2.
pub struct LocalModel {
    words: Vec<f32>,
    /// The vectors of the positions, plus the one of the token type, which is always 0 here.
    positions: Vec<f32>,
    norm: Norm,
    layers: Vec<Layer>,
}

impl LocalModel {
    /// Takes the weights from `tensors`. Errors if one is missing or has another shape.
    pub fn load(tensors: &Tensors) -> Result<Self, LoadError> {
        let mut positions = tensors.get("embeddings.position_embeddings.weight", &[POSITIONS, DIMENSIONS])?;
        let types = tensors.get("embeddings.token_type_embeddings.weight", &[2, DIMENSIONS])?;
        for position in positions.chunks_exact_mut(DIMENSIONS) {
            add(position, &types[..DIMENSIONS]);
        }

        Ok(Self {
            words: tensors.get("embeddings.word_embeddings.weight", &[VOCABULARY, DIMENSIONS])?,
            positions,
            norm: Norm::load(tensors, "embeddings.LayerNorm")?,
            layers: (0..LAYERS).map(|n| Layer::load(tensors, n)).collect::<Result<_, _>>()?,
        })
    }

    /// Returns the vectors of `sequences`, in their order, each of [`DIMENSIONS`] numbers and length 1.
    ///
    /// # Panics
    /// If a sequence is empty, longer than [`MAX_TOKENS`] or has a token outside the vocabulary.
    pub fn embed(&self, sequences: &[&[u32]]) -> Vec<Vec<f32>> {
        let lengths: Vec<usize> = sequences.iter().map(|sequence| sequence.len()).collect();
        assert!(lengths.iter().all(|length| (1..=MAX_TOKENS).contains(length)), "sequence length");

        let mut hidden = self.look_up(sequences);
        let mut scratch = Scratch::new(hidden.len() / DIMENSIONS);
        for layer in &self.layers {
            layer.forward(&mut hidden, &lengths, &mut scratch);
        }

        // The sequences lie one after another.
        let mut rest = hidden.as_slice();
        let mut vectors = Vec::with_capacity(lengths.len());
        for length in lengths {
            let (sequence, others) = rest.split_at(length * DIMENSIONS);
            vectors.push(pool(sequence));
            rest = others;
        }
        vectors
    }

    /// Returns the input of the first layer, [T, 384].
    fn look_up(&self, sequences: &[&[u32]]) -> Vec<f32> {
        let mut hidden = Vec::new();
        for sequence in sequences {
            for (token, position) in sequence.iter().zip(self.positions.chunks_exact(DIMENSIONS)) {
                let word = &self.words[*token as usize * DIMENSIONS..][..DIMENSIONS];
                hidden.extend(word.iter().zip(position).map(|(word, position)| word + position));
            }
        }
        kernels::normalise(&mut hidden, &self.norm.weight, &self.norm.bias);
        hidden
    }
}

/// The buffers for the intermediate results of a layer, reused by the next one.
struct Scratch {
    /// [T, 3 × 384]
    query_key_value: Vec<f32>,
    /// [L, L] of one head
    scores: Vec<f32>,
    /// [T, 384]
    context: Vec<f32>,
    /// [T, 384]
    update: Vec<f32>,
    /// [T, 1536]
    inner: Vec<f32>,
}

impl Scratch {
    fn new(tokens: usize) -> Self {
        Self {
            query_key_value: vec![0.0; tokens * 3 * DIMENSIONS],
            scores: vec![0.0; MAX_TOKENS * MAX_TOKENS],
            context: vec![0.0; tokens * DIMENSIONS],
            update: vec![0.0; tokens * DIMENSIONS],
            inner: vec![0.0; tokens * INNER],
        }
    }
}

impl Layer {
    fn load(tensors: &Tensors, n: usize) -> Result<Self, LoadError> {
        let prefix = format!("encoder.layer.{n}");
        let own = |name: &str| format!("{prefix}.attention.self.{name}");
        let square = |name: &str| Linear::load(tensors, &own(name), DIMENSIONS, DIMENSIONS);
        let attention_out = format!("{prefix}.attention.output");
        let outer = format!("{prefix}.output");

        Ok(Self {
            query_key_value: Linear::beside(&[square("query")?, square("key")?, square("value")?]),
            attention_out: Linear::load(tensors, &format!("{attention_out}.dense"), DIMENSIONS, DIMENSIONS)?,
            attention_norm: Norm::load(tensors, &format!("{attention_out}.LayerNorm"))?,
            inner: Linear::load(tensors, &format!("{prefix}.intermediate.dense"), DIMENSIONS, INNER)?,
            outer: Linear::load(tensors, &format!("{outer}.dense"), INNER, DIMENSIONS)?,
            outer_norm: Norm::load(tensors, &format!("{outer}.LayerNorm"))?,
        })
    }

    /// Replaces `hidden` [T, 384] by the layer's output.
    fn forward(&self, hidden: &mut [f32], lengths: &[usize], scratch: &mut Scratch) {
        let Scratch { query_key_value, scores, context, update, inner } = scratch;
        self.query_key_value.apply(hidden, query_key_value);

        // Tokens see each other in this step alone, and those of their own sequence only.
        let mut first = 0;
        for length in lengths {
            attend(query_key_value, context, scores, first, *length);
            first += length;
        }

        self.attention_out.apply(context, update);
        self.attention_norm.add(update, hidden);

        self.inner.apply(update, inner);
        kernels::gelu(inner);
        self.outer.apply(inner, hidden);
        self.outer_norm.add(hidden, update);
    }
}

/// Computes the attention of the sequence that begins at token `first`, into its rows of `context`.
fn attend(qkv: &[f32], context: &mut [f32], scores: &mut [f32], first: usize, length: usize) {
    const STRIDE: usize = 3 * DIMENSIONS;
    let qkv = &qkv[first * STRIDE..][..length * STRIDE];
    let context = &mut context[first * DIMENSIONS..][..length * DIMENSIONS];
    let scores = &mut scores[..length * length];

    for head in 0..HEADS {
        let part = |which: usize| {
            let data = &qkv[which * DIMENSIONS + head * HEAD..];
            View::rows(data, length, HEAD, STRIDE)
        };

        let query = part(0);
        let key = part(1);
        let value = part(2);
        let scale = 1.0 / (HEAD as f32).sqrt();

        // softmax(query · keyᵀ / √HEAD) · value
        kernels::matmul(scores, length, false, scale, query, key.transposed());
        kernels::softmax_rows(scores, length);
        let weights = View::rows(scores, length, length, length);
        kernels::matmul(&mut context[head * HEAD..], DIMENSIONS, false, 1.0, weights, value);
    }
}

impl Linear {
    fn load(tensors: &Tensors, name: &str, inputs: usize, outputs: usize) -> Result<Self, LoadError> {
        let stored = tensors.get(&format!("{name}.weight"), &[outputs, inputs])?;

        // The file has [outputs, inputs]; the product reads along the outputs.
        let mut weight = vec![0.0; stored.len()];
        for (output, row) in stored.chunks_exact(inputs).enumerate() {
            for (input, number) in row.iter().enumerate() {
                weight[input * outputs + output] = *number;
            }
        }

        Ok(Self { weight, bias: tensors.get(&format!("{name}.bias"), &[outputs])? })
    }

    /// Returns one map whose outputs are those of `parts`, one after another. All of them have 384 inputs.
    fn beside(parts: &[Linear]) -> Self {
        let mut weight = Vec::new();
        for input in 0..DIMENSIONS {
            for Linear { weight: part, bias } in parts {
                weight.extend_from_slice(&part[input * bias.len()..][..bias.len()]);
            }
        }
        Self { weight, bias: parts.iter().flat_map(|part| &part.bias).copied().collect() }
    }

    /// Maps `input` [T, inputs] to `output` [T, outputs].
    fn apply(&self, input: &[f32], output: &mut [f32]) {
        let outputs = self.bias.len();
        let inputs = self.weight.len() / outputs;
        for row in output.chunks_exact_mut(outputs) {
            row.copy_from_slice(&self.bias);
        }

        let left = View::rows(input, input.len() / inputs, inputs, inputs);
        let right = View::rows(&self.weight, inputs, outputs, outputs);
        kernels::matmul(output, outputs, true, 1.0, left, right);
    }
}

impl Norm {
    fn load(tensors: &Tensors, name: &str) -> Result<Self, LoadError> {
        Ok(Self {
            weight: tensors.get(&format!("{name}.weight"), &[DIMENSIONS])?,
            bias: tensors.get(&format!("{name}.bias"), &[DIMENSIONS])?,
        })
    }

    fn add(&self, values: &mut [f32], residual: &[f32]) {
        kernels::add_and_normalise(values, residual, &self.weight, &self.bias);
    }
}

/// Returns the mean of the token vectors of one sequence [L, 384], scaled to length 1.
fn pool(sequence: &[f32]) -> Vec<f32> {
    let mut vector = vec![0.0; DIMENSIONS];
    for token in sequence.chunks_exact(DIMENSIONS) {
        add(&mut vector, token);
    }

    // The mean and the sum point the same way, and only the direction is kept.
    let length = kernels::sum_of_squares(&vector).sqrt();
    for number in &mut vector {
        *number /= length;
    }
    vector
}

fn add(to: &mut [f32], what: &[f32]) {
    for (to, what) in to.iter_mut().zip(what) {
        *to += what;
    }
}

//! A Piper voice: a VITS network in ONNX, run by `rten`. The only user of `rten`.
//!
//! Text comes in normalised; phonemes become ids, each sentence one run of the network. The same
//! words always give the same samples: the network's noise is seeded from the phonemes. Loads the
//! model at its first sentence, never at start-up.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rten::{Model, NodeId, RunOptions, ThreadPool, ValueOrView};
use rten_tensor::prelude::*;
use rten_tensor::{NdTensor, Tensor};
use serde_json::Value;

use super::names::{Gender, Locale};
use super::{SpeechError, Voice, espeak::Espeak, normalise, phonemes, shape};
use crate::audio::resample::Resampler;
use crate::audio::{Clip, RATE};

/// One installed Piper voice.
pub(super) struct Piper {
    name: String,
    model: PathBuf,
    locale: Locale,
    gender: Gender,
    resampler: Resampler,
    scales: [f32; 3],
    speakers: u64,
    ids: Vec<(char, Vec<i32>)>,
    /// Phonemes of languages that we have no own rules for.
    espeak: Option<Arc<Espeak>>,
    network: OnceLock<Result<Network, String>>,
}

impl Piper {
    /// From a model whose description lies beside it as `MODEL.json`.
    pub(super) fn open(model: &Path, espeak: Option<Arc<Espeak>>) -> Result<Self, SpeechError> {
        let name = model.file_stem().and_then(|stem| stem.to_str()).unwrap_or("piper").to_owned();
        let broken = |why: String| SpeechError::BadVoice { voice: name.clone(), why };
        let mut path = model.as_os_str().to_owned();
        path.push(".json");
        let text = std::fs::read_to_string(&path).map_err(|e| broken(e.to_string()))?;
        let json: Value = serde_json::from_str(&text).map_err(|e| broken(e.to_string()))?;
        let number = |pointer: &str, default: f64| {
            json.pointer(pointer).and_then(Value::as_f64).unwrap_or(default) as f32
        };
        let ids = read_ids(&json).ok_or_else(|| broken("no phoneme_id_map".to_owned()))?;
        if json.pointer("/phoneme_type").and_then(Value::as_str).is_some_and(|t| t != "espeak") {
            return Err(broken("its phonemes are not espeak's".to_owned()));
        }
        let code = json.pointer("/language/code").and_then(Value::as_str).unwrap_or("en_US");
        let locale = Locale::parse(code);
        if !locale.is_english() && espeak.is_none() {
            return Err(broken(format!("{code} needs espeak-ng for its phonemes")));
        }
        let rate = number("/audio/sample_rate", 22_050.0) as u32;
        let resampler = Resampler::new(rate, RATE)
            .ok_or_else(|| broken(format!("{rate} samples a second are not supported")))?;
        Ok(Piper {
            gender: json
                .pointer("/dataset")
                .and_then(Value::as_str)
                .map_or(Gender::Unknown, Gender::of_dataset),
            model: model.to_owned(),
            locale,
            resampler,
            scales: [
                number("/inference/noise_scale", 0.667),
                number("/inference/length_scale", 1.0),
                number("/inference/noise_w", 0.8),
            ],
            speakers: json.pointer("/num_speakers").and_then(Value::as_u64).unwrap_or(1),
            ids,
            espeak,
            network: OnceLock::new(),
            name,
        })
    }

    fn network(&self) -> Result<&Network, SpeechError> {
        let loaded = self.network.get_or_init(|| Network::load(&self.model, self.speakers));
        loaded.as_ref().map_err(|why| self.failed(why.clone()))
    }

    fn failed(&self, why: String) -> SpeechError {
        SpeechError::BadVoice { voice: self.name.clone(), why }
    }

    /// Sentences as phonemes.
    fn sentences(&self, text: &str, locale: &Locale) -> Result<Vec<String>, SpeechError> {
        match &self.espeak {
            Some(espeak) if !self.locale.is_english() => espeak
                .phonemes(text, locale)
                .map(|lines| lines.lines().map(str::to_owned).collect()),
            _ => {
                let words = normalise::normalise(text);
                Ok(normalise::sentences(&words, LONGEST_SENTENCE).map(phonemes::of).collect())
            }
        }
    }

    /// Start, every phoneme followed by a pad, end: the order the networks were trained with.
    fn ids(&self, phonemes: &str) -> Vec<i32> {
        let of = |wanted: char| {
            let found = self.ids.binary_search_by_key(&wanted, |(phoneme, _)| *phoneme);
            found.ok().map(|at| self.ids[at].1.as_slice()).unwrap_or_default()
        };
        let mut ids = of('^').to_vec();
        ids.extend(of('_'));
        for known in phonemes.chars().map(of).filter(|known| !known.is_empty()) {
            ids.extend(known);
            ids.extend(of('_'));
        }
        ids.extend(of('$'));
        ids
    }
}

impl Voice for Piper {
    fn name(&self) -> &str {
        &self.name
    }

    fn gender(&self) -> Gender {
        self.gender
    }

    fn locale(&self) -> Option<&Locale> {
        Some(&self.locale)
    }

    fn speak(&self, text: &str, locale: &Locale, _: Gender) -> Result<Clip, SpeechError> {
        let network = self.network()?;
        let mut speech = shape::Speech::default();
        for sentence in self.sentences(text, locale)? {
            if !sentence.chars().any(char::is_alphabetic) {
                continue;
            }
            let ids = self.ids(&sentence);
            let samples = network.run(&ids, self.scales).map_err(|why| self.failed(why))?;
            let samples = self.resampler.resample_floats(&samples);
            speech.add(&samples, shape::pause_after(&sentence));
        }
        speech.finish().ok_or(SpeechError::NothingToSay)
    }
}

/// Sorted by phoneme; only maps of single characters occur.
fn read_ids(json: &Value) -> Option<Vec<(char, Vec<i32>)>> {
    let map = json.pointer("/phoneme_id_map")?.as_object()?;
    let mut ids = Vec::with_capacity(map.len());
    for (phoneme, list) in map {
        let numbers = list.as_array()?.iter().filter_map(|id| id.as_i64());
        let numbers = numbers.filter_map(|id| i32::try_from(id).ok()).collect();
        ids.push((phoneme.chars().next()?, numbers));
    }
    ids.sort_by_key(|(phoneme, _)| *phoneme);
    Some(ids)
}

/// The loaded model and the threads that run it.
struct Network {
    model: Model,
    input: NodeId,
    lengths: NodeId,
    scales: NodeId,
    speaker: Option<NodeId>,
    output: NodeId,
    /// One thread each: a sentence gains little from two, and the noise is seeded by thread.
    lanes: Vec<Mutex<Arc<ThreadPool>>>,
    next: AtomicUsize,
}

impl Network {
    fn load(path: &Path, speakers: u64) -> Result<Self, String> {
        let model = Model::load_file(path).map_err(|e| e.to_string())?;
        let node = |name: &str| model.node_id(name).map_err(|e| e.to_string());
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let lanes = (0..(cores / 2).clamp(1, MOST_LANES))
            .map(|_| Mutex::new(Arc::new(ThreadPool::with_num_threads(1))))
            .collect();
        Ok(Network {
            input: node("input")?,
            lengths: node("input_lengths")?,
            scales: node("scales")?,
            speaker: if speakers > 1 { Some(node("sid")?) } else { None },
            output: node("output")?,
            lanes,
            next: AtomicUsize::new(0),
            model,
        })
    }

    fn run(&self, ids: &[i32], scales: [f32; 3]) -> Result<Vec<f32>, String> {
        let free = self.lanes.iter().find_map(|lane| lane.try_lock().ok());
        let lane = free.unwrap_or_else(|| {
            let turn = self.next.fetch_add(1, Ordering::Relaxed) % self.lanes.len();
            self.lanes[turn].lock().unwrap_or_else(PoisonError::into_inner)
        });
        let seed = ids.iter().fold(0u64, |hash, id| hash.wrapping_mul(31).wrapping_add(*id as u64));
        // The operators fork their noise from the generator of the thread they run on.
        lane.run(|| fastrand::seed(seed));
        let input = NdTensor::from_data([1, ids.len()], ids.to_vec());
        let lengths = NdTensor::from_data([1], vec![ids.len() as i32]);
        let scales = NdTensor::from_data([3], scales.to_vec());
        let speaker = NdTensor::from_data([1], vec![0i32]);
        let mut inputs: Vec<(NodeId, ValueOrView<'_>)> = vec![
            (self.input, input.view().into()),
            (self.lengths, lengths.view().into()),
            (self.scales, scales.view().into()),
        ];
        if let Some(node) = self.speaker {
            inputs.push((node, speaker.view().into()));
        }
        let options = RunOptions::default().with_thread_pool(Some(Arc::clone(&lane)));
        let outputs = self.model.run(inputs, &[self.output], Some(options));
        let output = outputs.map_err(|e| e.to_string())?.into_iter().next();
        let output: Tensor<f32> =
            output.ok_or("no output")?.try_into().map_err(|_| "the output is not f32")?;
        Ok(output.iter().copied().collect())
    }
}

/// Bytes of normalised text in one run, about six seconds: the network takes 35 MB of memory for
/// each second that it makes at once. Longer sentences are parted at their commas.
const LONGEST_SENTENCE: usize = 100;

/// Sentences synthesised at once: ten times real time each, so these keep eighty callers busy.
const MOST_LANES: usize = 8;

//! The table of codecs: one file and one line here each.
//!
//! Everything works on mono 16-bit samples at [`crate::audio::RATE`]. G.711 has one byte a sample,
//! so frames of any length are encoded without state. Static payload types: RFC 3551 section 6.

mod pcma;
mod pcmu;

/// A codec that a session can run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// G.711 µ-law, payload type 0.
    Pcmu,
    /// G.711 A-law, payload type 8.
    Pcma,
}

/// A line of [`CODECS`].
#[derive(Debug)]
pub struct Entry {
    /// Which codec.
    pub codec: Codec,
    /// Its encoding name in SDP.
    pub name: &'static str,
    /// Its static payload type.
    pub payload_type: u8,
    /// Ticks of its RTP clock a second.
    pub clock: u32,
    encode: fn(i16) -> u8,
    decode: fn(u8) -> i16,
}

/// All codecs, in the order in which we like them.
pub static CODECS: [Entry; 2] = [
    Entry {
        codec: Codec::Pcmu,
        name: "PCMU",
        payload_type: 0,
        clock: 8_000,
        encode: pcmu::encode,
        decode: pcmu::decode,
    },
    Entry {
        codec: Codec::Pcma,
        name: "PCMA",
        payload_type: 8,
        clock: 8_000,
        encode: pcma::encode,
        decode: pcma::decode,
    },
];

impl Codec {
    /// Every codec, in the order of [`CODECS`].
    pub const ALL: [Codec; 2] = [Codec::Pcmu, Codec::Pcma];

    /// Its line in the table.
    pub fn entry(self) -> &'static Entry {
        match self {
            Codec::Pcmu => &CODECS[0],
            Codec::Pcma => &CODECS[1],
        }
    }

    /// The codec of a static payload type.
    pub fn from_payload_type(payload_type: u8) -> Option<Codec> {
        CODECS.iter().find(|entry| entry.payload_type == payload_type).map(|entry| entry.codec)
    }

    /// Its encoding name in SDP.
    pub fn name(self) -> &'static str {
        self.entry().name
    }

    /// Its static payload type.
    pub fn payload_type(self) -> u8 {
        self.entry().payload_type
    }

    /// The code for silence.
    pub fn silence(self) -> u8 {
        (self.entry().encode)(0)
    }

    /// Appends the codes of `samples` to `payload`.
    pub fn encode(self, samples: &[i16], payload: &mut Vec<u8>) {
        // A match per frame, not a call through a pointer per sample, lets the loop unroll.
        match self {
            Codec::Pcmu => payload.extend(samples.iter().map(|&sample| pcmu::encode(sample))),
            Codec::Pcma => payload.extend(samples.iter().map(|&sample| pcma::encode(sample))),
        }
    }

    /// Appends the samples of `payload` to `samples`.
    pub fn decode(self, payload: &[u8], samples: &mut Vec<i16>) {
        match self {
            Codec::Pcmu => samples.extend(payload.iter().map(|&code| pcmu::decode(code))),
            Codec::Pcma => samples.extend(payload.iter().map(|&code| pcma::decode(code))),
        }
    }

    /// One sample's code.
    pub fn encode_sample(self, sample: i16) -> u8 {
        (self.entry().encode)(sample)
    }

    /// One code's sample.
    pub fn decode_sample(self, code: u8) -> i16 {
        (self.entry().decode)(code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_and_the_enum_agree() {
        for codec in Codec::ALL {
            assert_eq!(codec.entry().codec, codec);
            assert_eq!(Codec::from_payload_type(codec.payload_type()), Some(codec));
        }
        assert_eq!(Codec::from_payload_type(18), None);
    }

    #[test]
    fn silence_is_the_code_nearest_to_zero() {
        assert_eq!(Codec::Pcmu.silence(), 0xFF);
        assert_eq!(Codec::Pcma.silence(), 0xD5);
    }

    #[test]
    fn frames_and_samples_give_the_same_codes() {
        let samples: Vec<i16> = (0..160).map(|n| (n * 391 - 31_000) as i16).collect();
        for codec in Codec::ALL {
            let (mut payload, mut back) = (Vec::new(), Vec::new());
            codec.encode(&samples, &mut payload);
            codec.decode(&payload, &mut back);
            for ((&sample, &code), &decoded) in samples.iter().zip(&payload).zip(&back) {
                assert_eq!(code, codec.encode_sample(sample));
                assert_eq!(decoded, codec.decode_sample(code));
            }
        }
    }
}

//! G.711 A-law as tables, bit-exact to the ITU's reference (G.191, one's complement magnitudes).

/// The code of a sample.
pub(super) fn encode(sample: i16) -> u8 {
    let magnitude = (sample ^ (sample >> 15)) as u16 >> 4;
    let sign = if sample < 0 { 0 } else { 0x80 };
    CODES[usize::from(magnitude & 0x7FF)] ^ sign
}

/// The sample of a code.
pub(super) fn decode(code: u8) -> i16 {
    SAMPLES[usize::from(code)]
}

/// Every other bit is sent inverted, so that silence does not look like a dead line.
const TOGGLED: u8 = 0x55;

/// Codes by 11-bit magnitude, toggled, without the sign.
static CODES: [u8; 2048] = codes();
/// Samples by code.
static SAMPLES: [i16; 256] = samples();

const fn codes() -> [u8; 2048] {
    let mut table = [0; 2048];
    let mut magnitude = 0;
    while magnitude < table.len() {
        let value = magnitude as u16;
        // The first two segments have steps of one size; from there each doubles.
        let code = if value < 32 {
            value
        } else {
            let segment = 11 - value.leading_zeros() as u16;
            ((segment + 1) << 4) | (value >> segment & 0xF)
        };
        table[magnitude] = code as u8 ^ TOGGLED;
        magnitude += 1;
    }
    table
}

const fn samples() -> [i16; 256] {
    let mut table = [0; 256];
    let mut code = 0;
    while code < table.len() {
        let plain = code as u8 ^ TOGGLED;
        let (segment, step) = (plain >> 4 & 7, (plain & 0xF) as i16);
        let magnitude = match segment {
            0 => step << 4 | 8,
            _ => (step << 4 | 0x108) << (segment - 1),
        };
        table[code] = if code < 0x80 { -magnitude } else { magnitude };
        code += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    /// The ITU's way, which searches the segment bit by bit.
    fn reference(sample: i16) -> u8 {
        let mut code = if sample < 0 { !sample >> 4 } else { sample >> 4 };
        if code > 15 {
            let mut segment = 1;
            while code > 31 {
                code >>= 1;
                segment += 1;
            }
            code = code - 16 + (segment << 4);
        }
        if sample >= 0 {
            code |= 0x80;
        }
        code as u8 ^ 0x55
    }

    fn reference_sample(code: u8) -> i16 {
        let plain = i16::from((code ^ 0x55) & 0x7F);
        let (segment, mut mantissa) = (plain >> 4, plain & 0xF);
        if segment > 0 {
            mantissa += 16;
        }
        mantissa = (mantissa << 4) + 8;
        if segment > 1 {
            mantissa <<= segment - 1;
        }
        if code > 127 { mantissa } else { -mantissa }
    }

    #[test]
    fn every_sample_has_the_code_of_the_reference() {
        for sample in i16::MIN..=i16::MAX {
            assert_eq!(super::encode(sample), reference(sample), "{sample}");
        }
    }

    #[test]
    fn every_code_has_the_sample_of_the_reference_and_survives_a_round() {
        for code in 0..=255 {
            assert_eq!(super::decode(code), reference_sample(code), "{code}");
            assert_eq!(super::encode(super::decode(code)), code);
        }
    }
}

//! G.711 µ-law as tables, bit-exact to the ITU's reference (G.191, one's complement magnitudes).

/// The code of a sample.
pub(super) fn encode(sample: i16) -> u8 {
    // G.711 is a 14-bit law; negative samples are measured from -1, so that both signs have the
    // same number of levels.
    let magnitude = (sample ^ (sample >> 15)) as u16 >> 2;
    let sign = if sample < 0 { 0 } else { 0x80 };
    CODES[usize::from(magnitude & 0x1FFF)] | sign
}

/// The sample of a code.
pub(super) fn decode(code: u8) -> i16 {
    SAMPLES[usize::from(code)]
}

/// Added to magnitudes so that the eight segments begin at powers of two.
const BIAS: u16 = 33;

/// Codes by 13-bit magnitude, without the sign.
static CODES: [u8; 8192] = codes();
/// Samples by code.
static SAMPLES: [i16; 256] = samples();

const fn codes() -> [u8; 8192] {
    let mut table = [0; 8192];
    let mut magnitude = 0;
    while magnitude < table.len() {
        let biased = magnitude as u16 + BIAS;
        let biased = if biased > 0x1FFF { 0x1FFF } else { biased };
        let segment = 10 - biased.leading_zeros() as u16;
        let step = biased >> (segment + 1) & 0xF;
        table[magnitude] = !(segment << 4 | step) as u8 & 0x7F;
        magnitude += 1;
    }
    table
}

const fn samples() -> [i16; 256] {
    let mut table = [0; 256];
    let mut code = 0;
    while code < table.len() {
        let inverted = !(code as u8);
        let (segment, step) = (inverted >> 4 & 7, (inverted & 0xF) as i16);
        let magnitude = (((2 * step + BIAS as i16) << segment) - BIAS as i16) << 2;
        table[code] = if code < 0x80 { -magnitude } else { magnitude };
        code += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    /// The ITU's way, which searches the segment bit by bit.
    fn reference(sample: i16) -> u8 {
        let mut magnitude = if sample < 0 { !sample >> 2 } else { sample >> 2 } + 33;
        magnitude = magnitude.min(0x1FFF);
        let (mut rest, mut segment) = (magnitude >> 6, 1);
        while rest != 0 {
            segment += 1;
            rest >>= 1;
        }
        let code = (8 - segment) << 4 | (0xF - (magnitude >> segment & 0xF));
        code as u8 | if sample >= 0 { 0x80 } else { 0 }
    }

    fn reference_sample(code: u8) -> i16 {
        let (sign, inverted) = (if code < 0x80 { -1 } else { 1 }, !i32::from(code));
        let (exponent, mantissa) = (inverted >> 4 & 7, inverted & 0xF);
        let step = 4 << (exponent + 1);
        (sign * ((0x80 << exponent) + step * mantissa + step / 2 - 4 * 33)) as i16
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
            // 0x7F is "minus zero": its sample is 0, whose code is plus zero.
            let round = super::encode(super::decode(code));
            assert_eq!(round, if code == 0x7F { 0xFF } else { code });
        }
        assert_eq!(super::decode(0x80), 32_124);
    }
}

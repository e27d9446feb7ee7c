//! Arithmetic on numbers that wrap: sequence numbers (16 bits) and timestamps (32 bits).

/// How far `to` is ahead of `from`, by the shorter way round; negative if it is behind.
pub fn distance(from: u16, to: u16) -> i16 {
    to.wrapping_sub(from) as i16
}

/// How far `to` is ahead of `from` in ticks, by the shorter way round.
pub fn ticks_between(from: u32, to: u32) -> i32 {
    to.wrapping_sub(from) as i32
}

/// The number near `reference` whose low 16 bits are `sequence`.
pub fn extend_sequence(reference: i64, sequence: u16) -> i64 {
    reference + i64::from(distance(reference as u16, sequence))
}

/// The number near `reference` whose low 32 bits are `timestamp`.
pub fn extend_timestamp(reference: i64, timestamp: u32) -> i64 {
    reference + i64::from(ticks_between(reference as u32, timestamp))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_go_the_shorter_way_round() {
        assert_eq!(distance(65_535, 0), 1);
        assert_eq!(distance(0, 65_535), -1);
        assert_eq!(distance(10, 10), 0);
        assert_eq!(ticks_between(u32::MAX - 79, 80), 160);
        assert_eq!(ticks_between(80, u32::MAX - 79), -160);
    }

    #[test]
    fn extended_numbers_count_on_across_wraps() {
        let mut extended = 65_530;
        for step in 1..=200_000_i64 {
            extended = extend_sequence(extended, (65_530 + step) as u16);
            assert_eq!(extended, 65_530 + step);
        }
        assert_eq!(extend_sequence(70_000, 69_990_u32 as u16), 69_990);
        assert_eq!(extend_timestamp(u32::MAX as i64, 159), (1 << 32) + 159);
        assert_eq!(extend_timestamp(1 << 32, u32::MAX), (1 << 32) - 1);
    }
}

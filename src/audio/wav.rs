//! tmp
/// tmp
pub fn read(_: &[u8]) -> Result<super::Clip, String> {
    Err("tmp".into())
}

//! What a function's instructions become, counted before anything compiles them: their machine code,
//! in units of a plain one's (some eight bytes), and its parts, between which control passes.
//!
//! Most become one instruction or none. What checks, traps, calls or branches becomes a dozen. The
//! compiler's time grows with the square of the parts of a function: 50,000 empty loops, 150 KB, took
//! minutes. The figures are from modules of one instruction many times over, on x86-64, and the
//! bounds from real programs: what Go makes of 5 to 12 MB and Python's modules of 16 MB.

use wasmparser::Operator;

use super::admit::at_most;

/// Code of one function. The largest of real ones (interpreters' main loops) have 70,000.
pub(super) const MAX_WEIGHT: u64 = 300_000;
/// Code of all functions. Real programs have at most 5 million.
pub(super) const MAX_ALL_WEIGHT: u64 = 12_000_000;
/// Parts of one function. The largest of real ones have 6,000.
pub(super) const MAX_PARTS: u64 = 15_000;
/// The squares of the parts of all functions: some seconds. Real programs come to 94 million.
pub(super) const MAX_SQUARES: u64 = 400_000_000;

/// What an instruction of vectors weighs: some become a dozen others.
pub(super) const VECTOR: u64 = 8;

/// What any other instruction weighs.
pub(super) fn weight(operator: &Operator<'_>) -> u64 {
    use Operator as O;
    match operator {
        O::Nop | O::End | O::Drop | O::LocalGet { .. } | O::I32Const { .. } => 1,
        // Range and sign are tested first, each test with a trap of its own: 70 to 130 bytes.
        O::I32TruncF32S
        | O::I32TruncF32U
        | O::I32TruncF64S
        | O::I32TruncF64U
        | O::I64TruncF32S
        | O::I64TruncF32U
        | O::I64TruncF64S
        | O::I64TruncF64U => 30,
        // The table's bounds, the function itself if it is not there yet, its type: 80 to 100 bytes.
        O::CallIndirect { .. }
        | O::ReturnCallIndirect { .. }
        | O::TableGet { .. }
        | O::TableSet { .. }
        | O::TableGrow { .. }
        | O::TableFill { .. }
        | O::TableCopy { .. }
        | O::TableInit { .. }
        | O::MemoryGrow { .. }
        | O::MemoryFill { .. }
        | O::MemoryCopy { .. }
        | O::MemoryInit { .. }
        | O::RefFunc { .. }
        | O::DataDrop { .. }
        | O::ElemDrop { .. } => 16,
        // A loop looks at the clock.
        O::Loop { .. } => 10,
        O::Call { .. } | O::ReturnCall { .. } => 4,
        O::I32DivS
        | O::I32DivU
        | O::I32RemS
        | O::I32RemU
        | O::I64DivS
        | O::I64DivU
        | O::I64RemS
        | O::I64RemU => 5,
        O::If { .. } | O::Else | O::Br { .. } | O::BrIf { .. } | O::Return | O::Unreachable => 3,
        O::Block { .. } => 2,
        O::BrTable { targets } => 4 + 2 * u64::from(targets.len()),
        O::I32TruncSatF32S
        | O::I32TruncSatF32U
        | O::I32TruncSatF64S
        | O::I32TruncSatF64U
        | O::I64TruncSatF32S
        | O::I64TruncSatF32U
        | O::I64TruncSatF64S
        | O::I64TruncSatF64U
        | O::I32Popcnt
        | O::I64Popcnt => 8,
        _ => 1,
    }
}

/// How many parts an instruction begins, as the compiler's time has it.
pub(super) fn parts(operator: &Operator<'_>) -> u64 {
    use Operator as O;
    match operator {
        O::Loop { .. } => 4,
        O::If { .. }
        | O::CallIndirect { .. }
        | O::ReturnCallIndirect { .. }
        | O::TableGet { .. }
        | O::TableSet { .. }
        | O::TableGrow { .. }
        | O::MemoryGrow { .. } => 2,
        O::Block { .. }
        | O::Else
        | O::Br { .. }
        | O::BrIf { .. }
        | O::BrTable { .. }
        | O::Return
        | O::Unreachable => 1,
        _ => 0,
    }
}

/// Of a module, as far as it was read.
#[derive(Default)]
pub(super) struct Weighed {
    code: u64,
    squares: u64,
    /// The most of one function.
    most: (u64, u64),
}

impl Weighed {
    /// How many times as much there might be.
    #[cfg(test)]
    pub(super) fn room(&self) -> f64 {
        [
            (self.code, MAX_ALL_WEIGHT),
            (self.squares, MAX_SQUARES),
            (self.most.0, MAX_WEIGHT),
            (self.most.1, MAX_PARTS),
        ]
        .map(|(is, most)| most as f64 / is.max(1) as f64)
        .into_iter()
        .fold(f64::INFINITY, f64::min)
    }

    /// Takes a function of so much code and so many parts.
    pub(super) fn add(&mut self, code: u64, parts: u64) -> Result<(), String> {
        const CODE: &str = "units of machine code (docs/functions.md)";
        self.code += code;
        self.squares += parts * parts;
        self.most = (self.most.0.max(code), self.most.1.max(parts));
        at_most("units of machine code in one function (docs/functions.md)", code, MAX_WEIGHT)?;
        at_most("branches and calls through tables in one function", parts, MAX_PARTS)?;
        at_most(CODE, self.code, MAX_ALL_WEIGHT)?;
        at_most("squares of branches in its functions", self.squares, MAX_SQUARES)
    }
}

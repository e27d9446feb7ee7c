//! Random programs for the interpreter of `guest_calls`: what the fuzzer does with coverage, done by
//! the thousand in every `cargo test`; and that the interpreter does what it is told.

use offhook::base::Rng;
use offhook::source::function::{Failure, Response};

use crate::guest_targets::guest_calls::answer;

const ROUNDS: u64 = 3_000;

/// How a number becomes an argument: as it is, a page, near the end of memory, behind it, the last
/// result, negative, huge.
const HOW: [u8; 12] = [0, 0, 0, 5, 7, 12, 0x20, 0x40, 0xc0, 0xc3, 0x80, 24];
/// Arguments of each call, in the order of the interpreter's steps.
const ARGUMENTS: [u8; 32] = [
    3, 2, 2, 0, 1, 4, 4, 4, 2, 2, 2, 1, 4, 2, 3, 2, 2, 2, 2, 3, 2, 2, 0, 4, 1, 1, 2, 3, 3, 1, 2, 0,
];
/// `next` reads a byte of its own; `abort`, `proc_exit` and the last two end the program.
const NEXT: u8 = 3;
const ENDS: [u8; 4] = [5, 24, 30, 31];

fn program(rng: &mut Rng) -> Vec<u8> {
    let mut program = Vec::new();
    for _ in 0..1 + rng.below(60) {
        let step = rng.below(32) as u8;
        if ENDS.contains(&step) && rng.below(8) > 0 {
            continue;
        }
        program.push(step);
        if step == NEXT {
            program.push(rng.below(8) as u8);
        }
        for _ in 0..ARGUMENTS[step as usize] {
            program.push(HOW[rng.below(HOW.len() as u64) as usize]);
            let number = if rng.below(2) == 0 { rng.below(10) } else { rng.below(256) };
            program.push(number as u8);
        }
    }
    program
}

#[test]
fn random_programs_end_as_documented() {
    let mut rng = Rng::from_number(1966);
    let mut kinds = std::collections::BTreeMap::new();
    for _ in 0..ROUNDS {
        let program = program(&mut rng);
        let door = rng.next_u32() as u8;
        let told = std::panic::catch_unwind(|| answer(door, &program));
        let told = told.unwrap_or_else(|_| panic!("door {door}, program {program:?}"));
        let kind = told.failure.map_or("answer".to_owned(), |failure| match failure {
            Failure::Exit(_) => "exit".to_owned(),
            // The function that it happened in is another matter.
            Failure::Trap(why) => why.split(" in `").next().unwrap_or_default().to_owned(),
            other => format!("{other:?}"),
        });
        *kinds.entry(kind).or_insert(0) += 1;
    }
    for kind in ["answer", "exit", "aborted", "Pointer", "LogFlood", "Memory", "WallTime"] {
        assert!(kinds.contains_key(kind), "{kind} never came up: {kinds:?}");
    }
}

fn body(response: &Response) -> &str {
    std::str::from_utf8(&response.body).expect("UTF-8")
}

#[test]
fn the_interpreter_does_what_it_is_told() {
    // log(2, page 2, 44), and the answer of 31 bytes at 8960, which is 35 << 8.
    let told = answer(1, &[0, 0, 2, 12, 2, 0, 44, 30, 8, 35, 0, 31]);
    assert_eq!(
        told.log[0].text,
        r#"{"op":"kv.set","key":"k","value":[1,2,3]}"#.to_owned() + "\0\0\0"
    );
    assert_eq!((told.status, body(&told)), (404, "<Response/>"));
    assert_eq!(told.headers, [("X-A".to_owned(), "b".to_owned())]);
    // ask(page 2, 41), next(10 ms), take(page 5), and an answer of as many bytes as that had.
    let told = answer(1, &[2, 12, 2, 0, 41, 3, 6, 4, 12, 5, 30, 12, 5, 0, 12]);
    assert_eq!(body(&told), r#"{"id":1,"wai"#);
    // take(the size of the memory less 3): the answer does not fit.
    let told = answer(1, &[2, 12, 2, 0, 41, 3, 6, 4, 0xc0, 3]);
    assert_eq!(told.failure, Some(Failure::Pointer));
    // A list of one buffer, its address and length at 0, written to standard output.
    let told = answer(0, &[26, 0, 0, 8, 35, 26, 0, 4, 0, 31, 6, 0, 1, 0, 0, 0, 1, 0, 64]);
    assert_eq!((told.status, body(&told)), (404, "<Response/>"));
}

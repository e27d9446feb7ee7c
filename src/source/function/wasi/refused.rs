//! What a process without files, folders and sockets is told when it asks for them: C libraries
//! link these functions whether a program calls them or not.

use wasmtime::{FuncType, Linker, Val, ValType};

use super::{BADF, INVAL, NOTCAPABLE, NOTDIR, NOTSOCK, NOTSUP, SPIPE, SUCCESS, WASI};
use crate::source::function::instance::State;

/// A function: its parameters (`i` for 32 bits, `l` for 64, `F` for the descriptor it is about), and
/// what it answers where that is one of the guest's own. For others that is always `BADF`.
type Refused = (&'static str, &'static str, i32);

const REFUSED: &[Refused] = &[
    ("fd_advise", "Flli", SPIPE),
    ("fd_allocate", "Fll", SPIPE),
    // What is written is kept: there is nothing to wait for.
    ("fd_datasync", "F", SUCCESS),
    ("fd_sync", "F", SUCCESS),
    ("fd_fdstat_set_flags", "Fi", SUCCESS),
    ("fd_fdstat_set_rights", "Fll", NOTSUP),
    ("fd_filestat_set_size", "Fl", INVAL),
    ("fd_filestat_set_times", "Flli", NOTCAPABLE),
    ("fd_pread", "Fiili", SPIPE),
    ("fd_pwrite", "Fiili", SPIPE),
    ("fd_seek", "Flii", SPIPE),
    ("fd_tell", "Fi", SPIPE),
    ("fd_readdir", "Fiili", NOTDIR),
    ("fd_renumber", "Fi", NOTSUP),
    // With this, C libraries know at their start that they were given no folder.
    ("fd_prestat_get", "Fi", BADF),
    ("fd_prestat_dir_name", "Fii", BADF),
    ("path_create_directory", "Fii", NOTDIR),
    ("path_filestat_get", "Fiiii", NOTDIR),
    ("path_filestat_set_times", "Fiiilli", NOTDIR),
    ("path_link", "Fiiiiii", NOTDIR),
    ("path_open", "Fiiiillii", NOTDIR),
    ("path_readlink", "Fiiiii", NOTDIR),
    ("path_remove_directory", "Fii", NOTDIR),
    ("path_rename", "Fiiiii", NOTDIR),
    ("path_symlink", "iiFii", NOTDIR),
    ("path_unlink_file", "Fii", NOTDIR),
    ("sock_accept", "Fii", NOTSOCK),
    ("sock_recv", "Fiiiii", NOTSOCK),
    ("sock_send", "Fiiii", NOTSOCK),
    ("sock_shutdown", "Fi", NOTSOCK),
    // It takes no descriptor: it is always answered so.
    ("proc_raise", "i", NOTSUP),
];

pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    for &(name, parameters, answer) in REFUSED {
        let kinds = parameters.chars().map(|c| if c == 'l' { ValType::I64 } else { ValType::I32 });
        let kind = FuncType::new(linker.engine(), kinds, [ValType::I32]);
        let descriptor = parameters.find('F');
        linker.func_new(WASI, name, kind, move |guest, arguments, results| {
            let descriptor = descriptor.and_then(|at| arguments.get(at)?.i32());
            let own = descriptor.is_none_or(|fd| guest.data().has(fd as u32));
            results[0] = Val::I32(if own { answer } else { BADF });
            Ok(())
        })?;
    }
    Ok(())
}

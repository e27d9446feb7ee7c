//! Who is to blame for a failure, so that errors can say who should act.

/// The party whose mistake or trouble an error reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The far end of a protocol: a phone, a carrier, a web server.
    Peer,
    /// The author of a document, a bin or a function.
    Application,
    /// Whoever runs this server: configuration, disk, network.
    Operator,
    /// Offhook itself: a defect.
    Us,
}

impl Fault {
    /// A word for messages and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Fault::Peer => "peer",
            Fault::Application => "application",
            Fault::Operator => "operator",
            Fault::Us => "offhook",
        }
    }
}

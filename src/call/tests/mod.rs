//! Whole calls, with every party, web server and voice played by [`stage::Stage`].

mod answering;
mod dialling;
mod documents;
mod endings;
mod gathering;
mod orders;
mod recording;
mod stage;

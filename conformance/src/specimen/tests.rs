//! The specimen's own tests: the right one is right, every variant is too, every fault shows.

mod published;
mod right;
mod shown;
mod tables;
mod world;

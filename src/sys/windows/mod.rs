//! What Windows has in the place of Unix's files: folders of one's own, and locks that go with
//! their handle.

pub mod filesystem;

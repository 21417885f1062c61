//! A bot that polls, and what Telegram says to that.

pub mod dispatch;

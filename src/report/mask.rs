use std::borrow::Cow;
pub fn printable(text: &str) -> Cow<'_, str> {
    Cow::Borrowed(text)
}
pub fn command(args: &[String]) -> String {
    args.join(" ")
}

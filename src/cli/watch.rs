//! `parvis status --watch`: the status on the whole screen, asked for anew every two seconds, until `q` is pressed. Draws;
//! what stands there comes from elsewhere.

use super::ask::{self, STATUS_PATIENCE};
use super::output::complain;
use super::{Door, UNAVAILABLE, status};
use crate::base::now;
use crossterm::event::{self, Event, KeyCode, KeyEvent, KeyModifiers};
use crossterm::terminal::{self, Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen};
use crossterm::{cursor, execute, queue, style};
use http::Method;
use serde_json::Value;
use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Shows the status at `path` until somebody has seen enough.
pub(super) fn watch(path: &str, door: &Door) -> ExitCode {
    if !io::stdout().is_terminal() {
        complain!("parvis: --watch needs a terminal; `parvis status --json` is for programs");
        return ExitCode::from(UNAVAILABLE);
    }
    // What cannot be asked once is told as it is, not on a screen that vanishes.
    if let Err(code) = ask::answer(&Method::GET, path, STATUS_PATIENCE, door) {
        return code;
    }
    match Screen::take().and_then(|_screen| show(path, door)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain!("parvis: the terminal: {error}");
            ExitCode::from(UNAVAILABLE)
        }
    }
}

/// The terminal, taken over until this is dropped.
struct Screen;

impl Screen {
    fn take() -> io::Result<Self> {
        terminal::enable_raw_mode()?;
        let screen = Self;
        execute!(io::stdout(), EnterAlternateScreen, cursor::Hide)?;
        Ok(screen)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // Whoever cannot be given the terminal back has none.
        let _ = execute!(io::stdout(), cursor::Show, LeaveAlternateScreen);
        let _ = terminal::disable_raw_mode();
    }
}

/// Asks and draws until somebody has seen enough.
fn show(path: &str, door: &Door) -> io::Result<()> {
    let mut before: Option<(Value, Instant)> = None;
    // The first line on the screen.
    let mut top = 0;
    loop {
        let asked = now();
        let lines = match ask::quietly(&Method::GET, path, STATUS_PATIENCE, door) {
            Ok(answer) => match serde_json::from_str::<Value>(&answer.body) {
                Ok(value) => {
                    let since =
                        before.as_ref().map(|(value, at)| (value, asked.saturating_duration_since(*at)));
                    let text = status::told(&value, since);
                    before = Some((value, asked));
                    text
                }
                Err(_) => answer.body,
            },
            Err(why) => {
                format!("the node does not answer: {why}\n\nIt is asked again every two seconds.")
            }
        };
        let lines: Vec<&str> = lines.lines().collect();
        let due = asked + EVERY;
        loop {
            top = draw(&lines, top)?;
            let Some(left) = due.checked_duration_since(now()).filter(|left| !left.is_zero()) else {
                break;
            };
            if !event::poll(left)? {
                break;
            }
            match event::read()? {
                Event::Key(key) if ends(key) => return Ok(()),
                Event::Key(KeyEvent { code, .. }) => top = moved(code, top, lines.len()),
                _ => {}
            }
        }
    }
}

/// Draws the lines from `top` on, each cut to the screen, which `…` shows; where it begins in the end.
fn draw(lines: &[&str], top: usize) -> io::Result<usize> {
    let (width, height) = terminal::size()?;
    let (width, height) = (usize::from(width.max(1)), usize::from(height.max(2)));
    let top = top.min(lines.len().saturating_sub(height - 1));
    let mut out = io::stdout().lock();
    queue!(out, cursor::MoveTo(0, 0))?;
    for line in lines.iter().skip(top).take(height - 1) {
        let cut = cut(line, width);
        // Line by line, so that nothing flickers.
        queue!(out, style::Print(cut), Clear(ClearType::UntilNewLine), style::Print("\r\n"))?;
    }
    let more = lines.len().saturating_sub(top + height - 1);
    let foot = if more > 0 { format!("q ends, arrows move: {more} lines more") } else { "q ends".to_owned() };
    let foot = cut(&foot, width);
    queue!(
        out,
        Clear(ClearType::FromCursorDown),
        cursor::MoveTo(0, (height - 1) as u16),
        style::Print(foot)
    )?;
    out.flush()?;
    Ok(top)
}

/// As much of a line as is that wide.
fn cut(line: &str, width: usize) -> Cow<'_, str> {
    if line.chars().count() <= width {
        return Cow::Borrowed(line);
    }
    line.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

fn ends(key: KeyEvent) -> bool {
    matches!(key.code, KeyCode::Char('q') | KeyCode::Esc)
        || (key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL))
}

fn moved(code: KeyCode, top: usize, lines: usize) -> usize {
    match code {
        KeyCode::Up | KeyCode::Char('k') => top.saturating_sub(1),
        KeyCode::Down | KeyCode::Char('j') => top + 1,
        KeyCode::PageUp => top.saturating_sub(PAGE),
        KeyCode::PageDown | KeyCode::Char(' ') => top + PAGE,
        KeyCode::Home => 0,
        KeyCode::End => lines,
        _ => top,
    }
}

/// How often the node is asked.
const EVERY: Duration = Duration::from_secs(2);

/// Lines that a page is.
const PAGE: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_cut_shows_it() {
        for (line, width, shown) in
            [("abc", 3, "abc"), ("abcd", 3, "ab…"), ("äöüß", 2, "ä…"), ("", 1, ""), ("ab", 1, "…")]
        {
            assert_eq!(cut(line, width), shown);
        }
    }
}

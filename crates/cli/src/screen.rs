//! Standard output: buffered, coloured only where colours are wanted.

use std::fmt::{self, Display};
use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};

use anstyle::{AnsiColor, Style};
use clap::ValueEnum;

/// Octets that are gathered before they are written.
const BUFFER: usize = 256 * 1024;

/// When to colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On terminals, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What a text means; decides its colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Tone {
    /// Nothing special.
    #[default]
    Plain,
    /// A heading.
    Heading,
    /// As it should be.
    Good,
    /// On its way, or to be looked at.
    Warn,
    /// Not as it should be.
    Bad,
    /// Less important.
    Dim,
}

impl Tone {
    const fn style(self) -> Style {
        match self {
            Self::Plain => Style::new(),
            Self::Heading => Style::new().bold(),
            Self::Good => AnsiColor::Green.on_default(),
            Self::Warn => AnsiColor::Yellow.on_default(),
            Self::Bad => AnsiColor::Red.on_default(),
            Self::Dim => Style::new().dimmed(),
        }
    }
}

/// Standard output.
pub(crate) struct Screen {
    out: BufWriter<StdoutLock<'static>>,
    color: bool,
    error_color: bool,
    width: Option<usize>,
}

impl Screen {
    pub(crate) fn new(color: Color) -> Self {
        // https://no-color.org: set and not empty.
        let wanted = |terminal: bool| match color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => {
                terminal
                    && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
                    && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
            }
        };
        let stdout = io::stdout();
        let is_terminal = stdout.is_terminal();
        let width = is_terminal.then(terminal_size::terminal_size).flatten().map(|(width, _)| usize::from(width.0));
        Self {
            color: wanted(is_terminal),
            error_color: wanted(io::stderr().is_terminal()),
            width,
            out: BufWriter::with_capacity(BUFFER, stdout.lock()),
        }
    }

    /// Columns of the terminal; none when the output goes elsewhere, where lines are not broken.
    pub(crate) const fn width(&self) -> Option<usize> {
        self.width
    }

    /// `text` in its colour.
    pub(crate) const fn paint<T: Display>(&self, tone: Tone, text: T) -> Painted<T> {
        Painted { style: if self.color { tone.style() } else { Style::new() }, text }
    }

    pub(crate) const fn error_label(&self) -> Painted<&'static str> {
        let style = if self.error_color { Tone::Bad.style().bold() } else { Style::new() };
        Painted { style, text: "error:" }
    }

    /// Writes octets as they are.
    pub(crate) fn raw(&mut self, octets: &[u8]) -> io::Result<()> {
        self.out.write_all(octets)
    }

    /// Writes formatted text; called by `write!` and `writeln!`.
    pub(crate) fn write_fmt(&mut self, text: fmt::Arguments<'_>) -> io::Result<()> {
        self.out.write_fmt(text)
    }

    /// Writes what is gathered.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    /// The writer, for a library that wants one.
    pub(crate) const fn writer(&mut self) -> &mut BufWriter<StdoutLock<'static>> {
        &mut self.out
    }
}

/// A text with its colour.
pub(crate) struct Painted<T> {
    style: Style,
    text: T,
}

impl<T: Display> Display for Painted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{}", self.style.render(), self.text, self.style.render_reset())
    }
}

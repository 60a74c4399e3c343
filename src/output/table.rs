//! Tables for people: no frame, two spaces between columns, the width of the longest cell.

use comfy_table::{CellAlignment, ContentArrangement, Table};

/// Which side of its column a cell keeps to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// Renders rows under their headings; no rows, no text.
#[must_use]
pub fn render(headings: &[(&str, Align)], rows: &[Vec<String>]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(headings.iter().map(|(name, _)| *name));
    table.add_rows(rows);
    for (column, (_, align)) in table.column_iter_mut().zip(headings) {
        column.set_padding((0, 2));
        column.set_cell_alignment(match align {
            Align::Left => CellAlignment::Left,
            Align::Right => CellAlignment::Right,
        });
    }
    let mut text = String::new();
    for line in table.to_string().lines() {
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_lines_end_where_their_text_ends() {
        let rows = vec![vec!["r1".into(), "7".into(), "x".into()], vec!["client".into(), "12".into(), String::new()]];
        let text = render(&[("NODE", Align::Left), ("LINKS", Align::Right), ("NOTE", Align::Left)], &rows);
        assert_eq!(text, "NODE    LINKS  NOTE\nr1          7  x\nclient     12\n");
    }
}

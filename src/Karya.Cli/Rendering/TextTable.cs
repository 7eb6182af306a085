using Spectre.Console;
using Spectre.Console.Rendering;

namespace Karya.Cli.Rendering;

/// <summary>Columns without boxes, so that what people see is also what a pipe gets. Collects rows, then prints them.</summary>
internal sealed class TextTable
{
    private readonly Table _table = new Table().Border(TableBorder.None);

    /// <summary>For a name and a value on each line.</summary>
    public static TextTable OfPairs()
    {
        var table = new TextTable("", "");
        table._table.HideHeaders();
        return table;
    }

    public TextTable(params string[] columns)
    {
        foreach (string column in columns)
        {
            // Ids and times are pasted elsewhere: only the column that takes what is left may be broken.
            var header = new TableColumn(new Text(column, new Style(decoration: Decoration.Dim))).PadLeft(0).PadRight(2);
            _table.AddColumn(column == columns[^1] ? header : header.NoWrap());
        }
    }

    public void Row(params string[] cells) => _table.AddRow(cells.Select(Cell));

    public void Print(Terminal terminal)
    {
        using var text = new StringWriter();
        var console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Ansi = terminal.HasColour ? AnsiSupport.Yes : AnsiSupport.No,
            ColorSystem = terminal.HasColour ? ColorSystemSupport.Standard : ColorSystemSupport.NoColors,
            Interactive = InteractionSupport.No,
            Out = new AnsiConsoleOutput(text),
            Enrichment = new ProfileEnrichment { UseDefaultEnrichers = false },
        });
        console.Profile.Width = terminal.Width ?? short.MaxValue;
        console.Write(_table);

        // The library fills up each line to the width of the table.
        foreach (string line in text.ToString().TrimEnd().Split('\n'))
            terminal.Line(line.TrimEnd());
    }

    /// <summary>What users wrote must not steer the terminal.</summary>
    public static string Plain(string text) =>
        text.Any(char.IsControl) ? string.Concat(text.Select(letter => char.IsControl(letter) ? ' ' : letter)) : text;

    private static IRenderable Cell(string text) => new Text(Plain(text), StyleOf(text));

    /// <summary>Of the words for states, that one may find them faster.</summary>
    private static Style StyleOf(string text) => text switch
    {
        "success" or "completed" => new Style(Color.Green),
        "failure" => new Style(Color.Red),
        "running" or "processing" => new Style(Color.Blue),
        "cancelled" or "skipped" => new Style(Color.Grey),
        _ => Style.Plain,
    };
}

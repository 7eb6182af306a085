using System.Text;
using System.Text.RegularExpressions;

namespace Karya.Protocol.Tests;

/// <summary>What <c>docs/protocol.md</c> says, as far as it can be compared with the code.</summary>
internal sealed partial class ProtocolDocument
{
    private readonly string[] _lines = RepositoryFile.ReadLines("docs/protocol.md");

    /// <summary>The rows of the table that begins with this header row, without it.</summary>
    public IReadOnlyList<string[]> Table(string header) => TableAfter(Array.IndexOf(_lines, header));

    /// <summary>Heading and slots of each message and record. No slots when there is no table.</summary>
    public IEnumerable<(string Heading, IReadOnlyList<string> Slots)> Layouts() =>
        from layout in LayoutRows()
        select (layout.Heading, (IReadOnlyList<string>)[.. layout.Rows.Select(SlotName)]);

    /// <summary>The same with whole rows: slot, name, type, limits, meaning, since.</summary>
    public IEnumerable<(string Heading, List<string[]> Rows)> LayoutRows() =>
        from line in _lines.Index()
        where line.Item.StartsWith("### ", StringComparison.Ordinal)
        select (line.Item[4..], RowsBelow(line.Index));

    /// <summary>The bytes of a block of the example: on each line those before two spaces.</summary>
    public byte[] Example(string name)
    {
        var digits = new StringBuilder();
        int start = Array.IndexOf(_lines, $"```hex {name}") + 1;
        foreach (string line in _lines[start..].TakeWhile(line => line != "```"))
            digits.Append(line.Split("  ")[0].Replace(" ", "", StringComparison.Ordinal));
        return Convert.FromHexString(digits.ToString());
    }

    private List<string[]> RowsBelow(int heading)
    {
        int end = Array.FindIndex(_lines, heading + 1, line => line.StartsWith('#'));
        int table = Array.FindIndex(
            _lines, heading, end - heading, line => line.StartsWith("| slot |", StringComparison.Ordinal));
        return table < 0 ? [] : TableAfter(table);
    }

    private static string SlotName(string[] row, int slot) =>
        row[0] == slot.ToString(System.Globalization.CultureInfo.InvariantCulture) && row.Length == 6 && row[5] == "1"
            ? row[1].Trim('`')
            : throw new InvalidOperationException($"Not slot {slot} of version 1: {string.Join(" | ", row)}");

    private List<string[]> TableAfter(int header) =>
        [.. _lines.Skip(header + 2).TakeWhile(line => line.StartsWith('|')).Select(line => Cells().Split(line)[1..^1])];

    [GeneratedRegex(@"\s*\|\s*")]
    private static partial Regex Cells();
}

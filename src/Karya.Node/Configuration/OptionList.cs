namespace Karya.Node.Configuration;

/// <summary>Values that are lists: entries with commas between them. Pure.</summary>
internal static class OptionList
{
    public static string[] Entries(string list) => list.Split(
        ',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);

    /// <summary>What is wrong with the first entry that is not as it should be, or with a list of none.</summary>
    public static string? FirstMistake(string list, Func<string, string?> judge)
    {
        string[] entries = Entries(list);
        return entries.Length == 0
            ? "names nothing"
            : entries.Select(judge).FirstOrDefault(mistake => mistake is not null);
    }
}

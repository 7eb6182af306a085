namespace Karya.Node.Configuration;

/// <summary>Guesses what a mistyped name was meant to be.</summary>
internal static class NearestName
{
    /// <summary>Longer names are not compared: no option comes near, and the work grows with the length.</summary>
    private const int NameCharsMax = 80;

    /// <summary>
    /// The name with the fewest letters to insert, remove, replace or swap; null when even that is too far off.
    /// </summary>
    public static string? Of(string name, IEnumerable<string> known)
    {
        if (name.Length is 0 or > NameCharsMax)
            return null;

        string lower = name.ToLowerInvariant();
        string? nearest = known.MinBy(candidate => Distance(lower, candidate.ToLowerInvariant()));
        int distanceMax = Math.Max(1, name.Length / 3);
        return nearest is not null && Distance(lower, nearest.ToLowerInvariant()) <= distanceMax ? nearest : null;
    }

    /// <summary>The edit distance in its restricted Damerau-Levenshtein form, row by row.</summary>
    private static int Distance(string a, string b)
    {
        int[] beforeLast = new int[b.Length + 1];
        int[] last = [.. Enumerable.Range(0, b.Length + 1)];
        int[] row = new int[b.Length + 1];

        for (int i = 1; i <= a.Length; i++)
        {
            row[0] = i;
            for (int j = 1; j <= b.Length; j++)
            {
                int replaced = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
                row[j] = Math.Min(replaced, Math.Min(last[j], row[j - 1]) + 1);
                if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                    row[j] = Math.Min(row[j], beforeLast[j - 2] + 1);
            }

            (beforeLast, last, row) = (last, row, beforeLast);
        }

        return last[b.Length];
    }
}

using System.Globalization;

namespace Karya.Protocol;

/// <summary>
/// After which HTTP statuses another attempt is made: numbers from 300 to 599, or 3, 4 and 5 for all that begin with
/// them. As text <c>408,429,5xx</c>, or <c>none</c>. Pure.
/// </summary>
public static class RetryStatuses
{
    /// <summary>How many may be named.</summary>
    public const int CountMax = 32;

    private const string None = "none";
    private const int HundredMin = 3;
    private const int HundredMax = 5;

    /// <summary>It is one that may be named.</summary>
    public static bool IsOne(int status) => status is (>= HundredMin and <= HundredMax) or (>= 300 and <= 599);

    /// <summary>A status is named, by itself or with its hundred.</summary>
    public static bool Contains(IReadOnlyList<int> statuses, int status)
    {
        ArgumentNullException.ThrowIfNull(statuses);
        foreach (int one in statuses)
        {
            if (one == status || one == status / 100)
                return true;
        }

        return false;
    }

    /// <summary>Reads the text form. False: it is not of that form.</summary>
    public static bool TryRead(string text, out int[] statuses)
    {
        ArgumentNullException.ThrowIfNull(text);
        statuses = [];
        if (text.Trim() == None)
            return true;
        string[] words = text.Split(',', StringSplitOptions.TrimEntries);
        if (words.Length > CountMax)
            return false;
        int[] read = new int[words.Length];
        for (int i = 0; i < words.Length; i++)
        {
            var digits = words[i].EndsWith("xx", StringComparison.Ordinal) ? words[i].AsSpan(0, 1) : words[i];
            bool isHundred = digits.Length == 1 && words[i].Length == 3;
            if (!int.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out read[i])
                || !IsOne(read[i]) || isHundred != (read[i] < 10))
            {
                return false;
            }
        }

        statuses = read;
        return true;
    }

    /// <summary>The text form.</summary>
    public static string Write(IReadOnlyList<int> statuses)
    {
        ArgumentNullException.ThrowIfNull(statuses);
        return statuses.Count == 0
            ? None
            : string.Join(',', statuses.Select(status => string.Create(
                CultureInfo.InvariantCulture, $"{status}{(status < 10 ? "xx" : "")}")));
    }
}

using Cronos;

namespace Karya.Engine.Scheduling;

/// <summary>Finds the field of a cron expression that is wrong, and says what it may hold.</summary>
internal static class CronFields
{
    public const int CountMax = 6;

    private const int CountMin = 5;

    private static readonly char[] Blanks = [' ', '\t'];

    private static readonly (string Name, string Allowed)[] Fields =
    [
        ("second", "0-59"),
        ("minute", "0-59"),
        ("hour", "0-23"),
        ("day of month", "1-31, L, LW, L-3, 15W, ?"),
        ("month", "1-12, JAN-DEC"),
        ("day of week", "0-7, SUN-SAT, 5L, MON#2, ?"),
    ];

    public static int CountOf(string expression) => Split(expression).Length;

    /// <summary>A sentence about the first mistake; null when there is none.</summary>
    public static string? FindMistake(string expression)
    {
        if (expression.Length > Limits.CronCharsMax)
        {
            return $"The cron expression has {expression.Length} characters; "
                + $"at most {Limits.CronCharsMax} are allowed.";
        }

        string[] parts = Split(expression);
        if (parts.Length is < CountMin or > CountMax)
        {
            return $"The cron expression '{expression}' has {parts.Length} fields; it must have {CountMin} "
                + $"(minute, hour, day of month, month, day of week), or {CountMax} with the second in front.";
        }

        for (int i = 0; i < parts.Length; i++)
        {
            int field = i + CountMax - parts.Length;
            if (!IsValid(field, parts[i]))
            {
                return $"The {Fields[field].Name} '{parts[i]}' of the cron expression is not valid; allowed are "
                    + $"{Fields[field].Allowed}, *, lists as 1,2, ranges as 1-5 and steps as */5.";
            }
        }

        return null;
    }

    /// <summary>A field is tried alone, so that the message can name it.</summary>
    private static bool IsValid(int field, string value)
    {
        string[] parts = ["*", "*", "*", "*", "*", "*"];
        parts[field] = value;
        return CronExpression.TryParse(string.Join(' ', parts), CronFormat.IncludeSeconds, out _);
    }

    private static string[] Split(string expression) =>
        expression.Split(Blanks, StringSplitOptions.RemoveEmptyEntries);
}

using System.Globalization;
using System.Text.Json;
using Karya.Node.Plans;

namespace Karya.Node.Http.V1;

/// <summary>
/// Takes fields out of a JSON request as tolerantly as kotlinx.serialization does: unknown keys ignored, integers in
/// quotes accepted, the last of duplicate keys taken. Remembers the first mistake; after one, every read answers with
/// something harmless, so that callers read on and ask once at the end.
/// </summary>
/// <remarks>One per request.</remarks>
internal sealed class JsonFields
{
    private const string BrokenKey =
        "The body has a key with an unpaired surrogate (\\ud800 to \\udfff) in it, which is no text.";

    private readonly Stack<string> _path = new();

    /// <summary>The first mistake as a sentence that begins with the field; null when there is none.</summary>
    public string? Mistake { get; private set; }

    /// <summary>Names the object or list that the following reads are inside of.</summary>
    public void Enter(string name) => _path.Push(name);

    public void Leave() => _path.Pop();

    /// <param name="text">Follows the name of the field: "is 7; at most 3 are accepted."</param>
    public void Refuse(string name, string text) => Mistake ??= $"{PathOf(name)} {text}";

    /// <summary>For mistakes that concern no single field.</summary>
    public void RefuseAll(string sentence) => Mistake ??= sentence;

    public string Text(JsonElement parent, string name, int charsMax, TextRule rule = TextRule.Any) =>
        TryFind(parent, name, out var value) ? ReadText(value, name, charsMax, rule) : Missing(name, "a string");

    /// <summary>Null when the field is absent or null.</summary>
    public string? TextOrNull(JsonElement parent, string name, int charsMax, TextRule rule = TextRule.Any) =>
        IsGiven(parent, name, out var value) ? ReadText(value, name, charsMax, rule) : null;

    /// <summary>
    /// One of a few words; the position of it. Absent: <paramref name="absent"/>, or a mistake when that is null.
    /// </summary>
    public int Choice(JsonElement parent, string name, string[] words, int? absent = null)
    {
        if (!TryFind(parent, name, out var value))
            return absent ?? Missing(name, "one of " + string.Join(", ", words), 0);

        string text = ReadText(value, name, int.MaxValue, TextRule.Any);
        int found = Array.IndexOf(words, text);
        if (found < 0)
            Refuse(name, $"is {Quoted.Shorten(text)}; it must be one of {string.Join(", ", words)}.");

        return Math.Max(found, 0);
    }

    /// <summary>
    /// An integer, or one in quotes. Absent: <paramref name="absent"/>, or a mistake when that is null.
    /// </summary>
    public long Integer(JsonElement parent, string name, long min, long max, long? absent = null) =>
        TryFind(parent, name, out var value)
            ? ReadInteger(value, name, min, max)
            : absent ?? Missing(name, "an integer", 0L);

    /// <summary>Null when the field is absent or null.</summary>
    public long? IntegerOrNull(JsonElement parent, string name, long min, long max) =>
        IsGiven(parent, name, out var value) ? ReadInteger(value, name, min, max) : null;

    public Guid Uuid(JsonElement parent, string name)
    {
        string text = Text(parent, name, int.MaxValue);
        if (!Uuids.TryParse(text, out var guid))
            Refuse(name, $"is {Quoted.Shorten(text)}; it must be {Uuids.Form}.");

        return guid;
    }

    /// <summary>
    /// An object or a list. False when it is absent (a mistake if it is required) or of another kind (a mistake).
    /// </summary>
    public bool TryNested(JsonElement parent, string name, JsonValueKind kind, bool required, out JsonElement value)
    {
        string wanted = kind == JsonValueKind.Array ? "a list" : "an object";
        if (!TryFind(parent, name, out value))
        {
            if (required)
                Missing(name, wanted);

            return false;
        }

        if (value.ValueKind == kind)
            return true;

        WrongKind(name, value, wanted);
        return false;
    }

    /// <summary>The field is there and not null.</summary>
    public bool IsGiven(JsonElement parent, string name, out JsonElement value) =>
        TryFind(parent, name, out value) && value.ValueKind != JsonValueKind.Null;

    /// <summary>The keys of an object with their values; stops at the first mistake.</summary>
    public IEnumerable<(string Name, JsonElement Value)> Entries(JsonElement map)
    {
        foreach (var entry in map.EnumerateObject())
        {
            string name;
            try
            {
                name = entry.Name;
            }
            catch (InvalidOperationException)
            {
                RefuseAll(BrokenKey);
                yield break;
            }

            yield return (name, entry.Value);
        }
    }

    public string ReadText(JsonElement value, string name, int charsMax, TextRule rule)
    {
        if (value.ValueKind != JsonValueKind.String)
        {
            WrongKind(name, value, "a string");
            return "";
        }

        string text;
        try
        {
            text = value.GetString()!;
        }
        catch (InvalidOperationException)
        {
            Refuse(name, "has an unpaired surrogate (\\ud800 to \\udfff) in it, which is no text.");
            return "";
        }

        if (text.Length > charsMax)
            Refuse(name, $"has {text.Length} characters; at most {charsMax} are accepted.");
        else if (TextRules.FirstForbidden(text, rule) is var at and >= 0)
            Refuse(name, $"has the control character \\u{(int)text[at]:x4} at position {at + 1}, not accepted there.");

        return text;
    }

    private long ReadInteger(JsonElement value, string name, long min, long max)
    {
        long number = 0;
        bool isInteger = value.ValueKind switch
        {
            JsonValueKind.Number => value.TryGetInt64(out number),
            JsonValueKind.String => long.TryParse(
                ReadText(value, name, int.MaxValue, TextRule.Any), NumberStyles.AllowLeadingSign,
                CultureInfo.InvariantCulture, out number),
            _ => false,
        };

        if (!isInteger)
            WrongKind(name, value, "an integer");
        else if (number > max)
            Refuse(name, $"is {number}; at most {max} is accepted.");
        else if (number < min)
            Refuse(name, $"is {number}; at least {min} is accepted.");

        return number;
    }

    private bool TryFind(JsonElement parent, string name, out JsonElement value)
    {
        try
        {
            return parent.TryGetProperty(name, out value);
        }
        catch (InvalidOperationException)
        {
            RefuseAll(BrokenKey);
            value = default;
            return false;
        }
    }

    private string Missing(string name, string wanted) => Missing(name, wanted, "");

    private T Missing<T>(string name, string wanted, T harmless)
    {
        Refuse(name, $"is missing; it must be {wanted}.");
        return harmless;
    }

    private void WrongKind(string name, JsonElement value, string wanted)
    {
        string found = value.ValueKind switch
        {
            JsonValueKind.Object => "an object",
            JsonValueKind.Array => "a list",
            JsonValueKind.True or JsonValueKind.False or JsonValueKind.Null => value.GetRawText(),
            JsonValueKind.String => Quoted.Shorten(value.GetRawText().AsSpan()[1..^1]),
            _ => Quoted.Shorten(value.GetRawText()),
        };

        Refuse(name, $"is {found}; it must be {wanted}.");
    }

    private string PathOf(string name)
    {
        var outermostFirst = _path.Reverse().Append(name).Where(part => part.Length > 0);
        return string.Join('.', outermostFirst).Replace(".[", "[", StringComparison.Ordinal);
    }
}

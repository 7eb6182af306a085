using System.Globalization;
using System.Text;
using System.Text.Json;
using Karya.Engine.Scheduling;
using Karya.Node.Configuration;
using Karya.Node.Plans;
using Karya.Protocol;

namespace Karya.Node.Http.Api;

/// <summary>
/// One object of a request under <c>/api</c>, read strictly: unknown and repeated fields are mistakes, and nothing is
/// taken for something else.
/// </summary>
internal sealed class StrictJson
{
    private readonly JsonElement _element;
    private readonly string _path;

    /// <param name="path">Of the object within the request; empty for the request itself.</param>
    /// <param name="known">All fields that there may be.</param>
    /// <exception cref="ApiMistakeException">It is no object, or has a field that is not known.</exception>
    public StrictJson(JsonElement element, string path, params string[] known)
    {
        _element = element;
        _path = path;
        if (element.ValueKind != JsonValueKind.Object)
            throw Mistake(ErrorCode.Malformed, "", "must be an object.");

        var seen = new HashSet<string>();
        foreach (var field in element.EnumerateObject())
        {
            if (!known.Contains(field.Name))
            {
                string hint = NearestName.Of(field.Name, known) is { } nearest ? $" Did you mean {nearest}?" : "";
                throw new ApiMistakeException(
                    "UNKNOWN_FIELD", PathOf(field.Name),
                    $"{Quoted.Shorten(field.Name)} is no field here: {string.Join(", ", known)} are.{hint}");
            }

            if (!seen.Add(field.Name))
            {
                string twice = PathOf(field.Name);
                throw new ApiMistakeException("DUPLICATE_FIELD", twice, $"{twice} is there twice.");
            }
        }
    }

    public string PathOf(string name) => _path.Length == 0 ? name : $"{_path}.{name}";

    /// <summary>The field is there and not null.</summary>
    public bool Has(string name) => TryGet(name, out _);

    public string Text(string name, int bytesMax) =>
        TextOrNull(name, bytesMax) ?? throw Missing(name, "a text");

    public string? TextOrNull(string name, int bytesMax)
    {
        if (!TryGet(name, out var value))
            return null;
        if (value.ValueKind != JsonValueKind.String)
            throw Mistake(ErrorCode.Malformed, name, "must be a text.");
        string text;
        try
        {
            text = value.GetString()!;
        }
        catch (InvalidOperationException)
        {
            throw Mistake(ErrorCode.InvalidText, name, "has an unpaired surrogate in it, which is no text.");
        }

        int bytes = Encoding.UTF8.GetByteCount(text);
        if (bytes > bytesMax)
            throw Mistake(ErrorCode.PayloadTooLarge, name, $"has {bytes} bytes; at most {bytesMax} are allowed.");
        return text;
    }

    /// <summary>True or false; false when it is absent.</summary>
    public bool Flag(string name)
    {
        if (!TryGet(name, out var value))
            return false;
        return value.ValueKind switch
        {
            JsonValueKind.True => true,
            JsonValueKind.False => false,
            _ => throw Mistake(ErrorCode.Malformed, name, "must be true or false."),
        };
    }

    public long Integer(string name, long min, long max, long absent) => IntegerOrNull(name, min, max) ?? absent;

    public long? IntegerOrNull(string name, long min, long max)
    {
        if (!TryGet(name, out var value))
            return null;
        if (value.ValueKind != JsonValueKind.Number || !value.TryGetInt64(out long number))
        {
            string text = Quoted.Shorten(value.GetRawText());
            throw Mistake(ErrorCode.OutOfRange, name, $"is {text}; it must be a whole number.");
        }

        return number >= min && number <= max
            ? number
            : throw Mistake(ErrorCode.OutOfRange, name, $"is {number}; it must be from {min} to {max}.");
    }

    /// <summary>The position of one of a few words.</summary>
    public int Choice(string name, string[] words, int? absent = null)
    {
        if (!Has(name))
            return absent ?? throw Missing(name, "one of " + string.Join(", ", words));
        string text = Text(name, int.MaxValue);
        int found = Array.IndexOf(words, text);
        return found >= 0
            ? found
            : throw Mistake(
                ErrorCode.OutOfRange, name,
                $"is {Quoted.Shorten(text)}; it must be one of {string.Join(", ", words)}.");
    }

    /// <summary>ISO-8601, in ms.</summary>
    public long? DurationMsOrNull(string name, long min)
    {
        if (TextOrNull(name, 64) is not { } text)
            return null;
        if (!IsoDuration.TryParse(text, out long ms, out string? error))
            throw Mistake(ErrorCode.OutOfRange, name, $"is {Quoted.Shorten(text)}, which {error}.");
        return ms >= min && ms <= ProtocolLimits.DurationMsMax
            ? ms
            : throw Mistake(
                ErrorCode.OutOfRange, name, $"is {Quoted.Shorten(text)}; it must be from {min} ms to 100 years.");
    }

    /// <summary>RFC 3339 with an offset, in ms since 1970 UTC.</summary>
    public long? InstantMsOrNull(string name)
    {
        if (TextOrNull(name, 64) is not { } text)
            return null;
        bool isInstant = DateTimeOffset.TryParseExact(
            text, ["yyyy-MM-ddTHH:mm:ssK", "yyyy-MM-ddTHH:mm:ss.FFFFFFFK"], CultureInfo.InvariantCulture,
            DateTimeStyles.None, out var instant);
        bool hasZone = text.EndsWith('Z') || (text.Length > 6 && text[^6] is '+' or '-');
        if (!isInstant || !hasZone || instant < DateTimeOffset.UnixEpoch)
        {
            throw Mistake(
                ErrorCode.OutOfRange, name,
                $"is {Quoted.Shorten(text)}; it must be an instant after 1970, such as 2026-12-01T08:00:00Z.");
        }

        return instant.ToUnixTimeMilliseconds();
    }

    public UInt128? UuidOrNull(string name)
    {
        if (TextOrNull(name, 64) is not { } text)
            return null;
        return Uuids.TryParse(text, out var uuid)
            ? Engine.Uuid.ToNumber(uuid)
            : throw Mistake(ErrorCode.InvalidId, name, $"is {Quoted.Shorten(text)}; it must be {Uuids.Form}.");
    }

    /// <summary>Any JSON.</summary>
    public JsonElement? Any(string name) => TryGet(name, out var value) ? value : null;

    public StrictJson Object(string name, params string[] known) => TryGet(name, out var value)
        ? new StrictJson(value, PathOf(name), known)
        : throw Missing(name, "an object");

    /// <summary>Names and texts, in their order; empty when the field is absent.</summary>
    public IReadOnlyList<KeyValuePair<string, string>> Map(string name, int countMax, int textBytesMax)
    {
        if (!TryGet(name, out var value))
            return [];
        if (value.ValueKind != JsonValueKind.Object)
            throw Mistake(ErrorCode.Malformed, name, "must be an object of texts.");
        string[] names = [.. value.EnumerateObject().Select(field => field.Name)];
        if (names.Length > countMax)
            throw Mistake(ErrorCode.OutOfRange, name, $"has {names.Length} fields; at most {countMax} are allowed.");
        var map = new StrictJson(value, PathOf(name), names);
        return [.. names.Select(field => KeyValuePair.Create(field, map.Text(field, textBytesMax)))];
    }

    /// <summary>The items of a list; none when the field is absent.</summary>
    public IEnumerable<(JsonElement Item, string Path)> List(string name, int countMax, ErrorCode tooMany)
    {
        if (!TryGet(name, out var value))
            yield break;
        if (value.ValueKind != JsonValueKind.Array)
            throw Mistake(ErrorCode.Malformed, name, "must be a list.");
        if (value.GetArrayLength() > countMax)
            throw Mistake(tooMany, name, $"has {value.GetArrayLength()} items; at most {countMax} are allowed.");
        int index = 0;
        foreach (var item in value.EnumerateArray())
            yield return (item, $"{PathOf(name)}[{index++}]");
    }

    public ApiMistakeException Missing(string name, string what) =>
        Mistake(ErrorCode.Malformed, name, $"is missing; it must be {what}.");

    public ApiMistakeException Mistake(ErrorCode code, string name, string text)
    {
        string path = name.Length == 0 ? (_path.Length == 0 ? "The body" : _path) : PathOf(name);
        return new ApiMistakeException(code, path, $"{path} {text}");
    }

    private bool TryGet(string name, out JsonElement value) =>
        _element.TryGetProperty(name, out value) && value.ValueKind != JsonValueKind.Null;
}

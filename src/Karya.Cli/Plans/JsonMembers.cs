using System.Text.Json;
using Karya.Node.Configuration;

namespace Karya.Cli.Plans;

/// <summary>
/// An object in a plan file. Each member is asked for by its name; one that nobody asked for is a mistake of the writer,
/// not something to pass over.
/// </summary>
internal sealed class JsonMembers
{
    private readonly JsonElement _element;
    private readonly List<string> _asked = [];

    /// <param name="path">Where the object is, as in <c>plan.action</c>.</param>
    public JsonMembers(JsonElement element, string path)
    {
        _element = element;
        Path = path;
        if (element.ValueKind != JsonValueKind.Object)
            throw Wrong($"must be an object, and is {Kind(element)}");
    }

    public string Path { get; }

    /// <summary>Null when it is not there, or null.</summary>
    public JsonElement? Find(string name)
    {
        _asked.Add(name);
        return _element.TryGetProperty(name, out var member) && member.ValueKind != JsonValueKind.Null ? member : null;
    }

    /// <inheritdoc cref="Find"/>
    public JsonMembers? FindObject(string name) =>
        Find(name) is { } member ? new JsonMembers(member, $"{Path}.{name}") : null;

    public JsonMembers Object(string name) => FindObject(name) ?? throw Missing(name);

    /// <inheritdoc cref="Find"/>
    public string? FindText(string name) => Find(name) is not { } member ? null
        : member.ValueKind == JsonValueKind.String ? member.GetString()
        : throw Wrong($"must be a text, and is {Kind(member)}", name);

    public string Text(string name) => FindText(name) ?? throw Missing(name);

    /// <inheritdoc cref="Find"/>
    public int? FindNumber(string name) => Find(name) is not { } member ? null
        : member.ValueKind == JsonValueKind.Number && member.TryGetInt32(out int number) ? number
        : throw Wrong("must be a whole number", name);

    /// <summary>Null when it is not there. Mistakes in the text are told with their place.</summary>
    public T? FindValue<T>(string name, Func<string, T> read) where T : struct
    {
        if (FindText(name) is not { } text)
            return null;
        try
        {
            return read(text);
        }
        catch (FormatException exception)
        {
            throw Wrong(exception.Message, name);
        }
    }

    /// <summary>One of an enumeration's names, in lower case.</summary>
    public T? FindWord<T>(string name) where T : struct, Enum => FindValue(name, text =>
    {
        foreach (var value in Enum.GetValues<T>())
        {
            if (PlanWriter.Word(value) == text)
                return value;
        }

        string all = string.Join(", ", Enum.GetValues<T>().Select(PlanWriter.Word).Where(word => word != "none"));
        throw new FormatException($"'{text}' is none of {all}.");
    });

    /// <summary>Empty when it is not there.</summary>
    public IEnumerable<JsonElement> List(string name)
    {
        if (Find(name) is not { } member)
            return [];
        return member.ValueKind == JsonValueKind.Array
            ? member.EnumerateArray()
            : throw Wrong($"must be an array, and is {Kind(member)}", name);
    }

    /// <summary>After all members were asked for.</summary>
    /// <exception cref="UsageException">There are others.</exception>
    public void CheckNoOthers()
    {
        foreach (var member in _element.EnumerateObject())
        {
            if (_asked.Contains(member.Name))
                continue;
            string? nearest = NearestName.Of(member.Name, _asked);
            throw Wrong(
                nearest is null ? $"is unknown; there are {string.Join(", ", _asked)}" : $"is unknown; did you mean {nearest}?",
                member.Name);
        }
    }

    public UsageException Wrong(string mistake, string? name = null) =>
        new($"{Path}{(name is null ? "" : $".{name}")}: {mistake}", hint: "docs/cli.md has the form of a plan file");

    private UsageException Missing(string name) => Wrong("is missing", name);

    private static string Kind(JsonElement element) => element.ValueKind switch
    {
        JsonValueKind.Object => "an object",
        JsonValueKind.Array => "an array",
        JsonValueKind.String => "a text",
        JsonValueKind.Number => "a number",
        JsonValueKind.Null => "null",
        _ => "true or false",
    };
}

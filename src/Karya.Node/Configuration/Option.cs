using System.Globalization;
using System.Text.RegularExpressions;
using Microsoft.Extensions.Logging;

namespace Karya.Node.Configuration;

/// <summary>Reads a text into one place of the options. Returns what is wrong with the text, or null.</summary>
internal delegate string? OptionSetter(string text, ref NodeOptions options);

/// <summary>Puts in what references in a text stand for. Returns what is wrong with them, or null.</summary>
internal delegate string? OptionResolver(string text, SecretReferences references, out string resolved);

/// <summary>
/// One row of <see cref="OptionTable"/>: an option's names, limits, and how its value is read and shown.
/// </summary>
/// <param name="Key">Its path in the file, dotted: <c>http.listen</c>.</param>
/// <param name="Limits">What is allowed, as the documentation says it.</param>
/// <param name="Show">The value in the form in which the file writes it.</param>
internal sealed partial record Option(string Key, string Limits, Func<NodeOptions, string> Show, OptionSetter Set)
{
    public const string EnvironmentPrefix = "KARYA_";
    public const string EnvironmentSeparator = "__";

    public const string NoneText = "none";

    private const string AutoText = "auto";
    private const int ShownCharsMax = 60;

    private static readonly (string Text, LogLevel Value)[] LogLevels =
    [
        ("trace", LogLevel.Trace), ("debug", LogLevel.Debug), ("info", LogLevel.Information),
        ("warn", LogLevel.Warning), ("error", LogLevel.Error),
    ];

    private static readonly (string Text, CorsRule Value)[] CorsRules =
        [("loopback", CorsRule.Loopback), ("any", CorsRule.Any)];

    private static readonly (string Text, bool Value)[] Switches = [("true", true), ("false", false)];

    public string EnvironmentName =>
        EnvironmentPrefix + Key.Replace(".", EnvironmentSeparator, StringComparison.Ordinal).ToUpperInvariant();

    public string Default => Show(NodeOptions.Default);

    /// <summary>Comes before <see cref="Set"/> where a value may hold references; null for all others.</summary>
    public OptionResolver? Resolve { get; init; }

    /// <summary>
    /// A foreign text as a message may show it: on one line, not longer than needed, nothing that steers a terminal.
    /// </summary>
    public static string Shown(string text)
    {
        string start = text.Length > ShownCharsMax ? text[..ShownCharsMax] + "..." : text;
        return string.Concat(start.Select(c => IsVisible(c) ? c.ToString() : $"\\u{(int)c:x4}"));
    }

    public static Option Address(
        string key, Func<NodeOptions, ListenAddress> get, Func<NodeOptions, ListenAddress, NodeOptions> with) =>
        new(key, "host:port", options => get(options).ToString(), (text, ref options) =>
        {
            if (!ListenAddress.TryParse(text, out var address))
                return $"\"{Shown(text)}\" is not {ListenAddress.Form}";

            options = with(options, address);
            return null;
        });

    public static Option FilePath(
        string key, Func<NodeOptions, string> get, Func<NodeOptions, string, NodeOptions> with) =>
        new(key, "a file", get, (text, ref options) =>
        {
            if (text.Contains('\0', StringComparison.Ordinal) || Path.GetFileName(text) is "" or "." or "..")
                return $"\"{Shown(text)}\" does not name a file; end it with a name such as karya.db";

            options = with(options, text);
            return null;
        });

    /// <summary>A connection string of Npgsql, or <c>none</c> for empty. Shown without its password.</summary>
    public static Option Connection(
        string key, Func<NodeOptions, string> get, Func<NodeOptions, string, NodeOptions> with)
    {
        return new(key, $"{NoneText}, or a connection string of Npgsql", Show, (text, ref options) =>
        {
            string connectionString = "";
            bool isNone = text.Length == 0 || text == NoneText;
            string? mistake = isNone ? null : ConnectionString.Read(text, out connectionString);
            if (mistake is null)
                options = with(options, connectionString);
            return mistake;
        })
        {
            Resolve = ConnectionString.Resolve,
        };

        string Show(NodeOptions options) =>
            get(options) is { Length: > 0 } connectionString ? ConnectionString.Shown(connectionString) : NoneText;
    }

    /// <summary>A configuration of StackExchange.Redis, or <c>none</c> for empty. Shown without its password.</summary>
    public static Option Redis(string key, Func<NodeOptions, string> get, Func<NodeOptions, string, NodeOptions> with)
    {
        return new(key, $"{NoneText}, or host:port with options of StackExchange.Redis", Show, (text, ref options) =>
        {
            bool isNone = text.Length == 0 || text == NoneText;
            string? mistake = isNone ? null : RedisConfiguration.Judge(text);
            if (mistake is null)
                options = with(options, isNone ? "" : text);
            return mistake;
        })
        {
            Resolve = (string text, SecretReferences references, out string resolved) =>
                references.Resolve(text, out resolved),
        };

        string Show(NodeOptions options) =>
            get(options) is { Length: > 0 } configuration ? RedisConfiguration.Shown(configuration) : NoneText;
    }

    /// <summary>The name of a machine or of a node, or <c>auto</c> for null.</summary>
    public static Option NameOrAuto(
        string key, Func<NodeOptions, string?> get, Func<NodeOptions, string?, NodeOptions> with)
    {
        const string Limits = $"{AutoText}, or 1 to 63 of a-z, A-Z, 0-9, '.', ':', '_' and '-'";
        return new(key, Limits, options => get(options) ?? AutoText, (text, ref options) =>
        {
            if (!HostName().IsMatch(text))
                return $"\"{Shown(text)}\" is not allowed; it must be {Limits}";

            options = with(options, text == AutoText ? null : text);
            return null;
        });
    }

    public static Option Schema(
        string key, Func<NodeOptions, string> get, Func<NodeOptions, string, NodeOptions> with)
    {
        const string Limits = "1 to 63 of a-z, 0-9 and _, not beginning with a digit or pg_";
        return new(key, Limits, get, (text, ref options) =>
        {
            if (!SchemaName().IsMatch(text))
                return $"\"{Shown(text)}\" is not a schema's name; allowed is {Limits}";

            options = with(options, text);
            return null;
        });
    }

    public static Option Number(
        string key, int min, int max, Func<NodeOptions, int> get, Func<NodeOptions, int, NodeOptions> with)
    {
        string limits = string.Create(CultureInfo.InvariantCulture, $"{min} to {max}");
        return new(key, limits, options => get(options).ToString(CultureInfo.InvariantCulture), (text, ref options) =>
        {
            string? mistake = ReadNumber(text, min, max, limits, out int value);
            if (mistake is null)
                options = with(options, value);
            return mistake;
        });
    }

    /// <summary>A number, or <c>auto</c> for null.</summary>
    public static Option NumberOrAuto(
        string key, int min, int max, Func<NodeOptions, int?> get, Func<NodeOptions, int?, NodeOptions> with)
    {
        string limits = string.Create(CultureInfo.InvariantCulture, $"{AutoText}, or {min} to {max}");
        return new(key, limits, Show, (text, ref options) =>
        {
            int value = 0;
            bool isAuto = text == AutoText;
            string? mistake = isAuto ? null : ReadNumber(text, min, max, limits, out value);
            if (mistake is null)
                options = with(options, isAuto ? null : value);
            return mistake;
        });

        string Show(NodeOptions options) => get(options)?.ToString(CultureInfo.InvariantCulture) ?? AutoText;
    }

    public static Option Duration(
        string key, TimeSpan min, TimeSpan max,
        Func<NodeOptions, TimeSpan> get, Func<NodeOptions, TimeSpan, NodeOptions> with)
    {
        string limits = $"{Quantity.ShowDuration(min)} to {Quantity.ShowDuration(max)}";
        return new(key, limits, options => Quantity.ShowDuration(get(options)), (text, ref options) =>
        {
            if (!Quantity.TryParseDuration(text, out long ms, out string hint))
                return NotA(Quantity.DurationForm, text, hint);
            if (ms < (long)min.TotalMilliseconds || ms > (long)max.TotalMilliseconds)
                return OutOfRange(text, limits);

            options = with(options, TimeSpan.FromMilliseconds(ms));
            return null;
        });
    }

    public static Option Size(
        string key, int min, int max, Func<NodeOptions, int> get, Func<NodeOptions, int, NodeOptions> with)
    {
        string limits = $"{Quantity.ShowSize(min)} to {Quantity.ShowSize(max)}";
        return new(key, limits, options => Quantity.ShowSize(get(options)), (text, ref options) =>
        {
            if (!Quantity.TryParseSize(text, out long bytes, out string hint))
                return NotA(Quantity.SizeForm, text, hint);
            if (bytes < min || bytes > max)
                return OutOfRange(text, limits);

            options = with(options, (int)bytes);
            return null;
        });
    }

    /// <summary>A text, or a word that stands for an empty one.</summary>
    /// <param name="emptyText">Stands for it: <c>none</c>, <c>auto</c> or <c>any</c>.</param>
    /// <param name="form">What is allowed beside that word.</param>
    /// <param name="judge">What is wrong with a text; null when nothing is.</param>
    public static Option Text(
        string key, string emptyText, string form, Func<string, string?> judge, Func<NodeOptions, string> get,
        Func<NodeOptions, string, NodeOptions> with) =>
        new(key, $"{emptyText}, or {form}", Shown(get, emptyText), (text, ref options) =>
        {
            bool isEmpty = text.Length == 0 || text == emptyText;
            string? mistake = isEmpty ? null : judge(text);
            if (mistake is null)
                options = with(options, isEmpty ? "" : text);
            return mistake;
        });

    /// <summary>A text with references that nobody is shown, or <c>none</c> for an empty one.</summary>
    /// <param name="form">What is allowed.</param>
    /// <param name="judge">What is wrong with a text, without showing it; null when nothing is.</param>
    public static Option Secret(
        string key, string form, Func<string, string?> judge, Func<NodeOptions, string> get,
        Func<NodeOptions, string, NodeOptions> with)
    {
        var option = Text(key, NoneText, form, judge, get, with);
        return option with
        {
            Show = options => get(options).Length == 0 ? NoneText : "(set)",
            Resolve = (string text, SecretReferences references, out string resolved) =>
                references.Resolve(text, out resolved),
        };
    }

    public static Option Switch(string key, Func<NodeOptions, bool> get, Func<NodeOptions, bool, NodeOptions> with) =>
        Choice(key, Switches, get, with);

    public static Option Cors(
        string key, Func<NodeOptions, CorsRule> get, Func<NodeOptions, CorsRule, NodeOptions> with) =>
        Choice(key, CorsRules, get, with);

    public static Option Level(
        string key, Func<NodeOptions, LogLevel> get, Func<NodeOptions, LogLevel, NodeOptions> with) =>
        Choice(key, LogLevels, get, with);

    public static Option Choice<T>(
        string key, (string Text, T Value)[] choices, Func<NodeOptions, T> get, Func<NodeOptions, T, NodeOptions> with)
    {
        string limits = string.Join(", ", choices[..^1].Select(choice => choice.Text)) + " or " + choices[^1].Text;
        return new(key, limits, Show, (text, ref options) =>
        {
            int index = Array.FindIndex(
                choices, choice => choice.Text.Equals(text, StringComparison.OrdinalIgnoreCase));
            if (index < 0)
                return $"\"{Shown(text)}\" is not allowed; it must be {limits}";

            options = with(options, choices[index].Value);
            return null;
        });

        string Show(NodeOptions options)
        {
            var value = get(options);
            return Array.Find(choices, choice => EqualityComparer<T>.Default.Equals(choice.Value, value)).Text;
        }
    }

    private static Func<NodeOptions, string> Shown(Func<NodeOptions, string> get, string emptyText) =>
        options => get(options) is { Length: > 0 } text ? text : emptyText;

    [GeneratedRegex(@"^(?!pg_)[a-z_][a-z0-9_]{0,62}\z")]
    private static partial Regex SchemaName();

    [GeneratedRegex(@"^[a-zA-Z0-9._:-]{1,63}\z")]
    private static partial Regex HostName();

    private static bool IsVisible(char c) =>
        char.GetUnicodeCategory(c) is not (UnicodeCategory.Control or UnicodeCategory.Format
            or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator);

    private static string? ReadNumber(string text, int min, int max, string limits, out int value)
    {
        value = 0;
        if (!long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long number))
            return NotA("a whole number", text, $"allowed is {limits}");
        if (number < min || number > max)
            return OutOfRange(text, limits);

        value = (int)number;
        return null;
    }

    private static string NotA(string form, string text, string hint) =>
        $"\"{Shown(text)}\" is not {form}" + (hint.Length == 0 ? "" : $"; {hint}");

    private static string OutOfRange(string text, string limits) =>
        $"{Shown(text)} is out of range; allowed is {limits}";
}

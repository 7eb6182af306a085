using System.Text;
using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace Karya.Node.Configuration;

/// <summary>One option as a source wrote it.</summary>
/// <param name="Where">What to name in a message about it: <c>karya-node.yml:12</c>, or a variable.</param>
internal sealed record OptionText(Option Option, string Text, string Where);

/// <summary>
/// Reads <c>karya-node.yml</c>: sections, keys and plain values, nothing else that YAML can do. Works on the parser's
/// events, so that every mistake has its line, one mistake does not hide the next, and nothing is expanded or created.
/// </summary>
internal sealed class OptionsFile
{
    public const string DefaultName = "karya-node.yml";

    /// <summary>A hundred times what all options need; larger is the wrong file, or an attack.</summary>
    public const int BytesMax = 1024 * 1024;

    /// <summary>Nobody reads more than this at once.</summary>
    public const int ProblemsMax = 100;

    /// <summary>
    /// Options lie three deep. The YAML scanner takes quadratic time on deep nesting, so it is stopped early.
    /// </summary>
    private const int DepthMax = 16;

    /// <summary>Some editors write it in front; the YAML scanner would take it for a part of the first key.</summary>
    private const char ByteOrderMark = '\uFEFF';

    private readonly string _name;
    private readonly Parser _parser;
    private readonly List<OptionText> _texts = [];
    private readonly List<string> _problems = [];
    private readonly Dictionary<string, long> _lineOf = [];

    private int _depth;

    private OptionsFile(string name, string yaml)
    {
        _name = name;
        _parser = new Parser(new StringReader(yaml.TrimStart(ByteOrderMark)));
    }

    /// <summary>Reads the file at <paramref name="path"/>; messages call it <paramref name="name"/>.</summary>
    public static (IReadOnlyList<OptionText> Texts, IReadOnlyList<string> Problems) Read(string path, string name)
    {
        try
        {
            byte[] bytes = new byte[BytesMax + 1];
            using var stream = File.OpenRead(path);
            int byteCount = stream.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);
            if (byteCount > BytesMax)
                return ([], [$"{name}: the file is larger than {Quantity.ShowSize(BytesMax)}; is it the right one?"]);

            var strictUtf8 = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);
            return Parse(name, strictUtf8.GetString(bytes, 0, byteCount));
        }
        catch (DecoderFallbackException)
        {
            return ([], [$"{name}: the file is not UTF-8 text."]);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return ([], [$"{name}: the file cannot be read: {exception.Message}"]);
        }
    }

    public static (IReadOnlyList<OptionText> Texts, IReadOnlyList<string> Problems) Parse(string name, string yaml)
    {
        // The YAML scanner takes a NUL for the end of the file, and would quietly ignore what follows.
        if (yaml.Contains('\0', StringComparison.Ordinal))
            return ([], [$"{name}: the file contains a NUL character; is it the right one?"]);

        var file = new OptionsFile(name, yaml);
        try
        {
            file.ReadStream();
        }
        catch (YamlException exception)
        {
            file.Report(exception.Start.Line, $"cannot be read from here on: {Option.Shown(exception.Message)}");
        }

        return (file._texts, file._problems);
    }

    private void ReadStream()
    {
        _parser.MoveNext();
        Take();
        if (_parser.Current is StreamEnd)
            return;

        Take();
        if (_parser.Current is MappingStart)
            ReadSection("");
        else if (!TryTakeNothing())
            Report(_parser.Current!.Start.Line, "expected sections such as http: and storage:, found something else.");

        if (_parser.Current is DocumentEnd)
            Take();
        if (_parser.Current is DocumentStart)
            Report(_parser.Current.Start.Line, "a second document starts here; put everything into one.");
    }

    private void ReadSection(string section)
    {
        Take();
        while (_parser.Current is not MappingEnd)
        {
            if (_parser.Current is not Scalar key)
            {
                Report(_parser.Current!.Start.Line, $"{Below(section)}a key must be a plain name.");
                Skip();
                Skip();
                continue;
            }

            Take();
            ReadEntry(section, key);
        }

        Take();
    }

    private void ReadEntry(string section, Scalar key)
    {
        string path = section.Length == 0 ? key.Value : $"{section}.{key.Value}";
        if (!_lineOf.TryAdd(path, key.Start.Line))
        {
            string message = $"is already set in line {_lineOf[path]}; remove one of the two.";
            Report(key.Start.Line, $"{Option.Shown(path)}: {message}");
            Skip();
        }
        else if (OptionTable.IsSection(path) && !key.Value.Contains('.', StringComparison.Ordinal))
        {
            ReadSectionValue(path);
        }
        else if (OptionTable.Find(path) is { } option && !key.Value.Contains('.', StringComparison.Ordinal))
        {
            ReadOptionValue(option, key.Start.Line);
        }
        else
        {
            ReportUnknown(path, key);
            Skip();
        }
    }

    private void ReadSectionValue(string section)
    {
        if (_parser.Current is MappingStart)
        {
            ReadSection(section);
            return;
        }

        // A section whose every line is commented out is an empty value.
        if (TryTakeNothing())
            return;

        if (_parser.Current is not AnchorAlias)
        {
            string names = string.Join(", ", OptionTable.NamesBelow(section));
            Report(_parser.Current!.Start.Line, $"{section}: is a section, not a value; below it may stand: {names}.");
        }

        Skip();
    }

    private void ReadOptionValue(Option option, long line)
    {
        string where = At(line);
        if (TryTakeNothing())
        {
            string message = $"has no value. Give it one (the default is {option.Default}), or remove the line.";
            Report(line, $"{option.Key}: {message}");
            return;
        }

        if (_parser.Current is Scalar value)
            _texts.Add(new OptionText(option, value.Value, where));
        else if (_parser.Current is not AnchorAlias)
            Report(line, $"{option.Key}: expected one value ({option.Limits}), in quotes if it begins with a [.");
        Skip();
    }

    private void ReportUnknown(string path, Scalar key)
    {
        if (_problems.Count >= ProblemsMax)
            return;

        string message = $"{Option.Shown(path)}: unknown key.";
        if (OptionTable.Find(path) is not null || OptionTable.IsSection(path))
            message = $"{path}: keys are nested, not dotted; write each part on its own line, the next one indented.";
        else if (OptionTable.NearestTo(path) is { } nearest)
            message += $" Did you mean {nearest}?";
        Report(key.Start.Line, message);
    }

    private bool TryTakeNothing()
    {
        if (_parser.Current is not Scalar { Style: ScalarStyle.Plain, Value.Length: 0 })
            return false;

        Take();
        return true;
    }

    /// <summary>Passes over one node, whatever is in it.</summary>
    private void Skip()
    {
        int depthBefore = _depth;
        do
            Take();
        while (_depth > depthBefore);
    }

    private void Take()
    {
        if (_parser.Current is AnchorAlias alias)
            Report(alias.Start.Line, "aliases are not allowed; write it out, or in quotes if it begins with a *.");
        if (_parser.Current is NodeEvent { Anchor.IsEmpty: false } anchored)
            Report(anchored.Start.Line, "anchors (&name) are not allowed; write the value where it is needed.");
        if (_parser.Current is NodeEvent { Tag.IsEmpty: false } tagged)
            Report(tagged.Start.Line, "tags (!name) are not allowed; remove it.");

        _depth += _parser.Current!.NestingIncrease;
        if (_depth > DepthMax)
            throw new YamlException(_parser.Current.Start, _parser.Current.End, $"Nested deeper than {DepthMax}.");
        _parser.MoveNext();
    }

    private void Report(long line, string message)
    {
        if (_problems.Count < ProblemsMax)
            _problems.Add($"{At(line)}: {message}");
        else if (_problems.Count == ProblemsMax)
            _problems.Add($"{_name}: there are more than {ProblemsMax} problems; the others are not shown.");
    }

    private string At(long line) => $"{_name}:{line}";

    private static string Below(string section) => section.Length == 0 ? "" : $"{section}: ";
}

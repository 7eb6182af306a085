using System.Text.RegularExpressions;
using Karya.Node.Plans;

namespace Karya.Node.Configuration;

/// <summary>
/// Puts in what <c>${env:NAME}</c> and <c>${file:path}</c> stand for, so that a secret need not stand in a file that
/// others read. What is put in is taken as it is: references in it are not followed.
/// </summary>
/// <param name="environment">Where variables are looked up.</param>
/// <param name="directory">Where relative paths begin.</param>
internal sealed partial class SecretReferences(IReadOnlyDictionary<string, string> environment, string directory)
{
    /// <summary>The text is one reference and nothing else.</summary>
    public static bool IsOne(string text) => Reference().Match(text).Value == text && text.Length > 0;

    /// <summary>
    /// Returns what is wrong, naming the variable or the file and never what it holds; null when nothing is.
    /// </summary>
    public string? Resolve(string text, out string resolved)
    {
        string? firstMistake = null;
        resolved = Reference().Replace(text, match =>
        {
            string name = match.Groups["name"].Value;
            var (value, mistake) = match.Groups["kind"].Value switch
            {
                "env" => ReadVariable(name),
                "file" => ReadFile(name),
                _ => ("", "a reference is written ${env:NAME} or ${file:path}, and there is another kind in it"),
            };
            firstMistake ??= mistake;
            return value;
        });
        return firstMistake;
    }

    /// <summary>An empty variable is a mistake too: it would choose another store, or no password.</summary>
    private (string Value, string? Mistake) ReadVariable(string name)
    {
        string value = environment.GetValueOrDefault(name, "");
        return value.Length > 0 ? (value, null) : ("", $"the variable {Option.Shown(name)} is not set, or empty");
    }

    private (string Value, string? Mistake) ReadFile(string name) =>
        SecretFile.Read(Path.Combine(directory, name), out string mistake) is { } value
            ? (value, null)
            : ("", $"the file {Option.Shown(name)} {mistake}");

    [GeneratedRegex(@"\$\{(?<kind>[a-z]+):(?<name>[^}]*)\}")]
    private static partial Regex Reference();
}
